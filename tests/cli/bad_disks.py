"""Disks that give out, one write after the other, and command lines that write."""

import contextlib
import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from bad_slots import Argv
from bad_world import World
from PIL import Image
from safetensors import safe_open

WRITERS: dict[str, tuple[str, Callable[[World], Argv]]] = {
    "train": ("train", lambda w: [w.config, *w.data, "--work-dir", "new"]),
    "train with a report": ("train", lambda w: [
        w.config, *w.data, "--work-dir", "new", "--cfg-options", "report=True",
        "train_cfg.max_epochs=1"]),
    "test": ("test", lambda w: [w.config, w.run, *w.data, "--out", "new/test.json"]),
    "predict": ("predict", lambda w: [w.run, w.photos, "--device", "cpu", "--out", "new/p.csv",
                                      "--format", "csv"]),
    "predict --save": ("predict", lambda w: [
        w.run, w.image, "--device", "cpu", "--calibrate", w.photos, "--save",
        "new/model.safetensors"]),
    "visualize": ("visualize", lambda w: [w.run, w.image, "--device", "cpu", "--out", "new"]),
    "collect": ("collect", lambda w: [w.run, "--out", "new"]),
    "ood": ("ood", lambda w: [w.config, w.run, *w.data, "--ood", f"dogs={w.others}", "--out",
                              "new", "--export-logits"]),
    "compare": ("compare", lambda w: [
        "--methods", w.config, "--datasets", f"photos={w.photos}", "--shots", 1, "--seeds", 1,
        "--out", "new", "--device", "cpu", "--jobs", 0, "--cfg-options",
        "train_cfg.max_epochs=1"]),
    "export": ("export", lambda w: [w.run, "--device", "cpu", "--out", "new/model.pt2"]),
}  # fmt: skip


@contextlib.contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> Iterator[list[str]]:
    """Have room for some files that are written atomically, and none for the next.

    Args:
        monkeypatch: Pytest's.
        room: Number of files.

    Yields:
        A list that has an entry for each file there was no room for.
    """
    flush, left, refused = os.fsync, [room], []

    def fsync(handle: int) -> None:
        if left[0] <= 0:
            refused.append(str(handle))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        flush(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        yield refused


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse every byte of a file beyond a size: no write is simulated."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def check_whole(folder: Path) -> None:
    """Check that every file below a folder is a whole one of its kind, and none is temporary."""
    for path in filter(Path.is_file, folder.rglob("*")):
        assert not path.name.endswith(".tmp"), f"left behind: {path}"
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                assert list(file.keys())
        elif path.suffix == ".pth":
            torch.load(path, map_location="cpu", weights_only=True)
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
        elif path.suffix in (".npz", ".pt2", ".csv", ".tex", ".pdf"):
            assert path.stat().st_size, path
