"""Writing a traced program for torch, and running the file."""

import io
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from plp.export.check import Run

DESCRIPTION = "plp.json"  # among the extra files inside


def save_torch(traced: ExportedProgram, path: Path, description: str) -> None:
    """Write one file with its weights; the description is its extra file `plp.json`.

    It is made in memory: on a full disk torch's own writer would end the process.
    """
    made = io.BytesIO()
    torch.export.save(traced, made, extra_files={DESCRIPTION: description})
    path.write_bytes(made.getbuffer())


def open_torch(path: Path) -> Run:
    """Load a file; it needs nothing of plp."""
    with open(path, "rb") as file:
        module = torch.export.load(file).module()

    @torch.no_grad()
    def run(pixels: Tensor) -> dict[str, Tensor]:
        return module(pixels)  # type: ignore[no-any-return]

    return run
