"""Tuners: what is learned inside a frozen tower."""

from plp.tuners.base import TextContext, Tuner
from plp.tuners.low_rank import LowRank
from plp.tuners.trainable_norms import TrainableNorms
from plp.tuners.trainable_projection import TrainableProjection

__all__ = ["LowRank", "TextContext", "TrainableNorms", "TrainableProjection", "Tuner"]
