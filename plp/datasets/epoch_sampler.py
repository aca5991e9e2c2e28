"""The order of images in an epoch, a function of (seed, epoch) alone."""

from collections.abc import Iterator
from math import ceil
from typing import Literal

import torch
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from plp.checks import check_integer
from plp.datasets.images import View, mix_seed


class EpochSampler(Sampler[View]):
    """Yields each image once an epoch, with the view to look at it in.

    A resumed run calls `set_epoch` (mmengine's `DistSamplerSeedHook` does) and goes on with the
    very order and views that the unbroken run would have had.

    Several processes take turns: process r takes places r, r + R, r + 2R, ... of the one order,
    which starts over where it does not divide by R, so that all take equally many steps (mmengine's
    evaluator counts on it and cuts the repeats off again).

    Args:
        length: Images in the dataset.
        seed: Seed of the order.
        shuffle: New order each epoch; else the order of the list.
        views: 'epoch': another view each epoch. A number n: view `epoch % n`, so that the pixels
            (and frozen features of them) come back every n epochs and can be cached.
        rank: Number of this process; None asks mmengine.
        world_size: R, the number of processes; None asks mmengine.

    Example:
        >>> sampler = EpochSampler(3, seed=0, shuffle=False, views=2)
        >>> sampler.set_epoch(5)
        >>> list(sampler)
        [View(item=0, view=1), View(item=1, view=1), View(item=2, view=1)]
    """

    def __init__(
        self,
        length: int,
        seed: int,
        shuffle: bool,
        views: Literal["epoch"] | int = "epoch",
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if views != "epoch":
            check_integer("views", views, other="'epoch'")
        here, processes = get_dist_info()
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.views = views
        self.rank = here if rank is None else rank
        self.world_size = processes if world_size is None else world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration yields."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[View]:
        view = self.epoch if self.views == "epoch" else self.epoch % self.views
        order = self._order()
        for place in range(self.rank, len(self) * self.world_size, self.world_size):
            yield View(order[place % self.length], view)

    def __len__(self) -> int:
        return ceil(self.length / self.world_size)

    def _order(self) -> list[int]:
        if not self.shuffle:
            return list(range(self.length))
        generator = torch.Generator().manual_seed(mix_seed(self.seed, self.epoch))
        return torch.randperm(self.length, generator=generator).tolist()
