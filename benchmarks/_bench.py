"""What the benchmarks share: class names, a learner with random weights, clocks, memory, tables."""

import argparse
import ctypes
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

# The tree that is measured: the one of this file, or of another commit (`tree_of`).
ROOT = Path(os.environ.get("PLP_MEASURED_TREE", Path(__file__).parents[1]))
MIB = 2**20
TINY = {  # options of `build_learner` for widths of 64, where they do not matter
    "model.backbone.arch": "tiny",
    "model.backbone.quick_gelu": None,
    "model.backbone.model_config": dict(
        embed_dim=64,
        quick_gelu=True,
        vision_cfg=dict(image_size=224, patch_size=16, width=64, layers=2, head_width=64),
        text_cfg=dict(width=64, heads=1, layers=12),
    ),
}


def class_names(count: int) -> list[str]:
    """Return names of real length: ImageNet's, then the same again with a number."""
    names = list(dict.fromkeys(IMAGENET_CLASSNAMES))
    rounds = -(-count // len(names))
    return [f"{n} {r + 1}" if r else n for r in range(rounds) for n in names][:count]


def pixels(count: int, size: int = 224) -> torch.Tensor:
    """Return uint8 noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def build_learner(classes: int, options: Mapping[str, Any] | None = None) -> Any:
    """Build SOT-GLP on a ViT-B/16 with seeded random weights; `options` are dotted config keys."""
    from plp import build_learner as build

    random = {"model.backbone.pretrained": None, "model.references": {}}
    config = ROOT / "configs/sotglp/vitb16_16shot.py"
    return build(config, class_names(classes), {**random, **(options or {})}, seed=0)


def sgd(parameters: Iterator[torch.nn.Parameter]) -> torch.optim.SGD:
    """Return the optimiser of SOT-GLP's config."""
    config = Config.fromfile(ROOT / "configs/_base_/schedules/sgd_cosine.py")
    settings = dict(config.optim_wrapper.optimizer)
    settings.pop("type")
    return torch.optim.SGD([p for p in parameters if p.requires_grad], **settings)


class Seconds(NamedTuple):
    """Time on the wall, and of this process's processors; the latter hardly feels neighbours."""

    wall: float
    cpu: float


class Clock:
    """Adds up the time of named stages.

    Args:
        device: A GPU's work is waited for before the clock is read.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.stages: dict[str, list[Seconds]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block."""
        begin = self._now()
        yield
        end = self._now()
        spent = Seconds(end.wall - begin.wall, end.cpu - begin.cpu)
        self.stages.setdefault(stage, []).append(spent)

    def medians(self) -> dict[str, Seconds]:
        """Return the median of each stage."""
        return {
            stage: Seconds(*(statistics.median(one) for one in zip(*spent, strict=True)))
            for stage, spent in self.stages.items()
        }

    def _now(self) -> Seconds:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return Seconds(time.perf_counter(), time.process_time())


def forget_peak(device: str = "cpu") -> None:
    """Let the peak of memory start anew, so that building a model does not count."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")


def peak_mib(device: str = "cpu") -> float:
    """Return the peak of this process's resident memory, or of a GPU's tensors."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    return _resident("VmHWM:")


def held_mib(device: str = "cpu") -> float:
    """Return the memory of this process now, what nothing holds any more given back."""
    gc.collect()
    if torch.device(device).type == "cuda":
        return torch.cuda.memory_allocated(device) / MIB
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return _resident("VmRSS:")


def _resident(entry: str) -> float:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(entry):
                return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_apart(script: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure one variant in a process of its own: `script` gets the job and prints JSON."""
    command = [sys.executable, script, "--job", json.dumps(dict(job))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return result_of(done.returncode, done.stdout, done.stderr)


def result_of(status: int, printed: str, complaints: str) -> dict[str, Any]:
    """Return what a measuring process found, or its error."""
    if status:
        return {"error": (complaints.strip().splitlines() or ["killed"])[-1][:60]}
    return json.loads(printed.splitlines()[-1])


def run_script(
    parser: argparse.ArgumentParser,
    measure: Callable[..., dict[str, Any]],
    main: Callable[[argparse.Namespace], None],
) -> None:
    """Be the parent that prints the table, or the child that measures one job."""
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help="of torch, in every process")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(args.threads))
    if args.job is None:
        print(machine(args.threads, getattr(args, "device", "cpu")), flush=True)
        main(args)
        return
    job = json.loads(args.job)
    torch.set_num_threads(job.pop("threads", 1))
    print(json.dumps(measure(**job)))


def machine(threads: int, device: str = "cpu") -> str:
    """Name the processor or GPU, and torch."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    lines = Path("/proc/cpuinfo")
    rows = lines.read_text().splitlines() if lines.exists() else []
    models = [row.split(":")[1].strip() for row in rows if row.startswith("model name")]
    name = models[0] if models else platform.processor()
    kind = torch.backends.cpu.get_cpu_capability()
    return f"{name} ({kind}), {threads} threads, torch {torch.__version__}"


def print_header(columns: Sequence[str]) -> None:
    """Print the head of a table: the first column left, the others right."""
    print("\n|", " | ".join(columns), "|")
    print("|---|" + "---:|" * (len(columns) - 1), flush=True)


def print_row(cells: Sequence[object]) -> None:
    """Print a row; numbers get three digits."""
    told = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells]
    print("|", " | ".join(told), "|", flush=True)
