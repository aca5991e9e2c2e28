"""Encoding the prompts of a learner's branches: each once, frozen ones once and for all."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.learners.recompute import recomputed
from plp.learners.sharded_texts import encode_share
from plp.prompts.base import Prompt, PromptPart, cut_tokens
from plp.structures import NameTokens, PromptTokens

_TEXTS_AT_ONCE = 1024  # of prompts that see images: one set an image

Context = Callable[[], contextlib.AbstractContextManager[Any]]


class Texts:
    """Encodes prompts with a frozen backbone; not normalised, float32.

    - Branches that share a prompt share its texts.
    - Texts that no gradient can reach (frozen prompts always, learned ones outside training) are
      encoded once and kept until a parameter, the device or the precision changes.
    - With `chunk`, prompts are made and encoded `chunk` classes at a time, and again for their
      gradient: the memory of token embeddings and of the text tower's activations does not grow
      with the number of classes, at the price of a second forward pass.
    - With `split`, each process of a distributed run encodes a part of the texts that carry
      gradient, see `encode_share`.

    Args:
        backbone: The frozen model.
        autocast: Makes the context that the text tower runs in.
        chunk: Classes encoded at a time; None for all.
    """

    def __init__(self, backbone: Backbone, autocast: Context, chunk: int | None = None) -> None:
        if chunk is not None and (isinstance(chunk, bool) or chunk < 1):
            raise ConfigError(
                f"expected text_chunk to be a number from 1 up or None, got {chunk!r}"
            )
        self.backbone = backbone
        self.autocast = autocast
        self.chunk = chunk
        self.split = False
        self._kept: dict[int, tuple[Any, Tensor]] = {}

    def forget(self, learned_only: bool = False) -> None:
        """Drop what is kept: all of it, or what learned parameters took part in."""
        kept = self._kept.items() if learned_only else ()
        self._kept = {prompt: (key, text) for prompt, (key, text) in kept if not key[0]}

    def encode(
        self,
        prompts: Mapping[str, Prompt],
        names: NameTokens,
        pooled: Float[Tensor, "B E"] | None = None,
        key: Any = None,
    ) -> dict[str, Float[Tensor, "C N E"] | Float[Tensor, "B C N E"]]:
        """Encode prompts by name.

        Args:
            prompts: Prompts.
            names: Class names.
            pooled: Image features, for prompts that see images.
            key: What else kept texts depend on.

        Raises:
            ValueError: if a prompt sees images and there are none.
        """
        done: dict[int, Tensor] = {}
        for prompt in (prompt.source for prompt in prompts.values()):
            if id(prompt) not in done:
                done[id(prompt)] = self._texts(prompt, names, pooled, key)
        return {name: done[id(prompt.source)] for name, prompt in prompts.items()}

    def _texts(self, prompt: Prompt, names: NameTokens, pooled: Tensor | None, key: Any) -> Tensor:
        if prompt.sees_images:
            if pooled is None:
                raise ValueError(
                    f"the texts of {type(prompt).__name__} depend on the image: give image features"
                )
            return self._of_images(prompt, names, pooled)
        parameters = list(prompt.parameters())
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            if self.split:
                cut = partial(prompt.parts, names)
                return encode_share(len(names.lengths), self.chunk, cut, self._parts)
            return self._parts(prompt.parts(names, self.chunk or len(names.lengths)))
        # In-place updates bump `_version`.
        key = (tuple((id(p), p._version) for p in parameters), key)
        kept = self._kept.get(id(prompt))
        if kept is None or kept[0] != key:
            with torch.no_grad():
                text = self._parts(prompt.parts(names, self.chunk or len(names.lengths)))
            kept = self._kept[id(prompt)] = (key, text)
        return kept[1]

    def _of_images(self, prompt: Prompt, names: NameTokens, pooled: Tensor) -> Tensor:
        classes = len(names.lengths)
        images = max(_TEXTS_AT_ONCE // (classes * prompt.num_prompts), 1)
        pooled = F.normalize(pooled.float(), dim=-1)
        parts = [self._encoded(prompt(names, part)) for part in pooled.split(images)]
        return torch.cat(parts).unflatten(0, (len(pooled), classes))

    def _encoded(self, tokens: PromptTokens) -> Tensor:
        return self._parts(cut_tokens(tokens, self.chunk or len(tokens.end)))

    def _parts(self, parts: Sequence[PromptPart]) -> Tensor:
        """Make and encode parts of the prompts; with gradient, both again in the backward pass."""
        if len(parts) == 1 or not torch.is_grad_enabled():
            return torch.cat([self._part(part.make, *part.inputs) for part in parts])
        return torch.cat(
            [recomputed(partial(self._part, part.make), *part.inputs) for part in parts]
        )

    def _part(self, make: Callable[..., PromptTokens], *inputs: Tensor) -> Tensor:
        with torch.autocast(self.backbone.device.type, enabled=False):
            tokens = make(*inputs)
        with self.autocast():
            text = self.backbone.encode_text(tokens)
        return text.float()
