"""What of a learner is in its state dict: all that is learned, nothing of the frozen backbone."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from plp.learners.fitted_parts import FittedParts


def leave_backbone_out(learner: FittedParts) -> None:
    """Let a learner's state dict hold no backbone, and miss none when it is loaded.

    Before one is loaded the learner makes room for it, see `FittedParts.accommodate`. The hooks
    are functions of a module and get theirs from torch, so that those of a copy act on the copy.
    """
    learner.register_state_dict_post_hook(_drop_backbone)
    learner.register_load_state_dict_pre_hook(_accommodate)
    learner.register_load_state_dict_post_hook(_forgive_backbone)


def _drop_backbone(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
    for key in [key for key in state if key.startswith(f"{prefix}backbone.")]:
        del state[key]


def _accommodate(learner: FittedParts, state: Mapping[str, Tensor], *_: Any) -> None:
    learner.accommodate(state)


def _forgive_backbone(learner: FittedParts, incompatible: Any) -> None:
    frozen = tuple(f"backbone.{name}" for name in learner.backbone.state_dict())
    missing = incompatible.missing_keys
    missing[:] = [key for key in missing if not key.endswith(frozen)]
