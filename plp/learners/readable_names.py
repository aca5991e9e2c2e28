"""Class names that a text tower cannot read, or cannot tell apart."""

import re
import unicodedata
from collections.abc import Sequence

from plp.datasets import BENCHMARKS
from plp.learners.class_names import few
from plp.learners.prompt_learner import PromptLearner
from plp.structures import NameTokens

_SYNSET = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"(0\d*[\W_]|\d+\.\s*)\s*\w")
_ANY_NUMBERED = re.compile(r"\d+[\W_]+\w*[^\W\d_]")
_CODE = re.compile(
    r"[^\W\d_]|[^\W\d_]{1,3}[\W_]*\d+|(class|label|category|type|group)[\W_]*\w?\d*", re.IGNORECASE
)
_SHOWN = 3


def unreadable(class_names: Sequence[str], multilingual: bool = False) -> dict[str, list[str]]:
    """Return names that say little to a text tower, by what they are.

    Args:
        class_names: The names.
        multilingual: Whether the tower was trained on texts of many scripts.

    Example:
        >>> unreadable(["7", "n01440764", "001.Bonsai", "grey owl"])
        {'numbers': ['7'], 'WordNet ids': ['n01440764'], 'numbered names': ['001.Bonsai']}
    """
    often = sum(bool(_ANY_NUMBERED.match(name)) for name in class_names) * 2 > len(class_names)
    found: dict[str, list[str]] = {}
    for name in class_names:
        if kind := _kind(name.strip(), often, multilingual):
            found.setdefault(kind, []).append(name)
    return found


def alike(class_names: Sequence[str], tokens: NameTokens) -> list[list[str]]:
    """Return groups of differing names whose tokens are the same, such as those of two cases."""
    groups: dict[bytes, list[str]] = {}
    for name, row, length in zip(
        class_names, tokens.embeddings.cpu(), tokens.lengths.tolist(), strict=True
    ):
        key = row[:length].contiguous().float().numpy().tobytes()
        groups.setdefault(key, []).append(name)
    return [names for names in groups.values() if len(set(names)) > 1]


def names_note(dataset: str, learner: PromptLearner) -> tuple[str, ...]:
    """Return notes on class names that prompts can do little with, or that are cut.

    There is none where all are fine, or where no branch reads names. Of the field's datasets, whose
    names are published, only those are noted that cannot be told apart.

    Args:
        dataset: Name of the dataset.
        learner: Its branches, class names and backbone.
    """
    cut = () if learner.shortened is None else (f"{dataset}: {learner.shortened}",)
    if not learner.branches.prompts:
        return cut
    names = learner.class_names
    published = dataset in BENCHMARKS
    kinds = {} if published else unreadable(names, learner.backbone.multilingual)
    said = [f"{len(some)} of {len(names)} are {kind} ({few(some)})" for kind, some in kinds.items()]
    if same := alike(names, learner.names):
        groups = "; ".join(map(few, same[:_SHOWN]))
        total = sum(map(len, same))
        said.append(f"{total} of {len(names)} have the same tokens as another ({groups})")
    if not said:
        return cut
    return (
        *cut,
        f"{dataset}: class names that the text tower cannot read or tell apart: "
        f"{', '.join(said)}. Rename them, or give readable names: --cfg-options "
        "data.class_names=FILE (JSON {class: name}, or a table of two columns)",
    )


def _kind(name: str, numbered_often: bool, multilingual: bool) -> str | None:
    letters = [one for one in name if one.isalpha()]
    if not letters:
        return "numbers" if any(one.isdigit() for one in name) else "without a word"
    if _SYNSET.fullmatch(name):
        return "WordNet ids"
    if _NUMBERED.match(name) or (numbered_often and _ANY_NUMBERED.match(name)):
        return "numbered names"
    foreign = sum(not unicodedata.name(one, "").startswith("LATIN") for one in letters)
    if foreign * 2 > len(letters):
        return None if multilingual else "in another script"
    return "codes" if _CODE.fullmatch(name) else None
