"""Encoding the prompts of a learner's branches: each once, frozen ones once and for all."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.checks import check_integer
from plp.learners.acting import NOTHING, Acting
from plp.learners.length_order import by_length, in_order, part_sizes
from plp.learners.recompute import recomputed
from plp.learners.sharded_texts import encode_share
from plp.learners.text_starts import TextStarts
from plp.prompts.base import Prompt, PromptPart, cut_prompts, cut_tokens
from plp.prompts.rows import Groups
from plp.structures import NameTokens, PromptTokens
from plp.towers.points import TowerPoints
from plp.towers.weights_state import parameter_states, tensor_state

_TEXTS_AT_ONCE = 1024  # of prompts that see images: one set per image
# Texts of a call without gradient: 0.3 MiB each in ViT-B/16, and attention's kernels on CUDA take
# at most 65,535.
_MOST_TEXTS = 4096

Context = Callable[[], contextlib.AbstractContextManager[Any]]


class Texts:
    """Encodes prompts with a frozen backbone; not normalised, float32.

    - Branches that share a prompt share its texts.
    - Texts that no gradient can reach (frozen prompts always, learned ones outside training) are
      encoded once and kept until a parameter, a weight of the backbone, the device or the precision
      changes.
    - With `chunk`, prompts are made and encoded `chunk` classes at a time, and again for their
      gradient: the memory of token embeddings and of the text tower's activations does not grow
      with the number of classes, at the price of a second forward pass.
    - Without gradient no more than 4096 texts are made and encoded at a time.
    - Parts are of classes whose texts are of about one length, see `part_sizes`.
    - What acts on the text tower is asked for each part of the classes. Fixed prompts are kept in
      front of the first block that it reaches, see `TextStarts`.
    - With `split`, each process of a distributed run encodes a part of the texts that carry
      gradient, see `encode_share`.

    Args:
        backbone: The frozen model.
        autocast: Makes the context that the text tower runs in.
        chunk: Classes encoded at a time; None for all.
    """

    def __init__(self, backbone: Backbone, autocast: Context, chunk: int | None = None) -> None:
        if chunk is not None:
            check_integer("text_chunk", chunk, other="None")
        self.backbone = backbone
        self.autocast = autocast
        self.chunk = chunk
        self.split = False
        self._kept: dict[tuple[int, bool], tuple[Any, Tensor]] = {}
        self._starts: dict[int, TextStarts] = {}

    def forget(self, learned_only: bool = False) -> None:
        """Drop what is kept: all of it, or what learned parameters took part in."""
        kept = self._kept.items() if learned_only else ()
        if not learned_only:
            self._starts = {}
        self._kept = {prompt: (key, text) for prompt, (key, text) in kept if not key[0]}

    def encode(
        self,
        prompts: Mapping[str, Prompt],
        names: NameTokens,
        pooled: Float[Tensor, "B E"] | None = None,
        key: Any = None,
        acting: Acting = NOTHING,
    ) -> dict[str, Float[Tensor, "C N E"] | Float[Tensor, "B C N E"]]:
        """Encode prompts by name.

        Args:
            prompts: Prompts.
            names: Class names.
            pooled: Image features, for prompts that see images.
            key: What else kept texts depend on.
            acting: What acts on the text tower.

        Raises:
            ValueError: if a prompt sees images and there are none.
        """
        done: dict[int, Tensor] = {}
        weights = cache(partial(parameter_states, self.backbone))  # looked at once, if at all
        for prompt in (prompt.source for prompt in prompts.values()):
            if id(prompt) not in done:
                done[id(prompt)] = self._texts(prompt, names, pooled, weights, key, acting)
        return {name: done[id(prompt.source)] for name, prompt in prompts.items()}

    def _texts(
        self,
        prompt: Prompt,
        names: NameTokens,
        pooled: Tensor | None,
        weights: Callable[[], Any],
        key: Any,
        acting: Acting,
    ) -> Tensor:
        if prompt.sees_images:
            if pooled is None:
                raise ValueError(
                    f"the texts of {type(prompt).__name__} depend on the image: give image features"
                )
            return self._of_images(prompt, names, pooled, acting)
        parameters = [*prompt.parameters(), *acting.parameters]
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            starts = self._starts_of(prompt, weights, key) if acting is not NOTHING else None
            return self._of_classes(prompt, names, acting, self.split, starts)
        key = (tuple(map(tensor_state, parameters)), weights(), key)
        place = id(prompt), acting is NOTHING  # a reference's prompt may be a branch's too
        kept = self._kept.get(place)
        if kept is None or kept[0] != key:
            with torch.no_grad():
                text = self._of_classes(prompt, names, acting)
            kept = self._kept[place] = (key, text)
        return kept[1]

    def _starts_of(self, prompt: Prompt, weights: Callable[[], Any], key: Any) -> TextStarts | None:
        """Return what is kept of a fixed prompt that tuners act on; None for a learned one."""
        if any(p.requires_grad for p in prompt.parameters()):
            return None
        key = (tuple(map(tensor_state, prompt.parameters())), weights(), key)
        starts = self._starts.get(id(prompt))
        if starts is None or starts.key != key:
            starts = self._starts[id(prompt)] = TextStarts(key)
        return starts

    def _of_images(
        self, prompt: Prompt, names: NameTokens, pooled: Tensor, acting: Acting
    ) -> Tensor:
        classes = len(names.lengths)
        images = max(_TEXTS_AT_ONCE // (classes * prompt.num_prompts), 1)
        pooled = F.normalize(pooled.float(), dim=-1)
        each = acting._replace(points=lambda rows: acting.points(rows % classes))
        parts = [self._of_tokens(prompt(names, part), each) for part in pooled.split(images)]
        return torch.cat(parts).unflatten(0, (len(pooled), classes))

    def _of_tokens(self, tokens: PromptTokens, acting: Acting) -> Tensor:
        lengths = tokens.end.amax(1)  # of the longest prompt
        return self._sorted(lengths, tokens.end.shape[1], partial(cut_tokens, tokens), acting)

    def _of_classes(
        self,
        prompt: Prompt,
        names: NameTokens,
        acting: Acting,
        split: bool = False,
        starts: TextStarts | None = None,
    ) -> Tensor:
        cut = partial(prompt.parts, names)
        return self._sorted(names.lengths, prompt.num_prompts, cut, acting, split, starts)

    def _sorted(
        self,
        lengths: Int[Tensor, " C"],
        prompts: int,
        cut: Callable[[Groups], Sequence[PromptPart]],
        acting: Acting,
        split: bool = False,
        starts: TextStarts | None = None,
    ) -> Float[Tensor, "C N E"]:
        """Encode classes in the order of their lengths; return the texts as the classes lie."""
        lengths = lengths.cpu()
        most = self._most(prompts)

        def encode(classes: Int[Tensor, " c"]) -> Tensor:
            groups = classes.split(part_sizes(lengths[classes], most))
            again = most is not None and len(classes) > most
            return self._parts(cut(groups), groups, acting, again, starts)

        order = by_length(lengths)
        return encode_share(order, encode) if split else in_order(encode(order), order)

    def _most(self, prompts: int) -> int | None:
        """Most classes of `prompts` texts each that are encoded at a time."""
        if torch.is_grad_enabled():
            return self.chunk
        most = max(_MOST_TEXTS // prompts, 1)
        return min(self.chunk or most, most)

    def _parts(
        self,
        parts: Sequence[PromptPart],
        groups: Groups,
        acting: Acting,
        again: bool,
        starts: TextStarts | None = None,
    ) -> Tensor:
        """Make and encode parts of the prompts; `again` in the backward pass, if there is one."""
        texts = []
        for part, group in zip(parts, groups, strict=True):
            encode = partial(self._part, part.make, acting.points, group, starts)
            if again and torch.is_grad_enabled():
                texts.append(recomputed(encode, *part.inputs, held=acting.learned))
            else:
                texts.append(encode(*part.inputs))
        return torch.cat(texts)

    def _part(
        self,
        make: Callable[..., PromptTokens],
        points: Callable[[Int[Tensor, " c"]], TowerPoints | None],
        group: Int[Tensor, " c"],
        starts: TextStarts | None,
        *inputs: Tensor,
    ) -> Tensor:
        def made() -> Sequence[PromptTokens]:
            with self._plain():
                return cut_prompts(make(*inputs), _MOST_TEXTS)

        with self._plain():
            acting = points(group)
        texts: list[Tensor] | None = None
        with self.autocast():
            if acting is None:  # a backbone of a user's own need not know of points
                texts = [self.backbone.encode_text(some) for some in made()]
            elif starts is not None:
                texts = starts.encode(self.backbone, group.tolist(), made, acting)
            if texts is None:
                texts = [self.backbone.encode_text(some, acting) for some in made()]
        return torch.cat(texts, dim=1).float()

    def _plain(self) -> contextlib.AbstractContextManager[Any]:
        """Prompts, and what acts, are made in their own precision."""
        return torch.autocast(self.backbone.device.type, enabled=False)
