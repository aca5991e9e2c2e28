"""Hooks of the training loop."""

from plp.errors import NotFiniteError
from plp.hooks.epoch_seed import EpochSeedHook
from plp.hooks.plan_diagnostics import PlanDiagnosticsHook
from plp.hooks.progress import ProgressHook
from plp.hooks.prompt_aggregation import PromptAggregationHook
from plp.hooks.quiet_runtime_info import QuietRuntimeInfoHook
from plp.hooks.save import SaveHook

__all__ = [
    "EpochSeedHook",
    "NotFiniteError",
    "PlanDiagnosticsHook",
    "ProgressHook",
    "PromptAggregationHook",
    "QuietRuntimeInfoHook",
    "SaveHook",
]
