"""Checkpoints with one thing wrong, made from a good one."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

Parts = tuple[dict[str, torch.Tensor], dict[str, Any]]


def read(path: Path) -> Parts:
    """Return the tensors and the header of a checkpoint."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["plp"])
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def packed(tensors: dict[str, torch.Tensor], header: Any) -> bytes:
    """Return a checkpoint with this header, of any kind."""
    text = header if isinstance(header, str) else json.dumps(header)
    return save({name: t.contiguous() for name, t in tensors.items()}, {"plp": text})


def _cut(share: float) -> Callable[[bytes, Parts], bytes]:
    return lambda content, parts: content[: int(len(content) * share)]


def _head(size: int) -> Callable[[bytes, Parts], bytes]:
    """Change how long the head says that it is."""
    return lambda content, parts: struct.pack("<Q", size) + content[8:]


def _header(**changes: Any) -> Callable[[bytes, Parts], bytes]:
    return lambda content, parts: packed(parts[0], parts[1] | changes)


def _without(key: str) -> Callable[[bytes, Parts], bytes]:
    return lambda content, parts: packed(
        parts[0], {name: value for name, value in parts[1].items() if name != key}
    )


def _first(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[bytes, Parts], bytes]:
    """Change the largest learned tensor."""

    def make(content: bytes, parts: Parts) -> bytes:
        tensors = dict(parts[0])
        name = max(
            (one for one in tensors if not one.startswith("validation_scores")),
            key=lambda one: tensors[one].numel(),
        )
        tensors[name] = change(tensors[name].clone())
        return packed(tensors, parts[1])

    return make


def _poisoned(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return change


def _one_less(content: bytes, parts: Parts) -> bytes:
    return packed(dict(list(parts[0].items())[1:]), parts[1])


def _one_more(content: bytes, parts: Parts) -> bytes:
    return packed({**parts[0], "branches.extra.weight": torch.zeros(2)}, parts[1])


def _config(**sections: Any) -> Callable[[bytes, Parts], bytes]:
    return lambda content, parts: packed(
        parts[0], parts[1] | {"config": parts[1]["config"] | sections}
    )


BAD: dict[str, Callable[[bytes, Parts], bytes]] = {
    "empty": _cut(0.0), "cut early": lambda content, parts: content[:7],
    "cut in the head": lambda content, parts: content[:100], "cut in half": _cut(0.5),
    "cut at the end": lambda content, parts: content[:-1],
    "longer than it says": lambda content, parts: content + b"more",
    "head of no length": _head(0), "head too long": _head(2**62), "head one short": _head(1),
    "head is no json": lambda content, parts: content[:8] + b"x" + content[9:],
    "no metadata": lambda content, parts: save(parts[0]),
    "metadata of another program": lambda content, parts: save(parts[0], {"made": "elsewhere"}),
    "metadata is no json": lambda content, parts: packed(parts[0], '{"format": 2, '),
    "metadata is a list": lambda content, parts: packed(parts[0], [1, 2]),
    "metadata is null": lambda content, parts: packed(parts[0], None),
    "newer format": _header(format=99), "format is text": _header(format="two"),
    "format is null": _header(format=None), "no format": _without("format"),
    "no class names": _without("class_names"), "class names are a number": _header(class_names=3),
    "class names are numbers": _header(class_names=[1, 2, 3]),
    "class names are empty": _header(class_names=[]),
    "one class too many": _header(class_names=["ant", "bee", "cat", "dog"]),
    "other weights": _header(fingerprint="0" * 16), "NaN": _first(_poisoned(float("nan"))),
    "infinite": _first(_poisoned(float("inf"))), "other shape": _first(lambda t: t[:0]),
    "one axis more": _first(lambda t: t[None]), "whole numbers": _first(lambda t: t.long()),
    "a tensor is missing": _one_less, "a tensor too many": _one_more,
    "no tensors": lambda content, parts: packed({}, parts[1]),
}  # fmt: skip
# What only those notice who build the model by the checkpoint's own config.
BAD_CONFIG: dict[str, Callable[[bytes, Parts], bytes]] = {
    "no config": _without("config"), "config is text": _header(config="model = dict()"),
    "config is empty": _header(config={}), "model is a number": _config(model=3),
    "model is empty": _config(model={}), "data is a list": _config(data=[1]),
    "model of unknown type": _config(model={"type": "Nothing"}),
    "unknown keys of data": _config(data={"shot": 1}),
}  # fmt: skip
