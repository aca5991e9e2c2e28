"""Read the tensors of a TorchScript archive, the format of OpenAI's own checkpoints.

`torch.load(weights_only=True)` refuses these archives, and `torch.jit.load` compiles the code they
carry. Only tensors are wanted, so the archive is read as what it is: a zip file with one pickle of
nested attribute dictionaries and one raw record a storage. The unpickler below knows four harmless
globals and turns every scripted class into a bare holder of attributes; it runs nothing else.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plp.errors import WeightsError

_STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


class _Holder:
    """Stands for an object of a scripted class: its attributes, none of its code."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


class _Unpickler(pickle.Unpickler):
    """An unpickler with an allow-list."""

    def __init__(self, archive: zipfile.ZipFile, root: str, shapes_only: bool) -> None:
        super().__init__(archive.open(f"{root}/data.pkl"))
        self._archive = archive
        self._root = root
        self._shapes_only = shapes_only
        self._records: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Holder
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if module == "torch" and name == "device":
            return str
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return list
        raise pickle.UnpicklingError(f"{module}.{name} is not on the allow-list")

    def persistent_load(self, record: Any) -> Tensor:
        _, dtype, key, _, numel, *_ = record
        if self._shapes_only:
            return torch.empty(numel, dtype=dtype, device="meta")
        if key not in self._records:
            raw = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            self._records[key] = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0)
        return self._records[key]


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is a TorchScript archive, by its content."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path, shapes_only: bool = False) -> tuple[dict[str, Tensor], bool]:
    """Return the tensors of a scripted module by their dotted name, and whether it is QuickGELU.

    CLIP computes no sigmoid but QuickGELU's x sigmoid(1.702 x), so that the archive's own code
    tells which activation the weights were trained with.

    Args:
        path: The archive.
        shapes_only: Whether tensors without values, on the meta device, are enough.

    Raises:
        WeightsError: if the archive is damaged or holds anything beyond modules and tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            module = _Unpickler(archive, pickled.removesuffix("/data.pkl"), shapes_only).load()
            found = dict(_tensors(module, ""))
            code = b"".join(archive.read(n) for n in archive.namelist() if n.endswith(".py"))
    except Exception as error:  # damaged bytes make readers raise anything
        raise WeightsError(
            f"{path} is a TorchScript archive that cannot be read: {error or 'no data.pkl'}. "
            "Download it again, or save `torch.jit.load(FILE).state_dict()` with torch.save "
            "where you trust the file."
        ) from error
    return found, b"sigmoid(" in code


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in getattr(module, "attributes", {}).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Holder):
            yield from _tensors(value, f"{prefix}{name}.")


def _view(
    record: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> Tensor:
    return record.as_strided(size, stride, offset)
