"""Numbers that are none: no accuracy, threshold or choice may be made of NaN or infinity."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from plp.errors import NotFiniteError

PREDICTION = "fused"  # the line of evidence a learner predicts from; the others are its branches'
_CAUSES = (
    "A training loss need not show it: look for a division by zero, or a root or logarithm of what "
    "is not above zero, in a component; and try --amp no (half precision overflows)"
)


def not_finite(values: Float[Tensor, "I ..."]) -> Bool[Tensor, " I"]:
    """Say of each row whether it holds NaN or infinity; on the CPU.

    Example:
        >>> not_finite(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]]))
        tensor([False,  True])
    """
    return ~values.detach().flatten(1).isfinite().all(1).cpu()


def check_logits(
    bad: Mapping[str, Bool[Tensor, " I"]], part: str, names: Sequence[str] = ()
) -> None:
    """Refuse logits that are not finite.

    Args:
        bad: Images with such logits, by line of evidence; `fused` is the prediction.
        part: What the images are for: 'validation', 'test', ...
        names: Of the images; the first bad one is then named.

    Raises:
        NotFiniteError: naming branches and numbers of images.
    """
    lines = [(line, rows) for line, rows in bad.items() if bool(rows.any())]
    if not lines:
        return
    own = [one for one in lines if one[0] != PREDICTION] or lines  # the prediction follows from it
    counts = ", ".join(f"{_line(line)}: {int(rows.sum())} of {len(rows)}" for line, rows in own)
    first = int(torch.stack([rows for _, rows in own]).any(0).nonzero()[0])
    which = f" (first: {names[first]})" if names else ""
    raise NotFiniteError(
        f"{part}: logits are NaN or infinite. Images by branch: {counts}{which}. What would be "
        f"computed from them is not reported. {_CAUSES}"
    )


def check_scores(scores: Mapping[str, Float[Tensor, " I"]], part: str) -> None:
    """Refuse out-of-distribution scores that are not finite.

    Args:
        scores: By name.
        part: What the images are for.

    Raises:
        NotFiniteError: naming scores and numbers of images.
    """
    bad = {name: int((~value.isfinite()).sum()) for name, value in scores.items()}
    counts = ", ".join(f"{n}: {k} of {len(scores[n])}" for n, k in bad.items() if k)
    if counts:
        raise NotFiniteError(
            f"{part}: scores are NaN or infinite. Images by score: {counts}. No threshold and no "
            f"measure of detection is computed from them. {_CAUSES}"
        )


def check_features(features: Mapping[str, Float[Tensor, "I ..."]], part: str) -> None:
    """Refuse features that are not finite, before anything is fitted to them or tuned on them.

    Args:
        features: Of images, or texts by class, by what they are.
        part: What they are for: 'fitting', 'tuning'.

    Raises:
        NotFiniteError: naming what they are, and how many.
    """
    bad = {name: (int(not_finite(value).sum()), len(value)) for name, value in features.items()}
    counts = ", ".join(f"{name}: {k} of {number}" for name, (k, number) in bad.items() if k)
    if counts:
        raise NotFiniteError(
            f"{part}: features are NaN or infinite ({counts}). Look at the images and the weights "
            "of the backbone, and try --amp no (half precision overflows)"
        )


def check_state(state: Mapping[str, Tensor], part: str) -> None:
    """Refuse parameters and buffers that are not finite, which `plp.load` would refuse.

    Args:
        state: Tensors by name.
        part: What they come from: 'fitting', 'training', ...

    Raises:
        NotFiniteError: naming the first, and how many of its values.
    """
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            bad = int((~value.isfinite()).sum())
            raise NotFiniteError(
                f"{part}: {bad} of {value.numel()} values of {name} are NaN or infinite. "
                f"No checkpoint is made of them. {_CAUSES}"
            )


def _line(name: str) -> str:
    return "the prediction" if name == PREDICTION else f"branch {name!r}"
