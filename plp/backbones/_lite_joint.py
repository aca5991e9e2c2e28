"""The joint space of the lite backbone: a closed-form map from sentences to classifier weights."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from plp.files import write_bytes

FIT_VERSION = 1  # raise it whenever the fit, or the image centre, comes to give other numbers


class TextMap(NamedTuple):
    """An affine map of sentence embeddings: `(text - centre) @ weight`.

    Attributes:
        centre: Mean sentence embedding of the classes fitted on.
        weight: Ridge coefficients.
    """

    centre: Float[Tensor, " D"]
    weight: Float[Tensor, "D E"]

    def __call__(self, text: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch E"]:
        """Map sentence embeddings into the space of the classifier's weights."""
        return (text - self.centre) @ self.weight


def classifier_directions(weight: Float[Tensor, "M E"]) -> Float[Tensor, "M E"]:
    """Centre and normalise a classifier's rows.

    What all rows share raises every logit alike and decides nothing, so it is taken out.
    """
    return F.normalize(weight - weight.mean(dim=0), dim=-1)


def fit_text_map(
    text: Float[Tensor, "M D"], directions: Float[Tensor, "M E"], ridge: float
) -> TextMap:
    r"""Fit `W = argmin |(X - mean X) W - Y|^2 + ridge |W|^2` in closed form, in float64.

    Args:
        text: Sentence embeddings of M class names, of unit length.
        directions: Directions of the same classes, see `classifier_directions`.
        ridge: Strength of the penalty, positive. The optimum is flat: fitted on 800 of ImageNet's
            classes, the map picks the right one of the 200 others' rows in about 40 % of the cases,
            and has it among its first five in about 70 %, for a ridge from 0.3 to 3 (mean of 8
            draws; chance is 0.5 % and 2.5 %).
    """
    centre = text.double().mean(dim=0)
    x, y = text.double() - centre, directions.double()
    gram = x.T @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return TextMap(centre.float(), torch.linalg.solve(gram, x.T @ y).float())


def cached_text_map(folder: Path, key: str, fit: Callable[[], TextMap]) -> TextMap:
    """Return the map stored under `key`, fitting and storing it where there is none to trust.

    The file is written beside its final place and moved there in one step, so that no reader ever
    sees half of it; a file whose checksum does not fit (a damaged disk, a stranger's file) is
    fitted anew and replaced. A folder that cannot be written only costs the fit at each start.
    """
    path = folder / f"lite-{key[:32]}.safetensors"
    stored = _read(path)
    if stored is not None:
        return stored
    fitted = fit()
    try:
        _write(path, fitted)
    except OSError as error:
        warnings.warn(
            f"cannot cache the lite backbone's text map under {folder} ({error}); it is fitted "
            "again at each start. Set PLP_CACHE_DIR to a folder you may write.",
            stacklevel=2,
        )
    return fitted


def _read(path: Path) -> TextMap | None:
    try:
        with safe_open(path, framework="pt") as file:
            checksum = (file.metadata() or {}).get("sha256")
            stored = TextMap(file.get_tensor("centre"), file.get_tensor("weight"))
    except Exception:  # damaged bytes make readers raise anything
        return None
    return stored if checksum == _checksum(stored) else None


def _write(path: Path, fitted: TextMap) -> None:
    tensors = {key: t.contiguous() for key, t in fitted._asdict().items()}
    write_bytes(path, save(tensors, metadata={"sha256": _checksum(fitted)}))


def _checksum(stored: TextMap) -> str:
    total = hashlib.sha256()
    for tensor in stored:
        total.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()
