"""Methods that reach into the towers, held against what their published code computes.

A test builds a `Case` from a method's own config and its fixture (`tests/parity/<name>_tiny.npz`):
seeded weights of the fixture's sizes, learned tensors as in the fixture. Tests with it belong into
`tests/parity`, where numbers are float32; in `tests/methods` they are lifted to float64. See
`tests/parity/test_tower_parity.py` for all that can go wrong unseen.

Fixtures of the same keys at other sizes are tested by the same files:
`PLP_PARITY_ROOT=<folder> pytest tests/parity`. See `tower_options` for how they name their weights.
"""

import json
import os
import runpy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import Tensor

from plp.config.load import load_config, merge_options
from plp.engine.build import build_learner
from plp.learners.prompt_learner import PromptLearner
from plp.testing.clip_weights import TINY, VIT_B_16, ClipSize, write_clip_weights

ROOT = Path(__file__).parents[2]
FIXTURES = Path(os.environ.get("PLP_PARITY_ROOT", ROOT / "tests/parity"))
TOLERANCE = 1e-5  # norm of the difference over the norm
NAMED = {"tiny": TINY, "ViT-B-16": VIT_B_16}
OF_STEPS = 1e-4  # of `step3 - start`; 1e-3 for MMRL, TCP and 2SFS

# Name of an array in the fixture, less `start_` -> the learned tensor, or those it is a stack of.
Names = Mapping[str, str | Sequence[str]]
OptionsOfMeta = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Fixture(NamedTuple):
    """What a file holds: floats as float32, strings apart."""

    arrays: dict[str, Tensor]
    meta: dict[str, Any]
    class_names: list[str]
    strings: dict[str, list[str]]


def fixture_of(name: str, folder: Path = FIXTURES) -> Fixture:
    """Read `<name>.npz`."""
    with np.load(folder / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    numbers = {key: value for key, value in arrays.items() if value.dtype.kind != "U"}
    tensors = {key: torch.from_numpy(value) for key, value in numbers.items()}
    tensors["images"] = tensors["images"].float()
    strings = {key: value.tolist() for key, value in arrays.items() if value.dtype.kind == "U"}
    meta = json.loads(strings.pop("meta"))
    return Fixture(tensors, meta, strings["class_names"], strings)


def tower_options(meta: Mapping[str, Any], folder: Path = FIXTURES) -> dict[str, Any]:
    """Return the options that give a ViT-B/16 config the towers of a fixture.

    `meta` holds `weights`, the name of a size, and `weights_seed`. A size that plp has no name for
    is read from `weights_size`, a row of `clip_weights.py` (embed, image, patch, vw, vl, tw, tl),
    or from the table in the `clip_weights.py` beside the fixture.
    """
    name = meta["weights"]
    row = meta.get("weights_size") or _sizes_beside(folder).get(name)
    keys = ("embed", "image", "patch", "vw", "vl", "tw", "tl")
    size = ClipSize(*(row[key] for key in keys)) if row else NAMED[name]
    return {
        "model.backbone.arch": f"parity_{name}",
        "model.backbone.pretrained": str(_weights_file(size, meta["weights_seed"])),
        "model.backbone.model_config": size.model_config(),
    }


def _sizes_beside(folder: Path) -> dict[str, dict[str, int]]:
    script = folder / "clip_weights.py"
    return runpy.run_path(str(script))["SIZES"] if script.exists() else {}


@cache
def _weights_file(size: ClipSize, seed: int) -> Path:
    """Write the weights once per process; the folder goes with it."""
    name = "_".join(map(str, (*size, seed)))
    return write_clip_weights(Path(_folder().name) / f"{name}.pt", size, seed)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def word_context(length: int) -> dict[str, Any]:
    """Return the options of a context of `length` tokens: words up to four, random beyond."""
    prompt = "model.branches.global.prompt"
    words = "a photo of a" if length <= 4 else None
    return {f"{prompt}.num_tokens": length, f"{prompt}.words": words}


class Case:
    """A learner that starts as the fixture says.

    Args:
        fixture: Name of the file.
        config: Config file below `configs/`, without `.py`.
        names: Which learned tensors the fixture's are. A tensor of the learner may have further
            axes of length one; a fixture's array may be a stack of the learner's tensors over its
            leading axes. Tensors that the fixture has no start of are left out (deep contexts
            of depth 1).
        options: Options by dotted key, or a function that makes them of the fixture's `meta`;
            those of the towers come from the fixture.
        class_names: Instead of the fixture's.
        later: Learned tensors that the fixture has no start of: of a second stage.
        folder: Where fixtures lie.
    """

    def __init__(
        self,
        fixture: str,
        config: str,
        names: Names,
        options: Mapping[str, Any] | OptionsOfMeta = MappingProxyType({}),
        class_names: Sequence[str] | None = None,
        folder: Path = FIXTURES,
        later: Sequence[str] = (),
    ) -> None:
        self.fixture = fixture_of(fixture, folder)
        self.arrays, self.meta = self.fixture.arrays, self.fixture.meta
        self.config: Config = load_config(ROOT / "configs" / f"{config}.py")
        options = options(self.meta) if callable(options) else options
        merge_options(self.config, {**tower_options(self.meta, folder), **options})
        self.learner: PromptLearner = build_learner(
            self.config, class_names or self.fixture.class_names
        )
        starts = {x.removeprefix("start_") for x in self.arrays if x.startswith("start_")}
        self.names = {x: [n] if isinstance(n, str) else list(n) for x, n in names.items()}
        self.names = {x: some for x, some in self.names.items() if x in starts}
        learned = {n for n, p in self.learner.named_parameters() if p.requires_grad}
        named = {name for some in self.names.values() for name in some} | set(later)
        assert learned == named, f"learned: {sorted(learned)}, named: {sorted(named)}"
        assert starts == set(self.names), f"the fixture starts {sorted(starts)}"
        self.drawn = self.values()  # what the config starts from
        with torch.no_grad():
            for x, found in self.names.items():
                for parameter, value in zip(self._of(found), self._cut(f"start_{x}"), strict=True):
                    parameter.copy_(value.view_as(parameter))

    @property
    def images(self) -> Tensor:
        """[B, 3, H, W], normalised."""
        return self.arrays["images"]

    def _of(self, names: Sequence[str]) -> list[torch.nn.Parameter]:
        learned = dict(self.learner.named_parameters())
        return [learned[name] for name in names]

    def _cut(self, array: str) -> Tensor:
        """Return an array with one leading entry for each tensor it is a stack of."""
        x = array.partition("_")[2]
        return self.arrays[array].reshape(len(self.names[x]), -1)

    def _stacked(self, x: str, tensors: Sequence[Tensor]) -> Tensor:
        stack = torch.stack([one.detach().reshape(-1) for one in tensors])
        return stack.view_as(self.arrays[f"start_{x}"])

    def values(self) -> dict[str, Tensor]:
        """Return the learned tensors under the fixture's names, in its shapes."""
        return {x: self._stacked(x, self._of(some)).clone() for x, some in self.names.items()}

    def losses(self, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Return the losses of the batch, by name, with their graph."""
        self.learner.train()
        labels = self.arrays["labels"] if labels is None else labels
        return self.learner(self.images, labels, mode="loss")

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradient of the total loss, under the fixture's names."""
        self.learner.zero_grad()
        sum(self.losses().values()).backward()
        grads = {x: [p.grad for p in self._of(some)] for x, some in self.names.items()}
        return {x: self._stacked(x, some) for x, some in grads.items()}

    def logits(self) -> dict[str, Tensor]:
        """Return the logits in evaluation mode."""
        with torch.no_grad():
            return self.learner.eval()(self.images, mode="tensor")

    def steps(self, count: int = 3, labels: Tensor | None = None) -> Tensor:
        """Take steps through the config's optimiser at its constant rate; return their losses."""
        with DefaultScope.overwrite_default_scope("plp"):
            wrapper = build_optim_wrapper(self.learner, dict(self.config.optim_wrapper))
        labels = self.arrays["labels"] if labels is None else labels
        self.learner.train().zero_grad()  # mmengine's wrapper does so behind each step
        batch = dict(images=self.images, labels=labels)
        logs = [self.learner.train_step(batch, wrapper) for _ in range(count)]
        return torch.stack([log["loss"].detach() for log in logs])

    # ------------------------------------------------------------------------------- what is held

    def assert_equal(self, found: Tensor, array: str, tolerance: float = TOLERANCE) -> None:
        """Hold a tensor against an array of the fixture, relatively."""
        assert_near(found, self.arrays[array], array, tolerance)

    def assert_features(self, branch: str = "global") -> None:
        """Hold the features of both towers, not normalised, and the logits."""
        with torch.no_grad():
            features = self.learner.eval().encode_image(self.images)
            text = self.learner.encode_text(features)[branch]
        self.assert_equal(features.pooled, "image_features")
        self.assert_equal(text.squeeze(-2), "text_features")
        self.assert_equal(self.logits()["logits"], "logits")

    def assert_losses(self, **arrays: str) -> None:
        """Hold single losses, `loss_global="loss_ce"`, and their sum."""
        losses = self.losses()
        for name, array in arrays.items():
            self.assert_equal(losses[name], array)
        self.assert_equal(sum(losses.values()), "loss")

    def assert_gradients(self) -> None:
        """Hold every gradient."""
        for x, grad in self.gradients().items():
            self.assert_equal(grad, f"grad_{x}")

    def assert_three_steps(self, tolerance: float = OF_STEPS, of_logits: float = TOLERANCE) -> None:
        """Hold losses, learned tensors and logits of three steps at the fixture's rate."""
        assert self.config.optim_wrapper.optimizer.lr == self.meta["lr"]
        self.assert_equal(self.steps(), "loss_steps")
        for x, value in self.values().items():
            start = self.arrays[f"start_{x}"]
            moved = self.arrays[f"step3_{x}"] - start
            assert_near(value - start, moved, f"step3_{x} - start_{x}", tolerance)
        self.assert_equal(self.logits()["logits"], "step3_logits", of_logits)


def assert_near(found: Tensor, expected: Tensor, what: str, tolerance: float = TOLERANCE) -> None:
    """Hold the norm of a difference against the norm of what is expected."""
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    found, expected = found.detach().double(), expected.double()
    off = float((found - expected).norm() / expected.norm())
    assert off <= tolerance, f"{what} is off by {off:.2g} (relative), allowed: {tolerance:g}"
