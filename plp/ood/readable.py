"""Images of a set, or in the place of one that cannot be read the reason why."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch.utils.data import Dataset, default_collate

from plp.datasets import ImageDataset, View
from plp.datasets.decoding import PLAIN
from plp.errors import DataError


class Unreadable(NamedTuple):
    """An image that could not be decoded.

    Attributes:
        place: Its position in the list.
        reason: Its name and what is wrong with it.
    """

    place: int
    reason: str


class Readable(Dataset[Any]):
    """Images of a dataset, or in their place the reason why one cannot be read.

    An exception in a worker process would reach the user wrapped in that process's traceback.

    Args:
        images: The images.
    """

    def __init__(self, images: ImageDataset) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: View | int) -> Any:
        place = which.item if isinstance(which, View) else which
        try:
            image, traits = self.images.look(place)
            return {**self.images.sample(which, image), "traits": traits}
        except DataError as error:
            return Unreadable(place, str(error))

    def collate(self, samples: Sequence[Any]) -> dict[str, Any]:
        """Batch what could be read; `unreadable` lists the rest, `traits` what is to be said."""
        good = [one for one in samples if not isinstance(one, Unreadable)]
        traits = [one.pop("traits") for one in good]
        return {
            **(default_collate(good) if good else {}),
            "unreadable": [one for one in samples if isinstance(one, Unreadable)],
            "traits": [one for one in traits if one != PLAIN],
        }
