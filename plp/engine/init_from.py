"""Starting a run from what another one has learned."""

import logging
from pathlib import Path
from typing import Any

import torch

from plp.checkpoints.checkpoint import load_checkpoint
from plp.errors import CheckpointError, ConfigError
from plp.learners.prompt_learner import PromptLearner

logger = logging.getLogger("plp")


def init_from(learner: PromptLearner, run: Any, few: Any, seed: int) -> tuple[str, ...]:
    """Load learned tensors of another run; what it does not have starts as it would.

    For methods in several runs, such as PLOT++. Tensors go by name; classes need not be the same.

    Args:
        learner: What is about to be trained.
        run: Work directory or checkpoint of the other run (`init_from` of a config), with
            `{dataset}`, `{shots}` and `{seed}` for those of this run; None for none.
        few: Data of this run.
        seed: Its seed.

    Returns:
        A note for the result; none without another run.

    Raises:
        ConfigError: for what is no path, or another name in brackets.
        CheckpointError: if no tensor fits, or one has another shape.
    """
    if run is None:
        return ()
    path = started_from(run, few.name, few.shots, seed)
    checkpoint = load_checkpoint(path)
    own = learner.state_dict()
    shared = [name for name in checkpoint.state if name in own]
    if not shared:
        raise CheckpointError(
            f"init_from={path}: nothing that it has learned is part of this model. It has "
            f"{', '.join(checkpoint.state)}; this model {', '.join(own)}"
        )
    for name in shared:
        if checkpoint.state[name].shape != own[name].shape:
            raise CheckpointError(
                f"init_from={path}: {name} has shape {list(checkpoint.state[name].shape)}, "
                f"expected {list(own[name].shape)}"
            )
    with torch.no_grad():
        for name in shared:
            own[name].copy_(checkpoint.state[name])
    rest = [name for name in own if name not in shared]
    note = f"starts from {path}: {', '.join(shared)}"
    note += f"; anew: {', '.join(rest)}" if rest else ""
    logger.info("%s", note)
    return (note,)


def started_from(run: Any, dataset: str, shots: int, seed: int) -> Path:
    """Return the path that `init_from` of a config means.

    Args:
        run: See `init_from`.
        dataset: Name of this run's data.
        shots: Its training images per class.
        seed: Its seed.

    Raises:
        ConfigError: for another name in brackets.

    Example:
        >>> started_from("first/{dataset}_seed{seed}", "dtd", 16, 2).as_posix()
        'first/dtd_seed2'
    """
    try:
        return Path(str(run).format(dataset=dataset, shots=shots, seed=seed))
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            f"init_from={run!r}: expected a path, with {{dataset}}, {{shots}} or {{seed}} in it "
            f"where it depends on them ({error})"
        ) from error
