"""A finished run, read as a row."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plp.checksums import DIGEST, is_intact, note_unchecked
from plp.errors import DataError
from plp.results.options import options_of
from plp.results.origins import origin_of
from plp.results.records import Run
from plp.results.schema import check_result
from plp.results.settings import settings_of
from plp.results.stated import RESULT
from plp.results.unsolved import unsolved_share


def read_result(path: str | Path) -> dict[str, Any]:
    """Read a `result.json`, or another file of that schema, and check it and its digest.

    Args:
        path: The file, or the folder that has a `result.json`.

    Raises:
        DataError: if it is missing, damaged, of another version, or lacks an entry.
    """
    path = Path(path)
    path = path / RESULT if path.is_dir() else path
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as a result ({error})") from error
    check_result(result, str(path))
    intact = is_intact(result)
    if intact is None:
        note_unchecked("results", path)
    elif not intact:
        raise DataError(
            f"{path} is damaged: its content does not match the digest that was written with it. "
            f"Take another copy, or run it again; if you changed it yourself, remove its entry "
            f"{DIGEST!r}"
        )
    return result


def read_run(
    path: str | Path,
    method: str | None = None,
    dataset: str | None = None,
    *,
    key: str = "",
    other_code: bool = False,
) -> Run:
    """Read a `result.json` as a row.

    Args:
        path: The file, or the folder it is in.
        method: Name of the method; by default folder/stem of the config file.
        dataset: Name of the dataset; by default the one in the result.
        key: Content hash of the run.
        other_code: Whether another state of the code ran it.

    Raises:
        DataError: if it is missing, damaged, or lacks an entry.
    """
    path = Path(path)
    result = read_result(path)
    if result["kind"] not in ("run", "test"):
        raise DataError(f"{path}: expected a test of accuracy, got the kind {result['kind']!r}")
    validation = result.get("validation")
    return Run(
        method=method or name_of_config(result.get("config_file")),
        dataset=dataset or result["dataset"],
        shots=result["shots"],
        seed=result["seed"],
        accuracy=result["accuracy"],
        seconds=whole_seconds(result),
        learned=sum(math.prod(shape) for shape in result["learned_parameters"].values()),
        epochs=result.get("epochs"),
        selection=result.get("selection") or "last",
        device=result.get("device") or "",
        commit=result.get("git_commit"),
        path=str(path if path.is_dir() else path.parent),
        config_file=result.get("config_file"),
        key=key,
        other_code=other_code,
        kind=result["kind"],
        trained_on=result.get("trained_on"),
        validation=validation and validation["accuracy"],
        backbone=backbone_of(result["config"]),
        test_images=result["num_test_images"],
        settings=settings_of(result),
        options=options_of(result),
        origin=origin_of(result),
        repeated=(result.get("duplicates") or {}).get("test_in_train", 0),
        unsolved=unsolved_share(result),
    )


def whole_seconds(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the durations of a result by stage, without one that is of a part of the run only.

    A run that was cut off adds the seconds before to those after, where its state knew them; one of
    an older plp did not.

    Example:
        >>> whole_seconds({'seconds': {'train': 2.0, 'test': 1.0}, 'resumed': True})
        {'test': 1.0}
    """
    seconds = dict(result["seconds"])
    if result.get("resumed") and result.get("resumed_seconds") is None:
        seconds.pop("train", None)
    return seconds


def backbone_of(config: Mapping[str, Any]) -> str:
    """Return the architecture a config names, or the last part of its model's name or folder.

    Else the class of its backbone, else ''.

    Example:
        >>> backbone_of({'model': {'backbone': {'type': 'OpenCLIPBackbone', 'arch': 'ViT-B-16'}}})
        'ViT-B-16'
    """
    backbone = config.get("model", {}).get("backbone", {})
    named = backbone.get("arch") or os.path.basename(str(backbone.get("name_or_folder") or ""))
    return str(named or backbone.get("type") or "")


def name_of_config(file: str | None) -> str:
    """Return folder/stem of a config file, the name of a method that has no other.

    Example:
        >>> name_of_config('configs/sotglp/lite_16shot.py')
        'sotglp/lite_16shot'
    """
    path = Path(file) if file else Path("unknown")
    return f"{path.parent.name}/{path.stem}" if path.parent.name else path.stem
