"""What is no image is refused by `predict` in words, whatever it is."""

import re

import numpy as np
import pytest
import torch

from plp.errors import PlpError

NAN, INF = float("nan"), float("inf")
_CLASS = re.compile(r"\b[A-Z]\w*(?:Error|Exception)\b")


def floats(shape, value=0.5):
    return np.full(shape, value, np.float32)


def with_one(value, shape=(8, 8, 3)):
    pixels = floats(shape)
    pixels.flat[3] = value
    return pixels


BAD = {
    "NaN": lambda: with_one(NAN), "inf": lambda: with_one(INF), "-inf": lambda: with_one(-INF),
    "all NaN": lambda: floats((8, 8, 3), NAN),
    "NaN in float64": lambda: with_one(NAN).astype(float),
    "above one": lambda: with_one(1.01), "below zero": lambda: with_one(-0.01),
    "0 to 255 as floats": lambda: floats((8, 8, 3), 255.0),
    "normalised": lambda: np.random.default_rng(0).normal(size=(8, 8, 3)),
    "no axis": lambda: np.float32(0.5), "array of no axis": lambda: np.array(0.5),
    "one axis": lambda: floats((8,)), "two channels": lambda: floats((8, 8, 2)),
    "four channels": lambda: floats((8, 8, 4)), "channels first": lambda: floats((3, 8, 8)),
    "five axes": lambda: floats((1, 1, 8, 8, 3)), "no rows": lambda: floats((0, 8, 3)),
    "no columns": lambda: floats((8, 0, 3)), "empty": lambda: np.array([]),
    "batch of none": lambda: floats((0, 8, 8, 3)), "batch of four channels": lambda: floats(
        (2, 8, 8, 4)),
    "int64": lambda: np.zeros((8, 8, 3), np.int64),
    "uint16": lambda: np.zeros((8, 8, 3), np.uint16),
    "bool": lambda: np.zeros((8, 8, 3), bool), "complex": lambda: np.zeros((8, 8, 3), complex),
    "objects": lambda: np.full((8, 8, 3), None, object),
    "texts": lambda: np.full((8, 8, 3), "x"), "dates": lambda: np.zeros((8, 8, 3), "datetime64[s]"),
    "tensor NaN": lambda: torch.full((3, 8, 8), NAN),
    "tensor inf": lambda: torch.full((3, 8, 8), INF),
    "tensor channels last": lambda: torch.zeros(8, 8, 3), "grey tensor": lambda: torch.zeros(8, 8),
    "tensor of one channel": lambda: torch.zeros(1, 8, 8), "tensor int64": lambda: torch.zeros(
        3, 8, 8, dtype=torch.int64),
    "tensor bool": lambda: torch.zeros(3, 8, 8, dtype=torch.bool),
    "tensor complex": lambda: torch.zeros(3, 8, 8, dtype=torch.complex64),
    "tensor of no rows": lambda: torch.zeros(3, 0, 8), "no tensor batch": lambda: torch.zeros(
        0, 3, 8, 8),
    "tensor of five axes": lambda: torch.zeros(1, 1, 3, 8, 8), "scalar tensor": lambda:
        torch.tensor(0.5),
    "tensor without values": lambda: torch.zeros(3, 8, 8, device="meta"),
    "sparse tensor": lambda: torch.zeros(3, 8, 8).to_sparse(),
    "bfloat16 NaN": lambda: torch.full((3, 8, 8), NAN, dtype=torch.bfloat16),
    "None": lambda: None, "number": lambda: 3, "float": lambda: 0.5, "dict": lambda: {"image": 1},
    "empty list": list, "list of None": lambda: [None], "list of numbers": lambda: [1, 2, 3],
    "nested list": lambda: [[[0.5] * 3] * 8] * 8, "bytes": lambda: b"\x89PNG",
    "empty text": lambda: "", "object": object, "function": lambda: len, "class": lambda: dict,
    "folder": lambda: "/", "device": lambda: "/dev/zero", "null byte": lambda: "a\0b.png",
    "long name": lambda: "n" * 5000, "one good, one bad": lambda: [floats((8, 8, 3)), None],
}  # fmt: skip
FINE = {
    "uint8": lambda: np.zeros((8, 8, 3), np.uint8), "grey": lambda: np.zeros((8, 8), np.uint8),
    "floats": lambda: floats((8, 8, 3)), "float16": lambda: floats((8, 8, 3)).astype(np.float16),
    "not contiguous": lambda: floats((3, 8, 8)).transpose(1, 2, 0), "reversed": lambda: floats(
        (8, 8, 3))[::-1],
    "read-only": lambda: np.broadcast_to(np.float32(0.5), (8, 8, 3)),
    "bfloat16": lambda: torch.zeros(3, 8, 8, dtype=torch.bfloat16),
    "with a graph": lambda: torch.zeros(3, 8, 8, requires_grad=True),
    "a generator": lambda: (one for one in [floats((8, 8, 3))]),
    "batch": lambda: torch.zeros(1, 3, 8, 8), "big endian": lambda: floats((8, 8, 3)).astype(">f4"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_array(clf, kind):
    with pytest.raises(PlpError) as told:
        clf.predict(BAD[kind]())
    assert len(str(told.value)) >= 25, str(told.value)
    assert not _CLASS.search(str(told.value)), str(told.value)


@pytest.mark.parametrize("kind", FINE)
def test_array_that_is_no_mistake(clf, kind):
    (found,) = clf.predict(FINE[kind]())
    assert abs(sum(found.probabilities) - 1) < 1e-5
