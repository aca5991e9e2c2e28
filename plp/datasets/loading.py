"""Batches: a torch DataLoader that is reproducible and copes with tiny datasets."""

import warnings
from math import ceil
from typing import Any, Literal, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from plp.checks import check_integer
from plp.datasets.decoders import decoders, start_method
from plp.datasets.epoch_sampler import EpochSampler
from plp.errors import DataError

FEWEST_STEPS = 5  # below that, EuroSAT in the published comparisons went astray by 30 points


class Loading(NamedTuple):
    """A loader, and what had to be changed about it."""

    loader: DataLoader[Any]
    notes: tuple[str, ...]


def build_loader(
    dataset: Dataset[Any],
    batch_size: int,
    shuffle: bool,
    seed: int = 0,
    num_workers: int = 0,
    drop_last: bool = False,
    views: Literal["epoch"] | int = "epoch",
    rank: int | None = None,
    world_size: int | None = None,
) -> Loading:
    """Build a loader whose batches depend on (seed, epoch) alone, not on workers or history.

    A batch larger than the dataset would, with `drop_last`, give no step at all: the published
    EuroSAT runs of some methods suffered from that or nearly so. Here the batch is then cut down to
    the dataset, nothing is dropped, and a warning says so.

    Args:
        dataset: Takes a `View` for an index and has a length.
        batch_size: Images a step and process.
        shuffle: New order each epoch (training).
        seed: Seed of the order.
        num_workers: Worker processes; 0 decodes in this one. They stay alive between epochs.
        drop_last: Leave out an incomplete last batch.
        views: See `EpochSampler`.
        rank: See `EpochSampler`.
        world_size: See `EpochSampler`.

    Returns:
        The loader and the notes that were also given as warnings: a batch cut down, fewer than five
        steps a training epoch, images seen twice because processes do not divide them.

    Raises:
        ConfigError: for a batch size below 1 or a negative number of workers.
        DataError: for an empty dataset.

    Example:
        >>> from plp.datasets import ImageDataset, Textile
        >>> from plp.transforms import ClipEval
        >>> textile = Textile().splits()
        >>> dataset = ImageDataset(textile.train[:6], textile.root, ClipEval(32))
        >>> batch = next(iter(build_loader(dataset, batch_size=4, shuffle=False).loader))
        >>> batch['images'].shape, batch['labels'].shape
        (torch.Size([4, 3, 32, 32]), torch.Size([4]))
    """
    check_integer("batch_size", batch_size)
    check_integer("num_workers", num_workers, least=0)
    length = len(dataset)  # type: ignore[arg-type]
    if length == 0:
        raise DataError("expected images to load, got an empty list.")
    sampler = EpochSampler(length, seed, shuffle, views, rank, world_size)
    notes: list[str] = []
    if batch_size > len(sampler):
        notes.append(
            f"batch size {batch_size} is larger than the dataset: cut down to {len(sampler)}, "
            "and no image is dropped"
        )
        batch_size, drop_last = len(sampler), False
    steps = len(sampler) // batch_size if drop_last else ceil(len(sampler) / batch_size)
    if shuffle and steps < FEWEST_STEPS:
        notes.append(
            f"fewer than {FEWEST_STEPS} steps per epoch: {steps} ({len(sampler)} images, batches "
            f"of {batch_size}); results vary more between seeds, a smaller data.batch_size may help"
        )
    if shuffle and (repeats := -length % sampler.world_size):
        notes.append(
            f"{length} images cannot be shared out evenly among {sampler.world_size} processes: "
            f"images seen twice an epoch: {repeats}"
        )
    for note in notes:
        warnings.warn(note, stacklevel=2)
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        multiprocessing_context=start_method() if num_workers else None,
        drop_last=drop_last,
        pin_memory=torch.cuda.is_available() and torch.cuda.is_initialized(),  # this run uses it
        collate_fn=getattr(dataset, "collate", None),
        persistent_workers=num_workers > 0,
        # Its own generator: otherwise each epoch takes a number from torch's global one.
        generator=torch.Generator().manual_seed(seed),
    )
    return Loading(loader, tuple(notes))


def in_order(loader: DataLoader, views: int = 1) -> DataLoader:
    """Return a loader of the same images: all of them, whatever the process, in their order."""
    workers = decoders(loader.dataset, loader.num_workers, looks=views)
    return build_loader(
        loader.dataset, batch_size=min(64, len(loader.dataset)),  # type: ignore[arg-type]
        shuffle=False, num_workers=workers, views=views, rank=0, world_size=1,
    ).loader  # fmt: skip
