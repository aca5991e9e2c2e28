"""Build a timm model without classifier, and make sure that its weights are the file's."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import timm
import torch
from safetensors import safe_open
from torch import nn

from plp.backbones._timm_folder import TimmSource
from plp.errors import ConfigError, WeightsError
from plp.wording import count

_OURS = (
    "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir",
    "num_classes", "global_pool", "img_size", "in_chans", "features_only", "out_indices",
)  # fmt: skip
_SHOWN = 3

logger = logging.getLogger("plp")


def build_timm(
    source: TimmSource,
    image_size: tuple[int, int] | None,
    pool: str | None,
    model_args: Mapping[str, Any],
    seed: int,
) -> nn.Module:
    """Build a model in float32, in evaluation mode, leaving the global random state alone.

    Args:
        source: What is to be built.
        image_size: Height and width; None for those of the weights.
        pool: timm's `global_pool`, for other than the model's own.
        model_args: Further keywords of the architecture.
        seed: Of random weights.

    Raises:
        ConfigError: for keywords, a size or a pooling that the model does not take.
        WeightsError: for weights that are damaged or do not fit.
    """
    if ours := sorted(set(model_args).intersection(_OURS)):
        raise ConfigError(
            f"model_args: {', '.join(ours)} cannot be set there; the backbone has pretrained, "
            "image_size and pool of its own"
        )
    kept = ("img_size", "global_pool")
    args = {k: v for k, v in source.args.items() if k not in _OURS or k in kept} | dict(model_args)
    in_file = set() if source.weights is None else _names_in(source)
    create = partial(_create, source, args, image_size, seed)
    model = create(source.weights is not None)
    if source.weights is not None:
        _check_loaded(model, partial(create, False), in_file, source)
    for needed in ("forward_features", "forward_head", "num_features"):
        if not hasattr(model, needed):
            raise ConfigError(
                f"{source.label}: timm's {type(model).__name__} has no {needed}, so that there is "
                "no pooled feature to classify by. Take another model"
            )
    if pool is not None:
        _set_pool(model, pool, source.label)
    return model.float().eval()


def _set_pool(model: nn.Module, pool: str, label: str) -> None:
    """Pool otherwise than the model was built to; its norms stay where they are.

    Raises:
        ConfigError: for a pooling that it cannot have.
    """
    if pool == "token" and getattr(model, "cls_token", None) is None:
        raise ConfigError(f"pool={pool!r} is of a class token, and {label} has none")
    try:
        model.reset_classifier(0, pool)  # type: ignore[operator]
    except Exception as error:  # timm's models raise whatever they like
        raise ConfigError(f"{label} cannot pool by {pool!r}. Leave pool out") from error


def _create(
    source: TimmSource,
    args: Mapping[str, Any],
    image_size: tuple[int, int] | None,
    seed: int,
    pretrained: bool,
) -> nn.Module:
    cfg = source.cfg | ({"file": str(source.weights)} if pretrained else {})
    build = partial(
        timm.create_model, source.name, pretrained=pretrained, pretrained_cfg=cfg or None,
        num_classes=0,
    )  # fmt: skip
    sized = {**args, **({} if image_size is None else {"img_size": image_size})}
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            try:
                return build(**sized)
            except TypeError as error:
                if "img_size" not in str(error) or image_size is None:
                    raise
                if source.cfg.get("fixed_input_size"):
                    raise ConfigError(
                        f"{source.label} takes images of its own size only: leave image_size out"
                    ) from error
            torch.default_generator.manual_seed(seed)
            return build(**args)  # convolutions take any size
    except ConfigError:
        raise
    except Exception as error:  # timm's models raise whatever they like
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if "loading state_dict" in reason:
            raise WeightsError(f"{source.weights} does not fit {source.label}: {reason}") from error
        given = f" with {dict(sized)}" if sized else ""
        raise ConfigError(f"timm cannot build {source.label}{given}: {reason}") from error


def _names_in(source: TimmSource) -> set[str]:
    try:
        with safe_open(str(source.weights), framework="pt") as file:
            return set(file.keys())
    except Exception as error:  # damaged bytes make readers raise anything
        raise WeightsError(
            f"{source.weights} is damaged or not a file of safetensors ({error}). Download it again"
        ) from error


def _check_loaded(
    model: nn.Module, untrained: Callable[[], nn.Module], in_file: set[str], source: TimmSource
) -> None:
    """Refuse weights that leave parameters as they were drawn; timm itself would not mind.

    Without a classifier timm loads what fits by name, and says nothing of what is missing. Names
    that differ may have been translated by timm: then the values differ from those drawn.

    Raises:
        WeightsError: naming what the file does not have.
    """
    state = model.state_dict()
    if unnamed := {name for name, _ in model.named_parameters() if name not in in_file}:
        drawn = untrained().state_dict()
        missing = [name for name in sorted(unnamed) if torch.equal(state[name], drawn[name])]
        if missing:
            raise WeightsError(
                f"{source.weights} does not fit {source.label}: {count(len(missing), 'tensor')} of "
                f"{len(state)} are missing ({_few(missing)}). Name the model the weights were made "
                "for, and its model_args and pool"
            )
        return
    classifier = source.cfg.get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    extra = [name for name in sorted(in_file - set(state)) if name.rpartition(".")[0] not in heads]
    if extra:
        logger.warning(
            "%s: %s of %d in %s are not used by the model: %s", source.label,
            count(len(extra), "tensor"), len(in_file), source.weights, _few(extra),
        )  # fmt: skip


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
