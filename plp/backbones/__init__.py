"""Frozen image-text models."""

from plp.backbones.base import Backbone
from plp.backbones.lite import LiteBackbone
from plp.backbones.openclip import OpenCLIPBackbone
from plp.backbones.transformers import TransformersBackbone

__all__ = ["Backbone", "LiteBackbone", "OpenCLIPBackbone", "TransformersBackbone"]
