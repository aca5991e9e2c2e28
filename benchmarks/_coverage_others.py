"""Families beyond open_clip, on tiny random models: the second table of docs/backbones.md."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from _bench import ROOT
from _coverage_methods import METHODS, Method, attempt, run_method

IMAGES_ONLY = {  # configs of methods that have a variant without texts
    "Tip-Adapter": Method("tip_adapter/dinov2_s14_16shot"),
    "linear probe": Method("linear_probe/dinov2_s14_16shot"),
}
SMALL = {"depth": 3, "embed_dim": 64, "num_heads": 2}
TIMM: dict[str, dict[str, Any]] = {
    "vit_small_patch14_dinov2": {"image_size": 56, "model_args": SMALL},
    "vit_small_patch14_reg4_dinov2": {"image_size": 56, "model_args": SMALL},
    "vit_small_patch16_dinov3": {"image_size": 64, "model_args": SMALL},
    "test_convnext": {"image_size": 64},
    "test_efficientnet": {"image_size": 64},
}


def rows_beyond() -> list[dict[str, Any]]:
    """Measure every family; each row says what its backbone is, and what ran on it."""
    return [row_of(name, build) for name, build in backbones()]


def row_of(name: str, build: Callable[[], Any]) -> dict[str, Any]:
    """Return the row of a family."""
    backbone = attempt(build)
    if isinstance(backbone, str):
        return {"family": name, "refused": backbone}
    with torch.no_grad():
        pixels = torch.zeros(1, 3, *backbone.image_size, dtype=torch.uint8)
        pixels[..., ::3] = 200
        features = backbone.encode_image(backbone.normalise(pixels), backbone.streams)
    methods = METHODS if backbone.has_text else METHODS | IMAGES_ONLY
    return {
        "family": name,
        "backbone": type(backbone).__name__,
        "streams": [name for name in ("tokens", "value", "vv") if name in backbone.streams],
        "methods": {
            method: attempt(lambda m=found: run_method(backbone, m, features))
            for method, found in methods.items()
        },
    }


def backbones() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield families with what builds their backbones."""
    from plp.backbones import ImageOnlyBackbone, TransformersBackbone

    sys.path.insert(0, str(ROOT / "tests"))  # the models of the tests of each family
    from backbones.hf_folders import CASES, write_model

    def published(name: str) -> Any:
        folder = Path(tempfile.mkdtemp(prefix="plp-coverage-"))
        write_model(name, folder)
        return TransformersBackbone(folder)

    for name in CASES:
        yield name, lambda name=name: published(name)
    for name, options in TIMM.items():
        yield (
            f"timm:{name}",
            lambda name=name, options=options: ImageOnlyBackbone(f"timm:{name}", None, **options),
        )
