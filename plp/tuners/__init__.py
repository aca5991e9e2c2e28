"""Tuners: what is learned inside a frozen tower."""

from plp.tuners.base import TextContext, Tuner
from plp.tuners.trainable_projection import TrainableProjection

__all__ = ["TextContext", "TrainableProjection", "Tuner"]
