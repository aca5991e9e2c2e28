"""What a program of one's own starts from: `plp.load`, and the classifier it gives."""

from pathlib import Path
from typing import Any

from plp.export.write import Exported, export
from plp.inference import classifier, loading
from plp.inference.rejection import RECALL
from plp.probability import Probability


class Classifier(classifier.Classifier):
    """Predicts, rejects, explains and exports with a trained learner; `plp.load` makes one.

    All but `export` is `plp.inference.classifier.Classifier`, whose arguments it takes.
    """

    def export(
        self, path: str | Path, images: Any = None, *, iterations: int | None = None
    ) -> Exported:
        """Write the classifier as one file that runs without plp, checked against this one.

        Args:
            path: Ends in `.onnx`, or in `.pt2` for torch. See docs/export.md.
            images: Real images to check it on, beside noise, as `predict` takes them.
            iterations: Sinkhorn iterations; see `plp.export.ClassifierProgram`.

        Raises:
            ConfigError: for another ending, missing packages, or a method whose texts depend on the
                image.
            ExportError: if it cannot be traced, or its numbers differ by more than 1e-4.
        """
        return export(self, path, images, iterations=iterations)


def load(
    checkpoint: str | Path,
    *,
    pretrained: str | Path | None = None,
    device: str | None = None,
    score: str | None = None,
    recall: float = RECALL,
    probability: Probability | None = None,
    trust_code: bool = False,
    trust_header: bool = False,
) -> Classifier:
    """Load a trained classifier.

    Everything but the frozen backbone is in the checkpoint: what was learned, class names, prompts,
    preprocessing, and the scores that the threshold is chosen from. The file may have been moved,
    config and training data may be gone.

    Args:
        checkpoint: The work directory of a run, or its `model.safetensors`.
        pretrained: Weights of the backbone, if they are not where they were in training: the same
            weights in a file, or a tag; a folder where the model came from one. They take the place
            of those that the checkpoint names.
        device: Such as 'cpu' or 'cuda:1'; None for a GPU if there is one.
        score: Out-of-distribution score to reject by; None for GL-MCM where a branch looks at
            patches, else MCM.
        recall: Share of in-distribution images to accept.
        probability: 'softmax', or 'sigmoid' where the backbone was trained with a sigmoid loss
            (SigLIP); None for that of the training, softmax where it says nothing.
        trust_code: Import the modules that the checkpoint's config names. A checkpoint holds no
            code, but it may name components outside plp; importing those runs what is in them.
        trust_header: Open what the checkpoint's header names: files, folders, repositories. Without
            it only weights of open_clip's own table are, and those of a run's own work directory on
            the machine that trained it.

    Raises:
        CheckpointError: if there is no checkpoint, or it names code or files and is not trusted.
        WeightsError: if the backbone's weights cannot be had, naming them.
        ConfigError: for a device that is not there, an unknown score, a recall that is no share, a
            sigmoid where the backbone has no logit bias.

    Example:
        >>> import plp
        >>> clf = plp.load("work_dirs/sotglp/lite_16shot/textile_16shot_seed1")  # doctest: +SKIP
        >>> clf.predict("photo.jpg")[0].label  # doctest: +SKIP
        'flawless textile'
    """
    return loading.load(
        checkpoint,
        Classifier,
        pretrained=pretrained,
        device=device,
        score=score,
        recall=recall,
        probability=probability,
        trust_code=trust_code,
        trust_header=trust_header,
    )
