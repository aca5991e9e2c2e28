"""The contract of a prompt: class names in, token embeddings of whole texts out."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.prompts.rows import Groups, placeholders, take
from plp.structures import NameTokens, PromptTokens

EmbedWords = Callable[[Sequence[str]], NameTokens]  # looks token embeddings of texts up


class PromptPart(NamedTuple):
    """Prompts of some of the classes, to be made by `make(*inputs)` when they are wanted.

    Attributes:
        make: Makes them. It is called again for the gradient, which goes to `inputs` alone.
        inputs: What they are made of and carries gradient.
    """

    make: Callable[..., PromptTokens]
    inputs: tuple[Tensor, ...] = ()

    def __call__(self) -> PromptTokens:
        """Make them."""
        return self.make(*self.inputs)


class Prompt(nn.Module):
    """N prompts per class, learned or fixed.

    Attributes:
        num_prompts: N.
        supports_new_classes: Whether the prompt can be put before class names it was not trained
            with. Class-specific context cannot.
        sees_images: Whether the texts depend on the image. `forward` is then called with the pooled
            features [B, E], normalised, as second argument and returns the prompts of B * C
            classes, image by image.
    """

    num_prompts: int
    supports_new_classes: bool = True
    sees_images: bool = False
    _start_text: str | None = None

    @property
    def start_text(self) -> str:
        """How the prompts start, for people; stands behind each in a run's list of prompts.

        A prompt may set it in `__init__`, such as "words 'a photo of a'". Else it is "learned"
        where a parameter requires gradient, and "fixed" where none does.
        """
        if self._start_text is not None:
            return self._start_text
        return "learned" if any(one.requires_grad for one in self.parameters()) else "fixed"

    @start_text.setter
    def start_text(self, text: str) -> None:
        self._start_text = text

    @property
    def source(self) -> "Prompt":
        """The prompt whose texts these are: itself, unless it borrows them."""
        return self

    @abstractmethod
    def forward(self, names: NameTokens, *pooled: Float[Tensor, "B E"]) -> PromptTokens:
        """Assemble the prompts of C classes; `pooled` is there for prompts that see images."""

    def parts(self, names: NameTokens, groups: Groups) -> list[PromptPart]:
        """Return the prompts of each group of classes, not made yet.

        So that the prompts of many classes need not be in memory at once. Here they are, and are
        cut; a prompt that can make a part alone does better.
        """
        return cut_tokens(self(names), groups)

    @abstractmethod
    def describe(self) -> list[str]:
        """Return each prompt as text, with `{}` for the class name and `[v]` for a random token."""


def cut_tokens(tokens: PromptTokens, groups: Groups) -> list[PromptPart]:
    """Return prompts that are made already as parts, one a group of classes."""
    embeddings = tokens.embeddings.detach()

    def part(group: Int[Tensor, " c"], gradient: Float[Tensor, "c N L D"]) -> PromptTokens:
        end, cut = take(tokens.end, group), tokens.shortened
        cut = None if cut is None else take(cut, group)
        return PromptTokens(take(embeddings, group) + gradient, end, tokens.shared, cut)

    pairs = zip(groups, placeholders(tokens.embeddings, groups), strict=True)
    return [PromptPart(partial(part, group), (gradient,)) for group, gradient in pairs]


def cut_prompts(tokens: PromptTokens, size: int) -> list[PromptTokens]:
    """Return `size` prompts of each class at a time."""
    pairs = zip(tokens.embeddings.split(size, dim=1), tokens.end.split(size, dim=1), strict=True)
    return [PromptTokens(embeddings, end, tokens.shared) for embeddings, end in pairs]


def take_names(names: NameTokens, group: Int[Tensor, " c"]) -> NameTokens:
    """Return the names of some classes, padded to the longest of them."""
    lengths = take(names.lengths, group)
    embeddings = take(names.embeddings[:, : int(lengths.max())], group)
    whole = names.touching

    if whole is None:
        return names._replace(embeddings=embeddings, lengths=lengths)

    def touching(before: str, after: str, like: Tensor) -> NameTokens:
        return take_names(whole(before, after, like), group)

    return names._replace(embeddings=embeddings, lengths=lengths, touching=touching)
