"""Patch selectors."""

from plp.selectors.all_patches import AllPatches
from plp.selectors.base import Selector
from plp.selectors.topk import PromptTopK, SharedTopK

__all__ = ["AllPatches", "PromptTopK", "Selector", "SharedTopK"]
