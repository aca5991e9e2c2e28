"""Which patches of an image speak for a class: support, plan and similarities of each prompt."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from plp.aligners import PlanDiagnostics, plan_diagnostics
from plp.aligners.convergence import listening
from plp.branches.base import Branch
from plp.branches.local_branch import LocalBranch
from plp.branches.support import support_mask
from plp.datasets.base import some
from plp.errors import ConfigError
from plp.evaluation.finite import check_logits, not_finite
from plp.learners.prompt_learner import PromptLearner
from plp.structures import Evidence
from plp.transforms import CropGeometry, EvalTransform, Transform


class Explanation(NamedTuple):
    """What the patches of one image say about one class.

    Patches are numbered row by row over `grid`. A prompt's support are the patches it may look at;
    K is the largest support, and `kept` says which of the K count for a prompt.

    Attributes:
        name: Path of the image.
        class_name: The class.
        branch: The branch that compared the patches.
        prompts: The prompts as text; learned vectors stand as `[v]`.
        grid: Rows and columns of patches.
        support: Patches of each prompt's support.
        kept: Which of them count.
        plan: Mass on each pair of patch and prompt, total one.
        similarity: Cosine of every patch, in the support or not, with each prompt.
        score: Class score of the branch, in units of a cosine.
        image_size: Width and height of the image in pixels.
        crop: Where the patches come from in the image; None for a transform that does not tell.
        converged: Whether the iterations behind the plan met their tolerance; None for an aligner
            that solves nothing.
        row_error: L1 distance of the plan's row sums from what they should be, where the mass is
            one; None likewise.
    """

    name: str
    class_name: str
    branch: str
    prompts: tuple[str, ...]
    grid: tuple[int, int]
    support: Int[np.ndarray, "K N"]
    kept: Bool[np.ndarray, "K N"]
    plan: Float[np.ndarray, "K N"]
    similarity: Float[np.ndarray, "N rows columns"]
    score: float
    image_size: tuple[int, int]
    crop: CropGeometry | None
    converged: bool | None = None
    row_error: float | None = None

    @property
    def mean_similarity(self) -> Float[np.ndarray, "rows columns"]:
        """Cosine of every patch, averaged over the prompts."""
        return self.similarity.mean(0)

    @property
    def plan_maps(self) -> Float[np.ndarray, "N rows columns"]:
        """The plan as a map over the patches, a prompt each; NaN outside the prompt's support."""
        maps = np.full(self.similarity.shape, np.nan).reshape(len(self.prompts), -1)  # [N, P]
        for n, row in enumerate(maps):
            inside = self.kept[:, n]
            row[self.support[inside, n]] = self.plan[inside, n]
        return maps.reshape(self.similarity.shape)

    @property
    def diagnostics(self) -> PlanDiagnostics:
        """What the plan does, by itself and against the mean."""
        N = len(self.prompts)
        flat = self.similarity.reshape(N, -1)
        at_support = torch.from_numpy(flat[np.arange(N), self.support].astype(np.float64))
        plan, kept = torch.from_numpy(self.plan).double(), torch.from_numpy(self.kept.copy())
        return plan_diagnostics(plan, at_support, kept)

    def top_patches(self, prompt: int, most: int = 3) -> list[int]:
        """Return the patches a prompt sends most mass to, the first first.

        Only those above the prompt's mean by a thousandth: a uniform plan prefers none.
        """
        inside = self.kept[:, prompt]
        mass, patches = self.plan[inside, prompt], self.support[inside, prompt]
        order = np.argsort(-mass, kind="stable")[:most]
        return [int(patches[k]) for k in order if mass[k] > 1.001 * mass.mean()]


@torch.no_grad()
def explain(
    learner: PromptLearner,
    transform: Transform,
    image: Image.Image,
    name: str,
    class_name: str | None = None,
    branch: str | None = None,
) -> Explanation:
    """Explain a class score by patches; see `Classifier.explain`."""
    branch = _local_branch(learner, branch)
    part = cast(LocalBranch, learner.branches[branch])
    pixels = transform(image)[None].to(learner.backbone.device)
    features = learner.encode_image(pixels).to(torch.float32)
    solved: list[tuple[Tensor, Tensor]] = []  # a part of the classes each
    with listening(lambda name, *found: solved.append(found) if name == branch else None):
        evidence = learner.evidence(features)
    check_logits({n: not_finite(one.scores) for n, one in evidence.items()}, "explanation", [name])
    label = _label(learner, class_name, evidence)
    text = learner.encode_text(features)[branch][..., label : label + 1, :, :]  # [..., 1, N, E]
    cosines = part.patch_cosines(features, text, learner.backbone.project_dense)[0, :, 0]  # [P, N]
    found = evidence[branch]
    plan = found.plan[0, label]  # type: ignore[index]
    prompts = plan.shape[-1]
    mask = support_mask(found.support, prompts)  # type: ignore[arg-type]
    kept = torch.ones_like(plan, dtype=torch.bool) if mask is None else mask
    indices = found.support.indices[0, label].expand(-1, prompts)  # type: ignore[union-attr]
    chosen = learner.class_names[label]
    return Explanation(
        name=name,
        class_name=chosen,
        branch=branch,
        prompts=_prompts(part, chosen),
        grid=features.grid,
        support=indices.cpu().numpy(),
        kept=kept.expand_as(plan).cpu().numpy(),
        plan=plan.float().cpu().numpy(),
        similarity=cosines.T.float().cpu().numpy().reshape(prompts, *features.grid),
        score=float(found.scores[0, label]),
        image_size=image.size,
        crop=transform.geometry(*image.size) if isinstance(transform, EvalTransform) else None,
        **_convergence(solved, label, len(learner.class_names)),
    )


def _convergence(
    solved: Sequence[tuple[Tensor, Tensor]], label: int, num_classes: int
) -> dict[str, Any]:
    """Return what a solver said about the plan of a class; nothing unless it is one per class."""
    columns = [torch.cat([part.flatten() for part in parts]) for parts in zip(*solved, strict=True)]
    if not columns or len(columns[0]) != num_classes:
        return {}
    converged, row_error = columns
    return {"converged": bool(converged[label]), "row_error": float(row_error[label])}


def _local_branch(learner: PromptLearner, asked: str | None) -> str:
    """Return the branch to explain."""
    local = [name for name, part in learner.branches.items() if isinstance(part, LocalBranch)]
    if not local:
        has = ", ".join(f"{n} ({type(b).__name__})" for n, b in learner.branches.items())
        raise ConfigError(
            f"nothing to explain by patches: this method compares whole images only ({has}). "
            "Methods with a LocalBranch, such as sotglp, gallop and plot, compare patches"
        )
    if asked is not None and asked not in local:
        raise ConfigError(
            f"expected a branch that compares patches ({', '.join(local)}), got {asked!r}"
        )
    return asked or local[0]


def _label(learner: PromptLearner, class_name: str | None, evidence: Mapping[str, Evidence]) -> int:
    if class_name is None:
        return int(learner.logits_of(evidence)["logits"][0].argmax())
    if class_name not in learner.class_names:
        raise ConfigError(
            f"expected a class among {some(list(learner.class_names))}, got {class_name!r}"
        )
    return learner.class_names.index(class_name)


def _prompts(branch: Branch, class_name: str) -> tuple[str, ...]:
    spaced = class_name.replace("_", " ")
    texts = [] if branch.prompt is None else branch.prompt.describe()
    return tuple(text.format(spaced) for text in texts)
