"""Building the optimizer wrapper of a run."""

from collections.abc import Mapping
from typing import Any

from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope

from plp.errors import ConfigError, UnknownComponentError
from plp.learners.prompt_learner import PromptLearner
from plp.optim.gradient_projection import ProjectedUpdate
from plp.registry import OPTIM_WRAPPERS


def build_wrapper(settings: Mapping[str, Any], learner: PromptLearner) -> OptimWrapper:
    """Build the optimizer wrapper of a config, for the precision of a learner.

    Args:
        settings: `optim_wrapper` of the config.
        learner: What it trains.

    Raises:
        ConfigError: for float16 with a wrapper that cannot scale the loss, or a guide that is no
            loss term of the learner.
    """
    settings = dict(settings)
    if learner.precision == "fp16":
        name = _scaling(settings.get("type", "OptimWrapper"))
        settings |= dict(type=name, dtype="float16", loss_scale="dynamic")
    with DefaultScope.overwrite_default_scope("plp"):  # whose registries name what they know
        wrapper = build_optim_wrapper(learner, settings)
    if isinstance(wrapper, ProjectedUpdate):
        wrapper.check_terms(learner.losses)
    return wrapper


def _scaling(name: Any) -> Any:
    """Return the name of a wrapper's variant with a scaled loss: it has `Amp` in front."""
    if not isinstance(name, str) or name.startswith("Amp"):
        return name
    try:
        OPTIM_WRAPPERS.get(f"Amp{name}")
    except UnknownComponentError:
        raise ConfigError(
            f"optim_wrapper: --amp fp16 needs a variant of {name} that scales the loss, "
            f"Amp{name}, which is not registered. Use --amp bf16 or --amp no"
        ) from None
    return f"Amp{name}"
