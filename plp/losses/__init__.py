"""Loss terms: what a learner minimises beside the cross-entropy of its branches."""

from plp.losses.background_entropy import BackgroundEntropy
from plp.losses.base import LossInputs, LossTerm
from plp.losses.image_anchor import ImageAnchor
from plp.losses.soft_targets import SoftTargets
from plp.losses.teacher_divergence import TeacherDivergence
from plp.losses.text_anchor import TextAnchor

__all__ = [
    "BackgroundEntropy",
    "ImageAnchor",
    "LossInputs",
    "LossTerm",
    "SoftTargets",
    "TeacherDivergence",
    "TextAnchor",
]
