"""Which class names make texts that are too long for the text tower, and lose their end."""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from plp.learners.class_names import few
from plp.prompts.base import Prompt, take_names
from plp.structures import NameTokens, PromptTokens

_PROBED, _SPARE = 8, 8  # longest names looked at first; tokens by which others may be longer
_AT_A_TIME = 64  # classes
_SHOWN = 3  # groups


class ShortenedTextsWarning(UserWarning):
    """Texts of some classes are cut to fit the text tower."""


class Shortened(NamedTuple):
    """Classes whose texts are cut to fit the text tower.

    Attributes:
        names: Their names.
        alike: Groups of differing names, one of them cut at least, whose texts are then the same.
        prompts: Names of the prompts that they are cut in.
    """

    names: tuple[str, ...]
    alike: tuple[tuple[str, ...], ...]
    prompts: tuple[str, ...]

    def __str__(self) -> str:
        """Say so in one sentence."""
        said = (
            f"the texts of {len(self.names)} classes are too long for the text tower and are cut "
            f"at their end (in {', '.join(self.prompts)}): {few(self.names)}"
        )
        if self.alike:
            same = len({name for group in self.alike for name in group})
            groups = "; ".join(map(few, self.alike[:_SHOWN]))
            said += f". {same} classes read like another one then ({groups})"
        return f"{said}. Shorten these names"


@torch.no_grad()
def shortened(
    prompts: Mapping[str, Prompt], names: NameTokens, class_names: Sequence[str], embed_dim: int
) -> Shortened | None:
    """Return which classes' texts are cut; None where all fit, as nearly always.

    Prompts are made, not encoded: of the longest names first, and of all only if these come near to
    what the text tower takes.

    Args:
        prompts: Prompts by name.
        names: Tokens of the class names.
        class_names: The names.
        embed_dim: E, of image features that some prompts need.
    """
    cut: set[int] = set()
    alike: set[tuple[str, ...]] = set()
    where: list[str] = []
    for name, prompt in {id(p.source): (name, p.source) for name, p in prompts.items()}.values():
        lost, same = _in_prompt(prompt, names, class_names, embed_dim)
        cut, alike = cut | lost, alike | same
        where += [name] if lost else []
    if not cut:
        return None
    largest = [one for one in alike if not any(set(one) < set(other) for other in alike)]
    lost_names = tuple(class_names[c] for c in sorted(cut))
    return Shortened(lost_names, tuple(sorted(largest)), tuple(where))


def warn_of_shortened(classes: Shortened | None) -> None:
    """Say once which texts are cut, to who builds a learner."""
    if classes is not None:
        warnings.warn(str(classes), ShortenedTextsWarning, stacklevel=3)


def _in_prompt(
    prompt: Prompt, names: NameTokens, class_names: Sequence[str], embed_dim: int
) -> tuple[set[int], set[tuple[str, ...]]]:
    """Return the classes whose texts one prompt cuts, and groups of names that it makes alike."""
    lengths = names.lengths.cpu()
    longest = lengths.argsort(descending=True)[:_PROBED]
    if names.room is None or _spare(_made(prompt, names, longest, embed_dim), names) > _SPARE:
        return set(), set()
    lost: set[int] = set()
    texts: dict[bytes, list[int]] = {}  # of full length in every prompt
    for group in torch.arange(len(lengths)).split(_AT_A_TIME):
        tokens = _made(prompt, names, group, embed_dim)
        short = tokens.shortened
        if short is not None:
            lost.update(group[short.any(dim=1)].tolist())
        for row, c in zip(tokens.embeddings, group.tolist(), strict=True):
            texts.setdefault(_key(row, tokens, c - int(group[0])), []).append(c)
    same = {
        tuple(dict.fromkeys(class_names[c] for c in group))
        for group in texts.values()
        if lost.intersection(group)
    }
    return lost, {group for group in same if len(group) > 1}


def _spare(tokens: PromptTokens, names: NameTokens) -> int:
    """Return how many tokens more would fit into the longest text."""
    around = sum(1 if part.ndim == 1 else len(part) for part in (names.start, names.end))
    return (names.room or 0) + around - 1 - int(tokens.end.max())


def _made(
    prompt: Prompt, names: NameTokens, group: Int[Tensor, " c"], embed_dim: int
) -> PromptTokens:
    if prompt.sees_images:
        return prompt(take_names(names, group), names.embeddings.new_zeros(1, embed_dim))
    (part,) = prompt.parts(names, [group])
    return part()


def _key(row: Tensor, tokens: PromptTokens, c: int) -> bytes:
    """Return the texts of a class as bytes, padding left out."""
    ends = tokens.end[c].tolist()
    texts = [
        text[: end + 1].float().cpu().numpy().tobytes() for text, end in zip(row, ends, strict=True)
    ]
    return b"|".join(texts)
