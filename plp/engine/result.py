"""`result.json`: everything needed to compare two runs; its schema is `plp.results.schema`."""

import contextlib
import json
import platform
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from plp.check_cost import Cost
from plp.checksums import sealed
from plp.datasets import FewShot
from plp.evaluation import ClassificationReport
from plp.files import write_text
from plp.learners.prompt_learner import PromptLearner
from plp.package import git_commit, versions
from plp.results.schema import VERSION, check_result
from plp.results.stated import RESULT

NAME = RESULT


class Stopwatch:
    """Seconds by stage, and of hashing and checks since it was made.

    Example:
        >>> watch = Stopwatch()
        >>> with watch('fit'):
        ...     pass
        >>> watch.seconds['fit'] < 1
        True
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begin, self._checks = Cost.now(), Cost.of_checks()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block."""
        begin = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - begin, 2)

    def add(self, stage: str, seconds: float | None) -> None:
        """Add what a stage took before this process; nothing if that is not known."""
        self.seconds[stage] = round(self.seconds[stage] + (seconds or 0.0), 2)

    def processor_seconds(self) -> dict[str, float]:
        """Return the processor time of hashing and checks so far, and of the whole run."""
        checks, run = Cost.of_checks().since(self._checks), Cost.now().since(self._begin)
        return {"checks": round(checks.processor, 3), "run": round(run.processor, 3)}

    def entries(self) -> dict[str, Any]:
        """Return the entries of a result: seconds by stage, hashing and checks among them."""
        checks = Cost.of_checks().since(self._checks)
        return {
            "seconds": {**self.seconds, "checks": round(checks.wall, 2)},
            "processor_seconds": self.processor_seconds(),
        }


def forget_peak(device: str) -> None:
    """Let `peak_memory` count a GPU's memory from here: a process may do many runs."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> dict[str, int]:
    """Return the most memory used so far, in MiB: of the process, and of the GPU if one is used."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    peak = {"process_mib": usage // 2**20}
    if device.startswith("cuda"):
        peak["gpu_mib"] = torch.cuda.max_memory_allocated(device) // 2**20
    return peak


def describe_run(
    config: Config,
    few: FewShot,
    learner: PromptLearner,
    transforms: dict[str, str],
    *,
    recipe: dict[str, Any],
    seed: int,
    device: str,
    notes: tuple[str, ...],
) -> dict[str, Any]:
    """Return what a run is, before it has run."""
    learned = {n: list(p.shape) for n, p in learner.named_parameters() if p.requires_grad}
    return {
        "schema_version": VERSION,
        "config_file": str(config.filename) if config.filename else None,
        "config": config.to_dict(),
        "recipe": recipe,
        "dataset": few.name,
        "class_names": list(few.class_names),
        "shots": few.shots,
        "sampler": few.sampler,
        "split_hash": few.split_hash,
        "images": {"train": len(few.train), "val": len(few.val), "test": len(few.test)},
        "seed": seed,
        "transforms": transforms,
        "prompts": learner.describe(),
        "tuners": learner.tuners.describe(),
        "learned_parameters": learned,
        "backbone_fingerprint": learner.backbone.fingerprint,
        "precision": learner.precision,
        "device": _device_name(device),
        "versions": versions(),
        "git_commit": git_commit(),
        "notes": [*notes, *learner.notes],
    }


def report_entries(report: ClassificationReport) -> dict[str, Any]:
    """Return the entries of a test: accuracies in percent, by line of evidence and by class."""
    return {
        "accuracy": {name: round(value, 4) for name, value in report.accuracy.items()},
        "per_class_accuracy": {name: round(v, 4) for name, v in report.per_class.items()},
        "num_test_images": report.num_images,
    }


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON, atomically, with a digest of its content as the last entry.

    Raises:
        DataError: if it does not fit the schema, which is a mistake in plp.
    """
    whole = sealed(result)
    check_result(whole, str(path))
    write_text(path, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
