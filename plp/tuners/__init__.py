"""Tuners: what is learned inside a frozen tower."""

from plp.tuners.base import TextContext, Tuner
from plp.tuners.coupled_prompts import CoupledPrompts
from plp.tuners.deep_prompts import DeepPrompts
from plp.tuners.low_rank import LowRank
from plp.tuners.trainable_norms import TrainableNorms
from plp.tuners.trainable_projection import TrainableProjection

__all__ = [
    "CoupledPrompts",
    "DeepPrompts",
    "LowRank",
    "TextContext",
    "TrainableNorms",
    "TrainableProjection",
    "Tuner",
]
