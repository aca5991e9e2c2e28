"""What two trainings must share for one to continue the other."""

from typing import Any

from plp.config.data_options import WITHOUT_EFFECT
from plp.config.pixel_options import same_in_all_runs
from plp.engine.image_contents import CONTENTS, ImageContents


def identity_of(run: dict[str, Any], contents: ImageContents, select: str) -> dict[str, Any]:
    """Return the identity of a run, as its state keeps it.

    Args:
        run: What the run is, see `describe_run`.
        contents: What its images contain.
        select: Which epoch is tested, 'last' or 'val'.
    """
    keys = ("dataset", "class_names", "shots", "sampler", "split_hash", "seed", "precision")
    config = {
        key: run["config"].get(key)
        for key in ("model", "data", "optim_wrapper", "param_scheduler", "train_cfg", "selection")
    }
    if hooks := run["config"].get("hooks"):  # of a method; states of older plp know none
        config["hooks"] = hooks
    if "init_from" in run["config"]:
        config["init_from"] = run["config"]["init_from"]
    data = {k: v for k, v in config["data"].items() if k not in WITHOUT_EFFECT}
    config["data"] = _by_transforms(same_in_all_runs(data))
    own = {key: run[key] for key in (*keys, "backbone_fingerprint", "transforms")}
    return own | config | {CONTENTS: contents.identity(select)}


def _by_transforms(data: dict[str, Any]) -> dict[str, Any]:
    """Write CLIP's transform for the backbone's own, as configs of older versions have it.

    Which one it was is said by `transforms`.
    """
    own, clips = {"type": "BackboneEval"}, {"type": "ClipEval"}
    return {key: clips if value == own else value for key, value in data.items()}
