"""Frozen image-text models, and image towers alone."""

from plp.backbones.base import Backbone
from plp.backbones.image_only import ImageOnlyBackbone
from plp.backbones.lite import LiteBackbone
from plp.backbones.openclip import OpenCLIPBackbone
from plp.backbones.transformers import TransformersBackbone

__all__ = [
    "Backbone",
    "ImageOnlyBackbone",
    "LiteBackbone",
    "OpenCLIPBackbone",
    "TransformersBackbone",
]
