"""Learned context: shared by all classes, or one set per class."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Literal, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.prompts.around_name import Position, around_name, embed_suffix, text_around_name
from plp.prompts.base import EmbedWords, Prompt, PromptPart, take_names
from plp.prompts.context_start import (
    check_layout,
    check_partly_learned,
    check_start,
    embedded,
    one_text_a_prompt,
    random_,
)
from plp.prompts.names_in_text import in_text
from plp.prompts.partly_learned import Fill, assemble_partly_learned, word_start
from plp.prompts.rows import Groups, placeholders, take
from plp.registry import PROMPTS
from plp.structures import NameTokens, PromptTokens


class ContextPrompt(Prompt):
    """N prompts of T learned token embeddings around the class name.

    The text of class c is `start, context, name, suffix, end`, with the name at the end of the
    context (default), in its middle, or in front of it (see `around_name`).

    A name that is too long for the text tower beside the context loses its end, suffix included;
    the context stays whole. The learner warns of such names.

    Args:
        num_prompts: N.
        words: Text whose token embeddings start the context, the same for all prompts or one text a
            prompt (all of the same number of tokens). Excludes `init` and `std`.
        num_tokens: T. Without words, the context starts at random. With words, T tokens are
            learned, and words beyond these stand fixed in front of the name, see `word_start`.
        fill: What a context of more tokens than its words is filled up with, see `word_start`.
        init: 'normal' with standard deviation `std` (CoOp), or 'xavier_uniform' over the whole
            tensor (published SOT-GLP). The scale of the latter falls with the number of classes:
            the bound is sqrt(6 / ((C + N) T D)) for a class-specific tensor [C, N, T, D].
        std: Standard deviation for 'normal'; 0.02 is that of CLIP's own token embeddings.
        position: Where the class name stands.
        suffix: Fixed text that follows the name directly, for instance the full stop of CoOp's
            prompts.
        prompts_a_step: Prompts that each training step draws without replacement, encodes and
            trains; None for all N. It saves time in the text tower where N is large (an option of
            GalLoP's published code that none of its scripts uses); `PromptDropout` draws for each
            image, from what is drawn here. Outside training all N count.
        embed_words: Looks token embeddings up (the backbone's); supplied when a learner is built.
        num_classes: C; supplied when a learner is built.
        token_dim: D; supplied when a learner is built.

    Attributes:
        context: The learned vectors, float32.

    Raises:
        ValueError: if words and random keywords are given, or neither words nor num_tokens.
    """

    suffix_embeddings: Tensor | None  # [Ts, D]; a buffer

    def __init__(
        self,
        num_prompts: int = 1,
        *,
        embed_words: EmbedWords,
        num_classes: int,
        token_dim: int,
        words: str | Sequence[str] | None = None,
        num_tokens: int | None = None,
        init: Literal["normal", "xavier_uniform"] | None = None,
        std: float | None = None,
        fill: Fill = "zeros",
        position: Position = "end",
        suffix: str = "",
        prompts_a_step: int | None = None,
    ) -> None:
        super().__init__()
        check_layout(num_prompts, prompts_a_step, position)
        check_start(words, num_tokens, fill)
        check_partly_learned(words, num_tokens, position, prompts_a_step)
        self.num_prompts = num_prompts
        self.prompts_a_step = prompts_a_step
        self.position = position
        self.suffix = suffix
        self.words = one_text_a_prompt(words, num_prompts)
        if self.words:
            if init is not None or std is not None:
                raise ValueError(f"init={init!r} and std={std!r} do not go with words={words!r}")
            start = self._start(num_tokens, embed_words, fill)  # [N, T, D]
            self.context = nn.Parameter(self._from_words(start, num_classes).float().contiguous())
            zeros = f" behind {self._zeros[0]} zeros" if any(self._zeros[:1]) else ""
            self.start_text = f"words {self.words[0]!r}{zeros}"
        else:
            shape = self._shape(num_classes, cast(int, num_tokens), token_dim)
            self.context = nn.Parameter(torch.empty(shape))
            self.start_text = random_(self.context, init or "normal", std)
        tokens = embed_suffix(suffix, embed_words)
        self.register_buffer("suffix_embeddings", tokens, persistent=False)

    _zeros: tuple[int, ...] = ()
    _replaced: tuple[int, ...] = ()

    @abstractmethod
    def _shape(self, num_classes: int, num_tokens: int, token_dim: int) -> tuple[int, ...]:
        """Shape of the context tensor."""

    @abstractmethod
    def _from_words(self, start: Float[Tensor, "N T D"], num_classes: int) -> Tensor:
        """Context tensor that starts as words."""

    @abstractmethod
    def _broadcast(self, num_classes: int) -> Float[Tensor, "_ N T D"]:
        """Context with an axis for the classes (1 where they share it)."""

    def forward(self, names: NameTokens, *_: Tensor) -> PromptTokens:
        """Assemble the prompts of C classes, differentiable with respect to `context`."""
        return self._assembled(names, self._drawn(self._broadcast(len(names.lengths))))

    def parts(self, names: NameTokens, groups: Groups) -> list[PromptPart]:
        """Return the prompts of each group of classes, not made yet."""
        context = self._drawn(self._broadcast(len(names.lengths)))
        if len(context) == 1:
            return [
                PromptPart(partial(self._of_some, names, one, None), (context,)) for one in groups
            ]
        values, pairs = context.detach(), zip(groups, placeholders(context, groups), strict=True)
        return [
            PromptPart(partial(self._of_some, names, one, values), (gradient,))
            for one, gradient in pairs
        ]

    def _drawn(self, context: Float[Tensor, "_ N T D"]) -> Float[Tensor, "_ M T D"]:
        """Keep the prompts of a training step: the same for all its images and classes."""
        step = self.training and torch.is_grad_enabled()
        if self.prompts_a_step is None or not step:
            return context
        # On the CPU, whose generator all processes of a run have seeded alike.
        drawn = torch.randperm(self.num_prompts)[: self.prompts_a_step]
        return context[:, drawn.to(context.device)]

    def _of_some(
        self,
        names: NameTokens,
        group: Int[Tensor, " c"],
        values: Float[Tensor, "C N T D"] | None,
        context: Float[Tensor, "_ N T D"],
    ) -> PromptTokens:
        """Assemble the prompts of some classes; `context` is a placeholder if there are values."""
        if values is not None:
            context = take(values, group) + context
        return self._assembled(take_names(names, group), context)

    def _start(
        self, num_tokens: int | None, embed_words: EmbedWords, fill: Fill
    ) -> Float[Tensor, "N T D"]:
        """Return the embeddings that the context starts as; keep those that are not learned."""
        if num_tokens is None:
            return embedded(self.words, embed_words, behind=self.position == "front")
        start = word_start(self.words, num_tokens, embed_words, fill)
        self._zeros, self._replaced = start.zeros, start.replaced
        for n, tokens in enumerate(start.fixed):
            self.register_buffer(f"fixed_{n}", tokens.clone(), persistent=False)
        return start.context

    def _assembled(self, names: NameTokens, context: Float[Tensor, "_ N T D"]) -> PromptTokens:
        if self._replaced:
            whole = in_text(names, ("", None), (self.suffix, self.suffix_embeddings), behind=True)
            fixed = [self.get_buffer(f"fixed_{n}") for n in range(self.num_prompts)]
            return assemble_partly_learned(whole, context, fixed, self._replaced)
        return around_name(names, context, self.position, self.suffix, self.suffix_embeddings)

    def describe(self) -> list[str]:
        """Return each prompt as text; tokens that start as no words are written `[v]`."""
        texts = []
        for n in range(self.num_prompts):
            tokens = self.words[n].split() if self.words else ["[v]"] * self.context.shape[-2]
            tokens = ["[v]"] * (self._zeros[n] if self._zeros else 0) + tokens
            texts.append(text_around_name(tokens, self.position, self.suffix))
        return texts

    def extra_repr(self) -> str:
        """Show shape, start and position in the printed module."""
        shape = list(self.context.shape)
        return f"context={shape}, start={self.start_text}, position={self.position!r}"


@final
@PROMPTS.register_module()
class SharedContext(ContextPrompt):
    """N prompts shared by all classes; `context` is [N, T, D]. Takes class names never seen.

    See `ContextPrompt` for the keywords.
    """

    supports_new_classes = True

    def _shape(self, num_classes: int, num_tokens: int, token_dim: int) -> tuple[int, ...]:
        return (self.num_prompts, num_tokens, token_dim)

    def _from_words(self, start: Float[Tensor, "N T D"], num_classes: int) -> Tensor:
        return start.clone()

    def _broadcast(self, num_classes: int) -> Float[Tensor, "_ N T D"]:
        return self.context[None]


@final
@PROMPTS.register_module()
class ClassContext(ContextPrompt):
    """N prompts of each class's own; `context` is [C, N, T, D]. Bound to the classes trained with.

    See `ContextPrompt` for the keywords.
    """

    supports_new_classes = False

    def _shape(self, num_classes: int, num_tokens: int, token_dim: int) -> tuple[int, ...]:
        return (num_classes, self.num_prompts, num_tokens, token_dim)

    def _from_words(self, start: Float[Tensor, "N T D"], num_classes: int) -> Tensor:
        return start.expand(num_classes, -1, -1, -1).clone()

    def _broadcast(self, num_classes: int) -> Float[Tensor, "_ N T D"]:
        if num_classes != self.context.shape[0]:
            raise ValueError(
                f"expected the {self.context.shape[0]} classes this class-specific context was "
                f"made for, got {num_classes}; only shared context takes new classes"
            )
        return self.context
