"""Checkpoints: what a learner learned, in one safetensors file with its classes and config.

Nothing in it is pickled. The frozen backbone is not in it: a checkpoint is a few MB at most and
names the backbone it belongs to through its config.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from plp.checkpoints.beside import warn_of_another
from plp.checkpoints.run_places import CHECKPOINT, find_checkpoint
from plp.checkpoints.tuners import both_tuners, other_places
from plp.checksums import note_unchecked
from plp.errors import CheckpointError, PlpError, describe_os_error
from plp.files import write_bytes
from plp.learners.prompt_learner import PromptLearner
from plp.sealed_tensors import pack, unpack

FORMAT = 2  # 1 had no scores of validation images
NAME = CHECKPOINT
_SCORES = "validation_scores."  # first part of their names among the tensors


class Checkpoint(NamedTuple):
    """A checkpoint in memory.

    Attributes:
        state: Learned tensors by state-dict name.
        class_names: Classes in label order.
        info: What else was saved: `config` (text), `dataset`, `epoch`, `fingerprint`, ...
        validation_scores: Out-of-distribution scores of the validation images by name of the score,
            which thresholds are chosen from; empty if none were saved.
    """

    state: dict[str, Tensor]
    class_names: tuple[str, ...]
    info: dict[str, Any]
    validation_scores: dict[str, Float[Tensor, " I"]]


def save_checkpoint(
    path: str | Path,
    learner: PromptLearner,
    info: Mapping[str, Any],
    validation_scores: Mapping[str, Float[Tensor, " I"]] | None = None,
    *,
    follow: bool = False,
) -> Path:
    """Save the learned parameters, the class names and `info` (anything JSON can hold).

    Args:
        path: The file; an old one is replaced when the new one is whole.
        learner: Its state dict is saved.
        info: See `Checkpoint`.
        validation_scores: See `Checkpoint`.
        follow: See `write_atomically`.
    """
    scores = {_SCORES + name: value for name, value in (validation_scores or {}).items()}
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in (learner.state_dict() | scores).items()
    }
    header = {
        "format": FORMAT,
        "class_names": list(learner.class_names),
        "fingerprint": learner.backbone.fingerprint,
        **({"tuners": places} if (places := learner.tuners.places) else {}),
        **info,
    }
    metadata = {"plp": json.dumps(header, ensure_ascii=False)}
    return write_bytes(path, pack(state, metadata), follow=follow)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint, or the one in a work directory.

    Raises:
        CheckpointError: if there is none, if it is damaged (its digest is checked), or the file is
            no checkpoint of plp.
        ConfigError: for a config in its place.
    """
    path = find_checkpoint(path)
    try:
        found = unpack(path)
        header = json.loads(found.texts.get("plp", "null"))
    except OSError as error:
        raise CheckpointError(describe_os_error(error)) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({error}). Take another copy, or train again"
        ) from error
    if not isinstance(header, dict) or "class_names" not in header:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of plp")
    _check_header(path, header)
    state = found.tensors
    _check_finite(path, state)
    if found.digest is None:
        note_unchecked("checkpoints", path)
    else:
        warn_of_another(path, found.digest)
    scores = {k.removeprefix(_SCORES): state.pop(k) for k in [*state] if k.startswith(_SCORES)}
    return Checkpoint(state, tuple(header["class_names"]), header, scores)


def _check_header(path: Path, header: Mapping[str, Any]) -> None:
    """Refuse what a newer plp, or no plp, has written about a checkpoint."""
    number, names = header.get("format"), header["class_names"]
    if isinstance(number, bool) or not isinstance(number, int):
        raise CheckpointError(f"{path} is damaged: expected a number as its format, got {number!r}")
    if number > FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {number}, this plp reads up to {FORMAT}: update plp"
        )
    texts = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    if not texts or not isinstance(header.get("config", {}), Mapping):
        raise CheckpointError(
            f"{path} is damaged: expected names of classes and the config of the training in its "
            "metadata. Take another copy, or train again"
        )


def _check_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    """Refuse NaN: every class would get NaN, and any of them would be called the best."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            bad = int((~value.isfinite()).sum())
            raise CheckpointError(
                f"{path} is damaged: {bad} of {value.numel()} values of {name} are NaN or infinite"
                ". Take another copy, or train again"
            )


@contextlib.contextmanager
def reading_header(path: str | Path) -> Iterator[None]:
    """Let whatever a strange header makes of building a model be plp's own message.

    Raises:
        CheckpointError: in place of anything but an error of plp's or of the system's.
    """
    try:
        yield
    except (PlpError, OSError, MemoryError):
        raise
    except Exception as error:
        if "memory" in str(error):
            raise
        said = str(error).strip().partition("\n")[0][:200]
        raise CheckpointError(
            f"{path}: its header does not fit this plp or is damaged ({said or 'no reason'}). Take "
            "another copy, or train again"
        ) from error


def restore(learner: PromptLearner, checkpoint: Checkpoint) -> None:
    """Load what was learned into a learner of the same classes and the same make.

    Raises:
        CheckpointError: if classes, their order, parameter names or shapes differ, naming them.
    """
    check_class_names(checkpoint.class_names, learner.class_names)
    learner.accommodate(checkpoint.state)
    own = learner.state_dict()
    problems = [f"{name} is missing" for name in own if name not in checkpoint.state]
    problems += [
        f"{name} is not part of this model" for name in checkpoint.state if name not in own
    ]
    problems += [
        f"{name} has shape {list(value.shape)}, expected {list(own[name].shape)}"
        for name, value in checkpoint.state.items()
        if name in own and value.shape != own[name].shape
    ]
    problems += [
        f"{name} has dtype {value.dtype}, expected {own[name].dtype}"
        for name, value in checkpoint.state.items()
        if name in own and value.is_floating_point() != own[name].is_floating_point()
    ]
    problems += other_places(checkpoint.info.get("tuners") or {}, learner.tuners.places)
    if problems:
        raise CheckpointError(
            "the checkpoint belongs to another config: " + "; ".join(problems[:5])
            + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
            + both_tuners(checkpoint.info.get("config", {}).get("model", {}), learner.tuners)
        )  # fmt: skip
    fingerprint = checkpoint.info.get("fingerprint")
    if fingerprint not in (None, learner.backbone.fingerprint):
        key = "name_or_folder" if hasattr(learner.backbone, "name_or_folder") else "pretrained"
        raise CheckpointError(
            "the checkpoint was trained on other backbone weights (fingerprint "
            f"{fingerprint}, here {learner.backbone.fingerprint}); give the same "
            f"model.backbone.{key} as in training"
        )
    learner.load_state_dict(checkpoint.state)


def check_class_names(saved: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Refuse classes that differ from those of a checkpoint.

    Raises:
        CheckpointError: naming classes that are missing, new, or at another place.
    """
    if saved == wanted:
        return
    gone = [name for name in saved if name not in wanted]
    new = [name for name in wanted if name not in saved]
    if gone or new:
        detail = f"only in the checkpoint: {gone[:10]}; only in the data: {new[:10]}"
    else:
        moved = [f"{a!r} / {b!r}" for a, b in zip(saved, wanted, strict=True) if a != b]
        detail = f"same names in another order, first differences: {', '.join(moved[:5])}"
    raise CheckpointError(
        f"the checkpoint was trained for {len(saved)} other classes than the {len(wanted)} "
        f"of this dataset ({detail}). Give the --dataset, --data-root and --shots of its training"
    )
