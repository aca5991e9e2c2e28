"""Writing a traced program for torch, and running the file."""

from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from plp.export.check import Run

DESCRIPTION = "plp.json"  # among the extra files inside


def save_torch(traced: ExportedProgram, path: Path, description: str) -> None:
    """Write one file with its weights; the description is its extra file `plp.json`."""
    with open(path, "wb") as file:
        torch.export.save(traced, file, extra_files={DESCRIPTION: description})


def open_torch(path: Path) -> Run:
    """Load a file; it needs nothing of plp."""
    with open(path, "rb") as file:
        module = torch.export.load(file).module()

    @torch.no_grad()
    def run(pixels: Tensor) -> dict[str, Tensor]:
        return module(pixels)  # type: ignore[no-any-return]

    return run
