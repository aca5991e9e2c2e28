"""Prompts: class names in, token embeddings of whole texts out."""

from plp.prompts.assembly import assemble
from plp.prompts.base import Prompt
from plp.prompts.context import ClassContext, ContextPrompt, SharedContext
from plp.prompts.template import TemplatePrompt

__all__ = [
    "ClassContext",
    "ContextPrompt",
    "Prompt",
    "SharedContext",
    "TemplatePrompt",
    "assemble",
]
