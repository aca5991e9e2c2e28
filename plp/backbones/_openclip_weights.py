"""Read CLIP weights from a local file, or their names and shapes alone.

Nothing is unpickled beyond tensors: safetensors files, `torch.load(weights_only=True)`, and the
allow-list of `_torchscript`.
"""

import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

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


def read_checkpoint(path: Path, shapes_only: bool = False) -> Checkpoint:
    """Read a file in OpenAI's layout (TorchScript archive or state dict) or in open_clip's.

    Args:
        path: The file.
        shapes_only: Whether tensors without values, on the meta device, are enough. No more than
            the head of the file is read then, if it has one.

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
        return _read(path, shapes_only)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(describe_os_error(error)) from error
    except Exception as error:  # damaged bytes make readers raise anything
        raise _damaged(path, error) from error


def has_head(path: Path) -> bool:
    """Whether names and shapes of a file can be read without its values.

    They stand in front, or apart, in safetensors and in the zip archives of torch since 1.6.
    """
    if path.suffix == ".safetensors":
        return True
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # raised for some damaged ends of an archive
        return True  # what reads the head says what is wrong


def _read(path: Path, shapes_only: bool) -> Checkpoint:
    if is_torchscript(path):
        state, quick_gelu = read_torchscript(path, shapes_only)
        because = "the archive's own code " + ("computes it" if quick_gelu else "has no sigmoid")
        return Checkpoint(_without_extras(state), Activation(quick_gelu, because))
    state = _state_dict(path, _load(path, shapes_only))
    if "input_resolution" in state and "vocab_size" in state:
        because = "its entries input_resolution and vocab_size come from OpenAI's own archives"
        return Checkpoint(_without_extras(state), Activation(True, because))
    return Checkpoint(state)


def _load(path: Path, shapes_only: bool) -> Any:
    """Read the file, or its head.

    Raises:
        WeightsError: if it is damaged or no weights, or the system does not let it be read.
    """
    if path.stat().st_size == 0:
        raise WeightsError(f"{path} is empty, expected weights. Download it again.")
    try:
        if path.suffix == ".safetensors":
            return _shapes(path) if shapes_only else load_file(path)
        if shapes_only:
            return torch.load(path, map_location="meta", weights_only=True)
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


def _shapes(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file without their values."""
    with safe_open(str(path), framework="pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


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
