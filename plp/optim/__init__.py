"""Optimizer wrappers: how losses become an update of what is learned."""

from plp.optim.build import build_wrapper
from plp.optim.gradient_projection import AmpGradientProjection, GradientProjection

__all__ = ["AmpGradientProjection", "GradientProjection", "build_wrapper"]
