"""Writing a traced program as ONNX, and running the file with onnxruntime."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.onnx import ONNXProgram

from plp.errors import ConfigError, ExportError
from plp.export.check import Run
from plp.export.description import INPUT

OPSET = 18  # the exporter's own; onnxruntime has had it since 1.14 (2023)
METADATA = "plp"
_LARGEST = 2**31 - 2**20  # bytes of weights; a file of ONNX holds less than 2 GiB
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_onnx_packages() -> None:
    """Refuse to begin without the packages that write and check ONNX.

    Raises:
        ConfigError: naming those that are missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f'exporting to ONNX needs {", ".join(missing)}: pip install "plp[export]". '
            "A file for torch (.pt2) needs none of them"
        )


def save_onnx(
    traced: ExportedProgram, path: Path, description: str, output_names: Sequence[str]
) -> None:
    """Write one file with its weights; the description is its metadata entry `plp`.

    Raises:
        ExportError: for more than 2 GiB of weights, which one file of ONNX does not hold.
    """
    weights = sum(value.nbytes for value in traced.state_dict.values())
    if weights > _LARGEST:
        raise ExportError(
            f"a file of ONNX holds at most 2 GiB, these weights take {weights / 2**30:.1f} GiB: "
            "export for torch (.pt2)"
        )
    with _quiet():
        made = cast(ONNXProgram, torch.onnx.export(
            traced, (), dynamo=True, verbose=False, opset_version=OPSET,
            input_names=[INPUT], output_names=list(output_names),
        ))  # fmt: skip
        made.model.metadata_props[METADATA] = description
        made.save(str(path), external_data=False)


def open_onnx(path: Path) -> Run:
    """Open a file in onnxruntime on the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(pixels: Tensor) -> dict[str, Tensor]:
        found = session.run(names, {INPUT: pixels.numpy()})
        return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the exporter logs about its own passes."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
