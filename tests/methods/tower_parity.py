"""Methods that reach into the towers, held against what their published code computes.

A test builds a `Case` from a method's own config and its fixture (`tests/parity/<name>_tiny.npz`):
tiny seeded weights, learned tensors as in the fixture. Tests with it belong into `tests/parity`,
where numbers are float32; in `tests/methods` they are lifted to float64. See
`tests/parity/test_tower_parity.py` for all that can go wrong unseen.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import Tensor

from plp.engine.build import build_learner
from plp.engine.config import load_config, merge_options
from plp.learners.prompt_learner import PromptLearner

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-5  # norm of the difference over the norm
OF_STEPS = 1e-4  # of `step3 - start`; 1e-3 for MMRL, TCP and 2SFS

# Name of an array in the fixture, less `start_` -> the learned tensor, or those it is a stack of.
Names = Mapping[str, str | Sequence[str]]


class Fixture(NamedTuple):
    """What a file holds: floats as float32, strings apart."""

    arrays: dict[str, Tensor]
    meta: dict[str, Any]
    class_names: list[str]


def fixture_of(name: str, folder: Path = ROOT / "tests/parity") -> Fixture:
    """Read `<name>.npz`."""
    with np.load(folder / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    numbers = {key: value for key, value in arrays.items() if value.dtype.kind != "U"}
    tensors = {key: torch.from_numpy(value) for key, value in numbers.items()}
    tensors["images"] = tensors["images"].float()
    return Fixture(tensors, json.loads(arrays["meta"].item()), arrays["class_names"].tolist())


class Case:
    """A learner that starts as the fixture says.

    Args:
        fixture: Name of the file.
        config: Config file below `configs/`, without `.py`.
        names: Which learned tensors the fixture's are. A tensor of the learner may have further
            axes of length one; a fixture's array may be a stack of the learner's tensors over its
            leading axes.
        options: Options by dotted key, `tiny_options` among them.
        class_names: Instead of the fixture's.
        later: Learned tensors that the fixture has no start of: of a second stage.
        folder: Where fixtures lie.
    """

    def __init__(
        self,
        fixture: str,
        config: str,
        names: Names,
        options: Mapping[str, Any],
        class_names: Sequence[str] | None = None,
        folder: Path = ROOT / "tests/parity",
        later: Sequence[str] = (),
    ) -> None:
        self.fixture = fixture_of(fixture, folder)
        self.arrays, self.meta = self.fixture.arrays, self.fixture.meta
        self.config: Config = load_config(ROOT / "configs" / f"{config}.py")
        merge_options(self.config, options)
        self.learner: PromptLearner = build_learner(
            self.config, class_names or self.fixture.class_names
        )
        self.names = {x: [one] if isinstance(one, str) else list(one) for x, one in names.items()}
        learned = {n for n, p in self.learner.named_parameters() if p.requires_grad}
        named = {name for some in self.names.values() for name in some} | set(later)
        assert learned == named, f"learned: {sorted(learned)}, named: {sorted(named)}"
        starts = {x.removeprefix("start_") for x in self.arrays if x.startswith("start_")}
        assert starts == set(names), f"the fixture starts {sorted(starts)}"
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
