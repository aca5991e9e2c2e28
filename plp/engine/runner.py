"""mmengine's Runner, quiet and on the device that was asked for."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from plp.checks import check_integer
from plp.config.rates import settled_schedulers
from plp.engine.data import Loaders
from plp.engine.processes import DataParallelLearner, environment
from plp.errors import ConfigError, PlpError
from plp.hooks.save import SealHook
from plp.learners.prompt_learner import PromptLearner
from plp.optim import build_wrapper


class PlpRunner(Runner):
    """A Runner that puts the model on `device` and keeps mmengine's own log lines to errors.

    plp logs what a user should see itself (`ProgressHook`) and writes settings and environment to
    `result.json`. mmengine's own log file and the dated folder around it are not made.
    """

    device: str = ""
    _made = False  # until `__init__` is done

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._made = True

    @property
    def timestamp(self) -> str:
        """When this was made; empty at first: the folder of logs, named after it, is `work_dir`."""
        return str(self._timestamp) if self._made else ""

    def build_logger(self, log_level: int | str = "INFO", **_: Any) -> MMLogger:
        """Log to no file: it would stay open, and hold what no initialisation has changed."""
        logger = MMLogger.get_instance(self._experiment_name, log_level=log_level)
        logger.setLevel(log_level)
        return logger

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Move the model; in a distributed run, keep it in step with the other processes."""
        model = model.to(self.device or get_device())
        learns = any(parameter.requires_grad for parameter in model.parameters())
        learner = cast(PromptLearner, model)
        return DataParallelLearner(learner) if self.distributed and learns else model

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = "cpu",
    ) -> None:
        """Go on from a state; it is read on the CPU, whatever GPU it was written on."""
        super().resume(filename, resume_optimizer, resume_param_scheduler, map_location)

    def load_checkpoint(
        self, filename: str, map_location: Any = "cpu", strict: bool = True, revise_keys: Any = ()
    ) -> dict[str, Any]:
        """Load a state of plp's as mmengine does, but print nothing and unpickle no class.

        Args:
            filename: The state.
            map_location: Where tensors go.
            strict: Refuse a state of other parameters.
            revise_keys: No keys are revised: plp wrote them.
        """
        state: dict[str, Any] = torch.load(filename, map_location=map_location, weights_only=True)
        self.call_hook("after_load_checkpoint", checkpoint=state)
        learner: Any = getattr(self.model, "module", self.model)
        learner.load_state_dict(state["state_dict"], strict)
        self._has_loaded = True
        return state

    def _log_env(self, env_cfg: dict) -> None:
        """Stay silent: `result.json` has the environment."""

    def dump_config(self) -> None:
        """Write nothing: `config.json` has the config (mmengine cannot write the key `global`)."""


def check_device(device: str | None, precision: str) -> str:
    """Return the device to run on: the one asked for, or the best there is.

    What is computed in float32 is float32 from then on, convolutions on a GPU too.

    Raises:
        ConfigError: for a device that is not there, or fp16 on a CPU.
    """
    name = device or get_device()
    try:
        kind = torch.device(name).type
        torch.empty(1, device=name)
        if kind == "cuda" and torch.device(name).index is not None:
            torch.cuda.set_device(name)  # what names no device, such as pinned memory, means this
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"the device {name!r} is not there ({str(error).splitlines()[0]}). "
            "Use --device cpu, or install a torch build for your GPU"
        ) from error
    torch.backends.cudnn.allow_tf32 = False  # else float32 convolutions have ten bits of mantissa
    if precision == "fp16" and kind == "cpu":
        raise ConfigError("fp16 needs a GPU; on a CPU use --amp bf16 or --amp no")
    return name


def build_runner(
    config: Config,
    learner: PromptLearner,
    loaders: Loaders,
    *,
    work_dir: Path,
    device: str,
    hooks: list[Any],
    metrics: Mapping[str, Any],
    seed: int,
    launcher: str = "none",
    state: Path | None = None,
) -> PlpRunner:
    """Assemble the Runner of a training run.

    Args:
        config: Config of the run: `train_cfg`, `optim_wrapper`, `param_scheduler`.
        learner: What is trained.
        loaders: Data.
        work_dir: Where everything is written.
        device: From `check_device`.
        hooks: plp's hooks, beside the method's own `hooks` and the user's `custom_hooks`.
        metrics: `val` and `test` metric.
        seed: Seed of the run.
        launcher: 'none', or mmengine's 'pytorch', 'slurm', 'mpi'.
        state: State to resume from.

    Raises:
        ConfigError: if mmengine refuses a part of the config.
    """
    PlpRunner.device = device
    training = check_schedule(config, learner) > 0
    has_val = training and loaders.val is not None
    name = f"{work_dir.name}-{uuid.uuid4().hex[:8]}"  # mmengine keeps global objects by name
    try:
        # Before there is a folder.
        learning = _learning(config, learner, name, len(loaders.train)) if training else {}
        runner = PlpRunner(
            model=learner,
            work_dir=str(work_dir),
            val_dataloader=loaders.val if has_val else None,
            test_dataloader=loaders.test,
            val_cfg={} if has_val else None,
            test_cfg={},
            val_evaluator=[metrics["val"]] if has_val else None,
            test_evaluator=[metrics["test"]],
            train_dataloader=loaders.train if training else None,
            **learning,
            default_hooks=dict(
                logger=None, checkpoint=None, runtime_info=dict(type="QuietRuntimeInfoHook")
            ),
            custom_hooks=[*hooks, *_own_hooks(config), SealHook()],
            load_from=str(state) if state else None,
            resume=state is not None,
            launcher=launcher,
            env_cfg=environment(device),
            log_level="ERROR",
            visualizer=Visualizer.get_instance(name),
            default_scope="plp",
            randomness=dict(seed=seed),
            experiment_name=name,
        )
        if training:
            _build_now(runner)
    except (TypeError, KeyError, ValueError, AttributeError, AssertionError) as error:
        if isinstance(error, PlpError):
            raise
        raise ConfigError(f"mmengine's Runner refuses the config: {error}") from error
    return runner


def check_schedule(config: Config, learner: PromptLearner) -> int:
    """Return the number of epochs; 0 for a method that learns nothing by gradient.

    Raises:
        ConfigError: if sections are missing, or there is nothing to train for so many epochs.
    """
    if "train_cfg" not in config:
        raise ConfigError("expected a config with a key 'train_cfg'")
    epochs = config.train_cfg.get("max_epochs")
    check_integer("train_cfg.max_epochs", epochs, least=0)
    if epochs and "optim_wrapper" not in config:
        raise ConfigError("expected a config with a key 'optim_wrapper'")
    if epochs and not learner.learns:
        raise ConfigError(
            f"nothing in this model is learned by gradient, and train_cfg.max_epochs is {epochs}: "
            "set it to 0"
        )
    return epochs


def _learning(config: Config, learner: PromptLearner, name: str, steps: int) -> dict[str, Any]:
    """Return what a Runner that trains needs, the optimiser built."""
    train_cfg = dict(config.train_cfg)
    if "type" not in train_cfg:
        train_cfg = {"by_epoch": True, **train_cfg}
    MMLogger.get_instance(f"{name}-optimizer", log_level="ERROR")  # else mmengine's is loud
    optimizer = build_wrapper(config.optim_wrapper, learner)
    return dict(
        train_cfg=train_cfg,
        optim_wrapper=optimizer,
        param_scheduler=settled_schedulers(config, train_cfg, steps),
    )


def _own_hooks(config: Config) -> list[Any]:
    """Return the hooks of a method, by name in the config, and those of a user."""
    method = (config.get("hooks") or {}).values()
    return [*filter(None, method), *config.get("custom_hooks", [])]


def _build_now(runner: PlpRunner) -> None:
    """Build what a Runner else builds in `train`, so that a bad option is met before training."""
    _ = runner.train_loop, runner.val_loop, runner.test_loop
    if runner.param_schedulers is not None:
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
