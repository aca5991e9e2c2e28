"""Running a learner over a loader."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from plp.evaluation.classification import stacked
from plp.learners.prompt_learner import PromptLearner


def predict_loader(
    learner: PromptLearner, loader: DataLoader[Any]
) -> tuple[dict[str, Float[Tensor, "I C"]], Int[Tensor, " I"]]:
    """Return logits by line of evidence (`fused` is the prediction) and labels, loader's order."""
    learner.eval()
    rows: list[dict[str, Any]] = []
    for batch in loader:
        moved = learner.data_preprocessor(batch)
        rows += learner(**moved, mode="predict")
    return stacked(rows)
