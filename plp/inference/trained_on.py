"""Whether images are shots of the training: no threshold may be chosen on those."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from PIL import Image

from plp.config.data_options import DataOptions
from plp.datasets import FewShot
from plp.datasets.contents import equal_files, stamps, with_stamps
from plp.engine.build import run_seed
from plp.engine.data import draw
from plp.engine.image_contents import stamps_of
from plp.inference.images import Named
from plp.inference.named_types import types_of
from plp.registry import DATASETS

logger = logging.getLogger("plp")


def trained_on(
    info: Mapping[str, Any], paths: Sequence[Path], draw_again: bool = True
) -> list[Path]:
    """Return those of some image files that are shots of the training, by content.

    A checkpoint says what its shots contain, wherever they are now. One of an older plp says only
    how they were drawn: where they are still there, they are drawn again; where they are not,
    nothing is known, and none is returned.

    Args:
        info: What the checkpoint says about the training.
        paths: Image files.
        draw_again: Whether the folder of the training that `info` names may be opened.
    """
    known = stamps_of(info)
    if known is None and not draw_again:
        logger.info(
            "not compared with the images of the training: the checkpoint, of an older plp, names "
            "their folder, which is opened with trust_header=True (--trust-header) only"
        )
    elif known is None and (few := _drawn(info)):
        known = stamps(few.root, few.train)
    same = with_stamps(known or (), [str(path) for path in paths])
    return [path for path, found in zip(paths, same, strict=True) if found]


def without_shots(
    info: Mapping[str, Any], images: Sequence[Named], draw_again: bool = True
) -> list[Named]:
    """Return the images to calibrate on; shots and copies are left out, which a warning says.

    Args:
        info: What the checkpoint says about the training.
        images: Images; those that come from no file are kept.
        draw_again: See `trained_on`.
    """
    files = {place: path for place, one in enumerate(images) if (path := _file_of(one.image))}
    shots = set(trained_on(info, list(files.values()), draw_again))
    left_out = {place for place, path in files.items() if path in shots}
    if shots:
        logger.warning(
            "%d of the %d images to calibrate on were trained on, such as %s, and are left out: "
            "the classifier is surer of them than of others. Take images that were no shots",
            len(left_out), len(images), min(shots),
        )  # fmt: skip
    others = [place for place in files if place not in left_out]
    groups = equal_files([str(files[place]) for place in others])
    copies = {others[i] for group in groups for i in group[1:]}
    if copies:
        logger.warning(
            "%d of the %d images to calibrate on are copies of others of them and are left out",
            len(copies), len(images),
        )  # fmt: skip
    return [one for place, one in enumerate(images) if place not in left_out | copies]


def _file_of(image: Any) -> Path | None:
    """Return the file an image comes from, also that of a PIL image that was opened from one."""
    if isinstance(image, str | os.PathLike):
        return Path(image)
    name = getattr(image, "filename", "") if isinstance(image, Image.Image) else ""
    return Path(os.fsdecode(name)) if name else None


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
