"""The classifier as one module of tensor operations: pixels in, probabilities and score out."""

import copy
import math
from dataclasses import replace
from typing import cast, final

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from plp.aligners import Aligner, Sinkhorn
from plp.branches.base import Branch
from plp.branches.fusion import fused_logits
from plp.branches.local_branch import LocalBranch
from plp.branches.pass_branch import PassBranch
from plp.errors import ConfigError
from plp.learners.encoding import encoded
from plp.learners.prompt_learner import PromptLearner
from plp.probability import probabilities_of
from plp.reader import asked_for
from plp.scores import Score

# Sinkhorn iterations of a program at least, and 1 / epsilon of them for a small epsilon. On patches
# of 29 photos at epsilon 0.1, 0.05, 0.02, 0.01 none needs more than 4, 8, 12, 20 (docs/export.md).
FEWEST_ITERATIONS = 20
_ALL_CLASSES = 2**31


@final
class ClassifierProgram(nn.Module):
    """What a classifier says about images, with its texts folded in.

    It is a copy, on the CPU and in float32: the image tower, the encoded prompts as buffers, heads,
    selection, transport, fusion and score. Low-rank updates, and weights of norms that were
    learned, are written into the tower's own weights (`merged`: names of their tuners). No part of
    it looks at a value or at the number of images, so that a trace of it is right for any batch.
    The text tower is not called.

    Args:
        learner: The trained learner; it is not changed.
        score: Out-of-distribution score.
        threshold: Images with a score up to it are accepted; None for no such output.
        iterations: Sinkhorn iterations. None: at least 20, 1 / epsilon where that is more, but
            never more than the aligner's own `max_iterations`.

    Raises:
        ConfigError: for prompts that see images (CoCoOp): their texts cannot be encoded beforehand.

    Shape:
        pixels [B, 3, height, width], uint8, resized and cropped, not normalised. Returns a dict:
        `probabilities` [B, C], `ood_score` [B], and `accepted` [B] if there is a threshold.
    """

    def __init__(
        self,
        learner: PromptLearner,
        score: Score,
        threshold: float | None = None,
        iterations: int | None = None,
    ) -> None:
        super().__init__()
        _refuse_image_texts(learner)
        self.score = copy.deepcopy(score)
        self.threshold = threshold
        self.fusion, self.probability = learner.fusion, learner.probability
        self.names = tuple(learner.branches)
        own = in_float32(learner)
        with torch.no_grad():
            texts = own.encode_text()
        self.backbone, self.tuners = own.backbone, own.tuners
        self.merged = merge_into_weights(own)
        parts = [_frozen(branch, iterations) for _, branch in own.branches.named()]
        # Not under the branches' names: a traced program reads its parts as attributes, and
        # `global` is none in Python.
        self.branches = nn.ModuleList(parts)
        for place, name in enumerate(self.names):
            text = texts.get(name)
            self.register_buffer(f"text_{place}", None if text is None else text.detach().clone())
        self.requires_grad_(False)
        self.cpu().eval()

    @torch.no_grad()
    def forward(self, pixels: UInt8[Tensor, "B 3 H X"]) -> dict[str, Tensor]:
        """Classify and score a batch."""
        backbone = self.backbone
        parts = cast(list[Branch], list(self.branches))
        streams = sorted({part.stream for part in parts if part.stream is not None})
        features = encoded(backbone, self.tuners, backbone.normalise(pixels), streams)
        features = self.tuners.on_features(features)
        evidence = {
            name: part(
                features,
                getattr(self, f"text_{place}"),
                backbone.project_dense,
                **asked_for([self.score]),
            )
            for place, (name, part) in enumerate(zip(self.names, parts, strict=True))
        }
        logits = fused_logits(evidence, self.fusion, backbone.logit_scale, backbone.logit_bias)
        score = self.score(evidence)
        found = {"probabilities": probabilities_of(logits, self.probability), "ood_score": score}
        return found if self.threshold is None else found | {"accepted": score <= self.threshold}

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        names = ("probabilities", "ood_score", "accepted")
        return names[:2] if self.threshold is None else names


def in_float32(learner: PromptLearner) -> PromptLearner:
    """Return a copy of a learner whose towers are in float32, in evaluation mode."""
    own = copy.deepcopy(learner).eval()
    own.precision = "fp32"
    return own


@torch.no_grad()
def merge_into_weights(own: PromptLearner) -> tuple[str, ...]:
    """Write what tuners do into the image tower of a copy of a learner, and take them out.

    Returns:
        Names of those it could be done with: low-rank updates, and weights from outside.
    """
    written = []
    for name, tuner in list(own.tuners.named()):
        if tuner.acts_on_features:
            continue
        if tuner.acts_on_images and own.backbone.write("image", tuner.image_points()):
            written.append(name)
        if name in written or not tuner.acts_on_images:  # texts are encoded already
            del own.tuners[name]
    return tuple(written)


def _refuse_image_texts(learner: PromptLearner) -> None:
    seeing = [n for n, prompt in learner.branches.prompts.items() if prompt.source.sees_images]
    if seeing:
        raise ConfigError(
            f"the prompts of branch {', '.join(seeing)} depend on the image (CoCoOp): their texts "
            "cannot be encoded beforehand, and the program would have to hold the text tower and "
            "run it for every image and class. Export a method whose prompts do not see images, "
            "such as coop, kgcoop or sotglp"
        )


def _frozen(branch: Branch, iterations: int | None) -> Branch:
    """Take a branch's prompt out, unroll its loops, keep its classes in one part; return it."""
    branch.prompt = None
    if isinstance(branch, LocalBranch):
        branch.class_chunk = _ALL_CLASSES
    if isinstance(branch, LocalBranch | PassBranch):
        branch.aligner = _traceable(branch.aligner, iterations)
    return branch


def _traceable(aligner: Aligner, iterations: int | None) -> Aligner:
    """Let an entropic aligner run a fixed number of plain operations; others are that already."""
    solver = getattr(aligner, "solver", None)
    if isinstance(solver, Sinkhorn):
        usual = max(FEWEST_ITERATIONS, math.ceil(1 / solver.epsilon))
        number = min(solver.max_iterations, usual) if iterations is None else iterations
        aligner.solver = replace(  # type: ignore[assignment]  # of a module, mypy expects modules
            solver, max_iterations=number, gradient="detach", implementation="fixed"
        )
    return aligner
