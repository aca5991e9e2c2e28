"""Several processes, one run: joining them, sharing batches out, keeping the learner in step."""

import logging
import multiprocessing
import os
import warnings
from typing import Any

import torch
from mmengine.dist import get_world_size, init_dist, is_main_process
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch import distributed as dist

from plp.datasets.decoders import start_method
from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.learners.training_step import take_step

_STARTED_BY = {  # what a launcher sets in each process it starts
    "slurm": ("SLURM_PROCID", "srun"),
    "mpi": ("OMPI_COMM_WORLD_LOCAL_RANK", "mpirun"),
}


def join(launcher: str, device: str | None = None) -> None:
    """Join the processes that a launcher has started; only the first goes on logging.

    They talk by NCCL on GPUs (one per process), by gloo on CPUs, where torchrun must have started
    them: mmengine joins those of slurm and mpi on GPUs only.

    Args:
        launcher: 'none', 'pytorch' (torchrun), 'slurm' or 'mpi'.
        device: What was asked for; None for a GPU if there is one.

    Raises:
        ConfigError: for one device asked for by name; where nothing has been launched, or something
            has and nobody says so.
    """
    if dist.is_initialized():
        return
    if launcher == "none":
        if "TORCHELASTIC_RUN_ID" in os.environ:
            raise ConfigError("this process was started by torchrun: add --launcher pytorch")
        return
    if device not in (None, "cpu", "cuda"):
        raise ConfigError(
            f"expected --device cpu or cuda with --launcher {launcher}, got {device!r}: each "
            "process takes the GPU of its rank; choose among them by CUDA_VISIBLE_DEVICES"
        )
    os.environ.setdefault("MKL_NUM_THREADS", "1")  # as torchrun sets OpenMP's; mmengine would warn
    on_cpu = device == "cpu" or (device is None and not torch.cuda.is_available())
    if launcher != "pytorch" and on_cpu:
        raise ConfigError(
            f"--launcher {launcher} needs a GPU for each process. On CPUs: "
            "torchrun --nproc-per-node 2 tools/train.py CONFIG --launcher pytorch"
        )
    if launcher in _STARTED_BY and (variable := _STARTED_BY[launcher][0]) not in os.environ:
        raise ConfigError(
            f"--launcher {launcher} is for processes started by {_STARTED_BY[launcher][1]}, and "
            f"this one was not: {variable} is not set"
        )
    if launcher == "pytorch" and "RANK" not in os.environ:
        raise ConfigError(
            "--launcher pytorch is for processes started by torchrun, and this one was not: "
            "torchrun --nproc-per-node 2 tools/train.py CONFIG --launcher pytorch"
        )
    if on_cpu:
        dist.init_process_group("gloo")  # mmengine would look for a GPU
    elif launcher == "pytorch":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        dist.init_process_group("nccl")  # mmengine would start workers of loaders by 'spawn'
    else:
        init_dist(launcher, backend="nccl")
    if not is_main_process():
        logging.getLogger("plp").setLevel(logging.ERROR)


def leave() -> None:
    """Take leave of the others, at the end of a run that went well."""
    if dist.is_initialized():
        dist.destroy_process_group()


def share_of_batch(batch_size: int) -> int:
    """Return how many of a step's images are this process's.

    A step sees `batch_size` images in all, so that a config means the same with any number of
    processes.

    Raises:
        ConfigError: if the images cannot be shared out evenly.
    """
    processes = get_world_size()
    if batch_size % processes:
        raise ConfigError(
            f"data.batch_size={batch_size} cannot be shared out evenly among {processes} "
            f"processes: take a multiple of {processes}"
        )
    return batch_size // processes


def environment(device: str) -> dict[str, Any]:
    """Return what mmengine's Runner sets up: the method of starting processes is left as it is.

    Where loaders do not choose one themselves, mmengine does.
    """
    processes = {"mp_start_method": multiprocessing.get_start_method()} if start_method() else {}
    backend = "nccl" if device.startswith("cuda") else "gloo"
    return {"dist_cfg": {"backend": backend}, "mp_cfg": processes}


def notes() -> tuple[str, ...]:
    """Return what a result should say about the processes that made it."""
    processes = get_world_size()
    return (f"{processes} processes, each with a part of every batch",) if processes > 1 else ()


class DataParallelLearner(MMDistributedDataParallel):
    """A learner in one of several processes, each of which has a part of every batch.

    Gradients, and the losses that are logged, are means over the processes: those of the whole
    batch, because the parts are of equal size. Texts that carry gradient are encoded in parts too,
    see `encode_share`.
    """

    def __init__(self, learner: PromptLearner) -> None:
        with warnings.catch_warnings():  # newer torch has another name for it, older has not
            warnings.simplefilter("ignore", FutureWarning)
            super().__init__(learner, broadcast_buffers=False)
        learner.split_texts()

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Take a step; return the losses of the whole batch."""
        with optim_wrapper.optim_context(self):
            data = self.module.data_preprocessor(data, training=True)
            found = self._run_forward(data, mode="loss")
        losses = take_step(self.module, found, optim_wrapper)
        means = torch.stack([value.detach().float() for value in losses.values()])
        dist.all_reduce(means)
        return dict(zip(losses, means / get_world_size(), strict=True))
