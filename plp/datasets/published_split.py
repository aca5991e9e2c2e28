"""The datasets of which CoOp publishes a split file."""

from pathlib import Path
from typing import cast, final

from plp.datasets.base import DataSource, Splits, some
from plp.datasets.benchmarks import Benchmark, SplitFile, find_benchmark
from plp.datasets.coop import Coop
from plp.datasets.layout import find_folder, find_images
from plp.datasets.published_lists import link_to, with_notes
from plp.errors import DataError
from plp.registry import DATASETS


@DATASETS.register_module()
@final
class PublishedSplit(DataSource):
    """A dataset of the field's, divided as CoOp's split file says.

    Nine sets: Caltech101, Oxford Pets, Stanford Cars, Oxford Flowers, Food-101, SUN397, DTD,
    EuroSAT, UCF101. CoOp's code writes a split file of its own, by chance, where the published one
    is missing, and under the same name: lists that differ from the published ones are named in the
    notes of a run.

    Args:
        name: Which set, as `--dataset` takes it.
        root: The data root, in which the set's folder has the name that CoOp gives it.
        split: Another split file, in the set's folder or as a path. None: the published one.
        allow_outside: As for `Coop`.
    """

    def __init__(
        self,
        name: str,
        root: str | Path,
        split: str | Path | None = None,
        allow_outside: bool = False,
    ) -> None:
        self.facts = find_benchmark(name, "PublishedSplit")
        self.name = name
        self.base = find_folder(name, root, self.facts.folder)
        self.split = split
        self.allow_outside = allow_outside

    def splits(self) -> Splits:
        """Read the split file."""
        published = cast(SplitFile, self.facts.split)  # each of these sets has one
        if self.split is None and not (self.base / published.file).is_file():
            raise DataError(_no_split(self.facts, published, self.base))
        find_images(self.name, self.base, self.facts.images)
        file = self.split or published.file
        found = Coop(
            self.base, file, self.facts.images, self.name, allow_outside=self.allow_outside
        ).splits()
        return with_notes(self.facts, found)


def _no_split(facts: Benchmark, published: SplitFile, base: Path) -> str:
    others = sorted(path.name for path in base.glob("split_*.json"))
    instead = (
        f" It has {some(others)}: for that, --cfg-options dataset.split={others[0]}"
        if others
        else ""
    )
    return (
        f"{facts.name}: no {published.file} in {str(base)!r}. Get it from {link_to(published)}."
        f"{instead}"
    )
