"""Whether lists are the published ones: their digest, and what a run says where they are not."""

import hashlib

from plp.datasets.base import Splits
from plp.datasets.benchmarks import Benchmark, Counts, SplitFile

NOT_COMPARABLE = "numbers are not comparable with published ones"


def list_digest(splits: Splits) -> str:
    """Return the SHA-256 of all lists: part, label, class name and path of each image, in order.

    Example:
        >>> from pathlib import Path
        >>> from plp.datasets.base import Item
        >>> one = (Item('a.png', 0), Item('b.png', 1))
        >>> list_digest(Splits(one, (), (), ('cat', 'dog'), 'pets', Path('.')))[:12]
        'fe9456480977'
    """
    digest = hashlib.sha256()
    for part in ("train", "val", "test"):
        for path, label in getattr(splits, part):
            line = f"{part}\t{label}\t{splits.class_names[label]}\t{path}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def with_notes(facts: Benchmark, found: Splits, counts: Counts | None = None) -> Splits:
    """Add a note to lists that are not the published ones.

    Args:
        facts: What was published.
        found: What was found.
        counts: Images expected by part; None for those of the facts.
    """
    note = _count_note(facts, found, counts or facts.counts) or _digest_note(facts, found)
    return found._replace(notes=(*found.notes, note)) if note else found


def link_to(split: SplitFile) -> str:
    """Return where CoOp publishes a split file."""
    return f"https://drive.google.com/file/d/{split.link} (from CoOp's DATASETS.md)"


def _count_note(facts: Benchmark, found: Splits, counts: Counts) -> str:
    sizes = {part: len(getattr(found, part)) for part in counts._fields}
    differ = [
        f"{sizes[part]} {part} images, published {expected}"
        for part, expected in counts._asdict().items()
        if expected is not None and sizes[part] != expected
    ]
    if len(found.class_names) != facts.classes:
        differ.append(f"{len(found.class_names)} classes, published {facts.classes}")
    return f"{facts.name}: not the published set ({'; '.join(differ)}): {NOT_COMPARABLE}" * bool(
        differ
    )


def _digest_note(facts: Benchmark, found: Splits) -> str:
    split = facts.split
    if split is None or split.digest is None or list_digest(found).startswith(split.digest):
        return ""
    return (
        f"{facts.name}: not the published split, though it has as many images: {NOT_COMPARABLE}. "
        f"CoOp's code writes such a file where the published one is missing; that is at "
        f"{link_to(split)}"
    )
