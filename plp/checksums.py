"""Digests of what plp stores, written with it and compared when it is read.

They notice damage: bits that a disk, a cable or a memory has flipped. They are no signature, for
whoever changes a file on purpose can compute its digest anew.

A digest is of the content and not of the file: of names, types, shapes and bytes of tensors, of
numbers and texts. So what changes nothing, such as white space in JSON, does no harm.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from plp.check_cost import checking

_LENGTH = 64  # of a digest
DIGEST = "digest"  # the key that a digest stands under, in JSON and in a file's metadata

logger = logging.getLogger("plp")


def value_digest(value: Any) -> str:
    """Return the SHA-256 of tensors, numbers and texts, within dicts and lists of any depth.

    Example:
        >>> one = value_digest({'a': torch.zeros(2), 'b': [1, 'x']})
        >>> one == value_digest({'a': torch.zeros(2), 'b': (1, 'x')})
        True
        >>> one == value_digest({'a': torch.zeros(2, dtype=torch.int32), 'b': [1, 'x']})
        False
    """
    total = hashlib.sha256()
    with checking():
        _add(total, value)
    return total.hexdigest()


def json_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what was read from JSON, without the digest that stands in it."""
    without = {key: value for key, value in content.items() if key != DIGEST}
    text = json.dumps(without, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return content as JSON gives it back, with its digest as the last entry.

    Example:
        >>> whole = sealed({'accuracy': 50.0})
        >>> is_intact(whole), is_intact(whole | {'accuracy': 51.0}), is_intact({'accuracy': 50.0})
        (True, False, None)
    """
    text = json.dumps(dict(content), ensure_ascii=False, default=str)
    # A byte of a file name that is no text is written as six characters, and so read back.
    plain = json.loads(text.encode("utf-8", errors="backslashreplace"))
    return {**plain, DIGEST: json_digest(plain)}


def is_intact(content: Mapping[str, Any]) -> bool | None:
    """Return whether the digest of what was read from JSON is its own; None if it has none.

    A digest whose name was damaged is one that is not its own.
    """
    if not isinstance(content, Mapping):
        return None
    try:
        if DIGEST in content:
            return bool(content[DIGEST] == json_digest(content))
        lost = any(
            isinstance(value, str)
            and len(value) == _LENGTH
            and value == json_digest({k: v for k, v in content.items() if k != key})
            for key, value in content.items()
        )
    except (ValueError, RecursionError):  # nested too deeply
        return False
    return False if lost else None


_noted: set[str] = set()


def note_unchecked(kind: str, path: object) -> None:
    """Say once for each kind of file that an older plp wrote it, without a digest.

    Args:
        kind: What the file is, in the plural.
        path: The first such file.
    """
    if kind not in _noted:
        _noted.add(kind)
        logger.warning(
            "%s has no digest, for an older plp wrote it: damage to it goes unnoticed (said once, "
            "for all %s)", path, kind,
        )  # fmt: skip


def _add(total: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous()
        total.update(f"tensor {value.dtype} {tuple(value.shape)} ".encode())
        if value.numel():
            total.update(memoryview(value.reshape(-1).view(torch.uint8).numpy()))
    elif isinstance(value, Mapping):
        total.update(f"dict {len(value)} ".encode())
        for key, inner in value.items():
            _add(total, key)
            _add(total, inner)
    elif isinstance(value, list | tuple):
        total.update(f"list {len(value)} ".encode())
        for inner in value:
            _add(total, inner)
    else:
        text = repr(value).encode("utf-8", errors="surrogatepass")
        total.update(f"{type(value).__name__} {len(text)} ".encode() + text)
