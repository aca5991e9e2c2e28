"""Whether images are shots of the training: no threshold may be chosen on those."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from plp.datasets import FewShot
from plp.engine.build import run_seed
from plp.engine.data import draw
from plp.engine.data_options import DataOptions
from plp.files import content_digest
from plp.inference.images import Named
from plp.inference.named_types import types_of
from plp.registry import DATASETS

logger = logging.getLogger("plp")


def trained_on(info: Mapping[str, Any], paths: Sequence[Path]) -> list[Path]:
    """Return those of some image files that are shots of the training, by content.

    A checkpoint does not hold its images, but it says how they were drawn: where they are still
    there, they are drawn again. Where they are not, nothing is known, and none is returned.

    Args:
        info: What the checkpoint says about the training.
        paths: Image files.
    """
    few = _drawn(info)
    if few is None:
        return []
    sizes: dict[int, list[Path]] = {}
    for path in paths:
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append(path)
    shots = [Path(few.root) / item.path for item in few.train]
    alike = [shot for shot in shots if shot.is_file() and shot.stat().st_size in sizes]
    known = {content_digest(shot) for shot in alike}  # of equal size: few files are read
    same = {shot.stat().st_size for shot in alike}
    found = {path for size in same for path in sizes[size] if content_digest(path) in known}
    return [path for path in paths if path in found]


def warn_of_shots(info: Mapping[str, Any], images: Sequence[Named]) -> None:
    """Warn of files among the images to calibrate on that `trained_on` finds."""
    paths = [Path(one.image) for one in images if isinstance(one.image, str | os.PathLike)]
    if shots := trained_on(info, paths):
        logger.warning(
            "%d of the %d images to calibrate on were trained on, such as %s: the classifier is "
            "surer of them than of others, and the threshold will accept too few. Take images that "
            "were no shots",
            len(shots), len(images), shots[0],
        )  # fmt: skip


def _drawn(info: Mapping[str, Any]) -> FewShot | None:
    """Draw the shots again; None if they cannot be had, or are no longer the same."""
    try:
        config = Config(dict(info.get("config") or {}))
        if "data" not in config or not _is_ours(config.get("dataset")):
            return None
        few = draw(DATASETS.build(config.dataset), DataOptions.of(config), run_seed(config))
    except Exception as error:  # whatever a checkpoint says, a warning must not stop a prediction
        logger.debug("the shots of the training cannot be drawn again: %s", error)
        return None
    return few if few.split_hash == info.get("split_hash") else None


def _is_ours(section: Any) -> bool:
    """Whether building a data source runs no code but plp's, which a warning is not worth.

    Wrappers of mmengine (`RepeatDataset`) would build whatever the config within them names.
    """
    types = list(types_of(section))
    return len(types) == 1 and types[0] == section.get("type") and types[0] in DATASETS.names()
