"""Projection heads on dense features."""

from plp.projections.base import Projection
from plp.projections.identity import IdentityProjection
from plp.projections.linear import LinearProjection

__all__ = ["IdentityProjection", "LinearProjection", "Projection"]
