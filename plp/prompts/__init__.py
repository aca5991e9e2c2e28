"""Prompts: class names in, token embeddings of whole texts out."""

from plp.prompts.around_name import around_name, check_position, embed_suffix, text_around_name
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
    "around_name",
    "assemble",
    "check_position",
    "embed_suffix",
    "template_set",
    "text_around_name",
]
