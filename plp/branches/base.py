"""The contract of a branch: one line of evidence for a class."""

from abc import abstractmethod
from collections.abc import Callable, Mapping

from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.branches.class_places import ClassPlaces
from plp.branches.losses import class_loss
from plp.prompts.base import Prompt
from plp.structures import Evidence, ImageFeatures, Shots

ProjectDense = Callable[[Float[Tensor, "B P W"]], Float[Tensor, "B P E"]]


class Branch(nn.Module):
    """Compares image features with the texts of its own prompts.

    Attributes:
        prompt: The prompts whose texts the branch compares images with; None for one without text.
            A class whose `__init__` takes `prompt` with the default None can do without: on a
            backbone without texts it is built so.
        stream: The dense stream it needs, None if it looks at the pooled feature only.
        has_pairs: Whether its evidence has similarity, support and plan of single pairs.
        needs_shots: Whether `fit` must see the training images before training.
        needs_tuning: Whether `tune` wants to see the validation images after training.
        has_own_loss: Whether `loss` is more than the cross-entropy of the scores, so that training
            the fused scores in its place would leave something out.
        fitted_by_softmax: Whether its logits were fitted by a softmax without the backbone's bias,
            so that a sigmoid of them means nothing. Of a branch without prompt they were.
    """

    prompt: Prompt | None
    stream: str | None = None
    has_pairs: bool = False
    needs_shots: bool = False
    needs_tuning: bool = False
    has_own_loss: bool = False
    fitted_by_softmax: bool = False

    @property
    def supports_new_classes(self) -> bool:
        """Whether it can score classes it was not trained with: all its parts must."""
        return all(getattr(part, "supports_new_classes", True) for part in self.children())

    @abstractmethod
    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | Float[Tensor, "B C N E"],
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image.

        Args:
            features: What the backbone saw.
            text: Encoded prompts of this branch, not normalised; with an axis of images if the
                prompt sees images. None for a branch without prompt.
            project_dense: The backbone's map from dense features into the joint space.
            patch_scores: Also return the cosines of single patches, for scores that need them.
            pairs: Also return what single pairs of patch and prompt contribute, where there are
                any: similarity, support, plan. Scores do not depend on it; memory does.
        """

    def loss(
        self, evidence: Evidence, labels: Int[Tensor, " B"], logit_scale: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Return the training loss of the evidence; the temperature is applied here, once.

        Cross-entropy of the class scores, if a branch does not say otherwise.
        """
        return class_loss(evidence.scores, labels, logit_scale)

    def set_classes(self, trained: Int[Tensor, " C"]) -> None:
        """Take note of which classes are scored from now on; most branches need not know.

        A branch with `ClassPlaces` takes what it has learned of single classes to their new places.

        Args:
            trained: Index of each class among those of the training, -1 for a new one.
        """
        for part in self.children():
            if isinstance(part, ClassPlaces):
                part.match(trained)

    def fit(
        self, shots: Shots, val: Shots | None, text: Float[Tensor, "C N E"] | None = None
    ) -> str:
        """Set, before training, what is computed from the shots and texts rather than by gradient.

        Args:
            shots: Training images.
            val: Validation images, None if the dataset has none.
            text: As in `forward`, at the start of the training.

        Returns:
            What was done, a line for the log and the result.
        """
        raise NotImplementedError(f"{type(self).__name__} is fitted to nothing")

    def tune(self, val: Shots, text: Float[Tensor, "C N E"] | None) -> str:
        """Choose, after training, what is chosen on validation images.

        Args:
            val: Validation images.
            text: As in `forward`.

        Returns:
            What was chosen, a line for the log and the result.
        """
        raise NotImplementedError(f"{type(self).__name__} has nothing to tune")

    def freeze_for(self, stage: int) -> None:
        """Let be learned from now on what is learned in a stage of training, counted from 0.

        Most branches are the same in all.
        """

    def begin_stage(self, stage: int, text: Float[Tensor, "C N E"] | None) -> str:
        """Begin a stage of training (`train_cfg.stages`); most branches are the same in all.

        Called behind `freeze_for`, and again when a run is resumed within the stage.

        Args:
            stage: Its number, from 0.
            text: As in `forward`, as the stage before has left it.

        Returns:
            What was done, a line for the log; '' for nothing.
        """
        return ""

    def accommodate(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Make room for a state whose tensors depend on the number of shots.

        Args:
            shapes: Shapes by state-dict name of this branch.
        """
