"""Tuners: what is learned inside a frozen tower."""

from plp.tuners.base import TextContext, Tuner
from plp.tuners.class_aware_tokens import ClassAwareTokens
from plp.tuners.coupled_prompts import CoupledPrompts
from plp.tuners.deep_prompts import DeepPrompts
from plp.tuners.image_prompt_sets import ImagePromptSets
from plp.tuners.low_rank import LowRank
from plp.tuners.representation_tokens import RepresentationTokens
from plp.tuners.residual_adapters import ResidualAdapters
from plp.tuners.trainable_norms import TrainableNorms
from plp.tuners.trainable_projection import TrainableProjection

__all__ = [
    "ClassAwareTokens",
    "CoupledPrompts",
    "DeepPrompts",
    "ImagePromptSets",
    "LowRank",
    "RepresentationTokens",
    "ResidualAdapters",
    "TextContext",
    "TrainableNorms",
    "TrainableProjection",
    "Tuner",
]
