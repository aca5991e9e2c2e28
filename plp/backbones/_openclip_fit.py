"""Put weights into an open_clip model, and say what does not fit before one is built."""

from typing import NamedTuple

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed
from torch import Tensor, nn

from plp.errors import WeightsError

EXPECTED = "Expected are tensors of OpenAI's or open_clip's checkpoints"
_POSITIONS = "visual.positional_embedding"


class Misfit(NamedTuple):
    """What of a file does not fit a model.

    Attributes:
        shapes: Tensors of another shape, in words.
        missing: Names that the file lacks.
        unknown: Names that the model lacks.
    """

    shapes: list[str]
    missing: list[str]
    unknown: list[str]

    @property
    def size(self) -> int:
        """Number of tensors that do not fit."""
        return sum(map(len, self))

    def __str__(self) -> str:
        """Name the first of each kind."""
        parts = (
            _listing("", self.shapes),
            _listing("missing: ", self.missing),
            _listing("unknown: ", self.unknown),
        )
        return "; ".join(filter(None, parts))

    @property
    def of_size(self) -> bool:
        """Whether only the grid of patches is another one."""
        return self.size == 1 and bool(self.shapes) and self.shapes[0].startswith(_POSITIONS)


def load_weights(model: nn.Module, state: dict[str, Tensor], source: str, resize: bool) -> None:
    """Copy weights into a model, cast to the model's float32.

    Args:
        model: The open_clip model.
        state: Tensors by name, in OpenAI's or open_clip's layout.
        source: What the weights are called in messages.
        resize: Whether the vision tower's position embedding may be interpolated to another grid.

    Raises:
        WeightsError: naming the first shapes or names that do not fit.
    """
    try:
        state = _in_its_layout(model, state, resize)
        misfit = _compare(model, state)
        if not misfit.size:
            model.load_state_dict(state)
    except Exception as error:  # tensors of kinds and shapes that nobody has thought of
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise WeightsError(
            f"{source} does not fit, or is damaged ({reason}). {EXPECTED}"
        ) from error
    if misfit.size:
        raise WeightsError(f"{source} does not fit: {misfit}. {EXPECTED}")


def misfit_of(model: nn.Module, state: dict[str, Tensor], resize: bool) -> Misfit:
    """Return what of some weights does not fit a model; both may be without values.

    Args:
        model: An open_clip model, on the meta device.
        state: As for `load_weights`.
        resize: As for `load_weights`.
    """
    bare = {name: torch.empty_like(value, device="meta") for name, value in state.items()}
    return _compare(model, _in_its_layout(model, bare, resize))


def _in_its_layout(model: nn.Module, state: dict[str, Tensor], resize: bool) -> dict[str, Tensor]:
    """Return tensors by the names that a model has for them."""
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    expected = model.state_dict()
    for name in ("logit_scale", "logit_bias"):  # stored as a scalar or with one axis
        if name in state and name in expected and state[name].numel() == 1:
            state[name] = state[name].reshape(expected[name].shape)
    if resize:
        state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        resize_pos_embed(state, model)
    return state


def _compare(model: nn.Module, state: dict[str, Tensor]) -> Misfit:
    expected = model.state_dict()
    shapes = [
        f"{name} has shape {list(state[name].shape)}, expected {list(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    missing = [name for name in expected if name not in state]
    return Misfit(shapes, missing, [name for name in state if name not in expected])


def _listing(title: str, items: list[str], most: int = 3) -> str:
    if not items:
        return ""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return title + ", ".join(items[:most]) + more
