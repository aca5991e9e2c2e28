"""The contract of a prompt: class names in, token embeddings of whole texts out."""

from abc import abstractmethod

from torch import nn

from plp.structures import NameTokens, PromptTokens


class Prompt(nn.Module):
    """N prompts a class, learned or fixed.

    Attributes:
        num_prompts: N.
        supports_new_classes: Whether the prompt can be put before class names it was not trained
            with. Class-specific context cannot.
    """

    num_prompts: int
    supports_new_classes: bool = True

    @abstractmethod
    def forward(self, names: NameTokens) -> PromptTokens:
        """Assemble the prompts of C classes."""

    @abstractmethod
    def describe(self) -> list[str]:
        """Return each prompt as text, with `{}` for the class name and `[v]` for a random token."""
