"""Prompts: class names in, token embeddings of whole texts out."""

from plp.prompts.assembly import assemble
from plp.prompts.base import Prompt
from plp.prompts.borrowed import BorrowedPrompt
from plp.prompts.context import ClassContext, ContextPrompt, SharedContext
from plp.prompts.image_context import ImageContext
from plp.prompts.template import TemplatePrompt
from plp.prompts.template_sets import template_set

__all__ = [
    "BorrowedPrompt",
    "ClassContext",
    "ContextPrompt",
    "ImageContext",
    "Prompt",
    "SharedContext",
    "TemplatePrompt",
    "assemble",
    "template_set",
]
