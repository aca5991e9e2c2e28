"""Tensors and a few texts in one safetensors file, with a digest of all of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from plp.checksums import DIGEST, value_digest

_HEX = re.compile("[0-9a-f]{64}")


class DamagedError(ValueError):
    """A file is no safetensors file, or not what was once written."""


class Sealed(NamedTuple):
    """What a file holds.

    Attributes:
        tensors: Tensors by name.
        texts: The texts of its metadata by name, without the digest.
        digest: The digest that stands in it, which fits; None in a file of an older plp.
    """

    tensors: dict[str, Tensor]
    texts: dict[str, str]
    digest: str | None


def pack(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> bytes:
    """Return the content of a file, with its digest.

    Args:
        tensors: Contiguous tensors that share no memory.
        texts: Anything else, by name.
    """
    return save(dict(tensors), {**texts, DIGEST: _digest(tensors, texts)})


def stated_digest(path: Path) -> str | None:
    """Return the digest that stands in a file written by `pack`, without reading the rest."""
    with safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get(DIGEST)


def unpack(path: Path) -> Sealed:
    """Read a file.

    Raises:
        OSError: if it cannot be read.
        DamagedError: if it is no safetensors file, or its digest is another.
    """
    try:
        with safe_open(path, framework="pt") as file:
            texts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError:
        raise
    except Exception as error:  # damaged bytes make readers raise anything
        raise DamagedError(str(error) or type(error).__name__) from error
    stated = texts.pop(DIGEST, None)
    lost = stated is None and any(_HEX.fullmatch(text) for text in texts.values())  # a damaged name
    if lost or (stated is not None and stated != _digest(tensors, texts)):
        raise DamagedError("its content does not match the digest that was written with it")
    return Sealed(tensors, texts, digest=stated)


def _digest(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    return value_digest([dict(sorted(tensors.items())), dict(sorted(texts.items()))])
