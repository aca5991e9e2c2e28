"""Projection heads: on patches, on whole images, on texts."""

from plp.projections.base import Projection
from plp.projections.class_residual import ClassResidual
from plp.projections.identity import IdentityProjection
from plp.projections.linear import LinearProjection
from plp.projections.residual_adapter import ResidualAdapter

__all__ = [
    "ClassResidual",
    "IdentityProjection",
    "LinearProjection",
    "Projection",
    "ResidualAdapter",
]
