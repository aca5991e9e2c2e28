"""Read CLIP weights from a local file and put them into an open_clip model.

Nothing is unpickled beyond tensors: safetensors files, `torch.load(weights_only=True)`, and the
allow-list of `_torchscript`.
"""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed
from safetensors.torch import load_file
from torch import Tensor, nn

from plp.backbones._quick_gelu import Activation
from plp.backbones._torchscript import is_torchscript, read_torchscript
from plp.errors import WeightsError, describe_os_error

# What scripted modules hold besides weights.
_EXTRAS = ("input_resolution", "context_length", "vocab_size", "attn_mask")


class Checkpoint(NamedTuple):
    """What a weights file holds.

    Attributes:
        state: Tensors by name.
        activation: What the file itself tells; None if it is silent.
    """

    state: dict[str, Tensor]
    activation: Activation | None = None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file in OpenAI's layout (TorchScript archive or state dict) or in open_clip's.

    Raises:
        WeightsError: if the file is missing, a folder, damaged, or no checkpoint.
    """
    if path.is_dir():
        raise WeightsError(
            f"{path} is a folder, expected a weights file. A folder with open_clip_config.json "
            f"and weights is named by arch='local-dir:{path}'."
        )
    if not path.is_file():
        raise WeightsError(f"the weights file {path} does not exist.")
    try:
        return _read(path)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(describe_os_error(error)) from error
    except Exception as error:  # damaged bytes make readers raise anything
        raise _damaged(path, error) from error


def _read(path: Path) -> Checkpoint:
    if is_torchscript(path):
        state, quick_gelu = read_torchscript(path)
        because = "the archive's own code " + ("computes it" if quick_gelu else "has no sigmoid")
        return Checkpoint(_without_extras(state), Activation(quick_gelu, because))
    state = _state_dict(path, _load(path))
    if "input_resolution" in state and "vocab_size" in state:
        because = "its entries input_resolution and vocab_size come from OpenAI's own archives"
        return Checkpoint(_without_extras(state), Activation(True, because))
    return Checkpoint(state)


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
        _load_into(model, state, source, resize)
    except WeightsError:
        raise
    except Exception as error:  # tensors of kinds and shapes that nobody has thought of
        raise WeightsError(
            f"{source} does not fit, or is damaged ({_first_line(error)}). Expected are tensors of "
            "OpenAI's or open_clip's checkpoints."
        ) from error


def _load_into(model: nn.Module, state: dict[str, Tensor], source: str, resize: bool) -> None:
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    expected = model.state_dict()
    for name in ("logit_scale", "logit_bias"):  # stored as a scalar or with one axis
        if name in state and name in expected:
            state[name] = state[name].reshape(expected[name].shape)
    if resize:
        state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        resize_pos_embed(state, model)
    _check_fit(expected, state, source)
    model.load_state_dict(state)


def _load(path: Path) -> Any:
    """Read the file.

    Raises:
        WeightsError: if it is damaged or no weights, or the system does not let it be read.
    """
    if path.stat().st_size == 0:
        raise WeightsError(f"{path} is empty, expected weights. Download it again.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is no weights file, or holds pickled objects other than tensors, which plp "
            f"does not load. Save its state dict alone with torch.save, or as .safetensors. "
            f"({_first_line(error)})"
        ) from error
    except Exception as error:  # damaged bytes make readers raise anything
        if isinstance(error, OSError) and error.filename is not None:
            raise WeightsError(describe_os_error(error)) from error
        # An OSError about no file is a position outside of this one: it is cut short.
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> WeightsError:
    return WeightsError(
        f"{path} is damaged or no weights file ({_first_line(error)}). Download it again."
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__


def _state_dict(path: Path, loaded: Any) -> dict[str, Tensor]:
    found = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(found, dict) or not found or not any(map(torch.is_tensor, found.values())):
        raise WeightsError(
            f"{path} holds no state dict: expected tensors by name, or a checkpoint with the key "
            f"'state_dict', got {_summary(found)}."
        )
    state = {
        name: value
        for name, value in found.items()
        if torch.is_tensor(value) and isinstance(name, str)
    }
    if all(name.startswith("module.") for name in state):  # saved from a data-parallel wrapper
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def _summary(found: Any) -> str:
    if isinstance(found, dict):
        return f"a dict with the keys {', '.join(map(repr, list(found)[:5])) or 'none'}"
    return f"a {type(found).__name__}"


def _without_extras(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name not in _EXTRAS}


def _check_fit(expected: dict[str, Tensor], state: dict[str, Tensor], source: str) -> None:
    shapes = [
        f"{name} has shape {list(state[name].shape)}, expected {list(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    missing = [name for name in expected if name not in state]
    extra = [name for name in state if name not in expected]
    if not (shapes or missing or extra):
        return
    parts = [_listing("", shapes), _listing("missing: ", missing), _listing("unknown: ", extra)]
    hint = "Name the arch the weights were made for"
    if len(shapes) == 1 and shapes[0].startswith("visual.positional_embedding"):
        hint = "Give image_size to interpolate the position embedding to another image size"
    raise WeightsError(
        f"{source} does not fit: {'; '.join(filter(None, parts))}. {hint}. Expected are the "
        "tensor names of OpenAI's or open_clip's checkpoints."
    )


def _listing(title: str, items: list[str], most: int = 3) -> str:
    if not items:
        return ""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return title + ", ".join(items[:most]) + more
