"""Does transport do anything here? Diagnostics of the plans, logged during training."""

import logging
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from plp.aligners.diagnostics import plan_diagnostics
from plp.branches.support import support_mask
from plp.hooks.json_lines import add_row, drop_repeated
from plp.registry import HOOKS
from plp.structures import Support

logger = logging.getLogger("plp")

PLANS = "plans.jsonl"


@HOOKS.register_module()
class PlanDiagnosticsHook(Hook):
    """Logs how far the plans of the true classes are from uniform, and writes `plans.jsonl`.

    Looks at the first batch of every `interval`-th epoch, without gradient and without random
    numbers, so that the numbers of the run stay the same. Switch it on in a config with
    `custom_hooks = [dict(type="PlanDiagnosticsHook")]`. See `plan_diagnostics` for what is logged.

    Args:
        interval: Epochs between two looks.
    """

    def __init__(self, interval: int = 1) -> None:
        if interval < 1:
            raise ValueError(f"expected an interval of 1 epoch or more, got {interval}")
        self.interval = interval

    def before_train(self, runner: Any) -> None:
        """Keep the rows of the epochs that are done."""
        path = Path(runner.work_dir) / PLANS
        if is_main_process() and path.exists():
            drop_repeated(path, runner.epoch)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the plans of the batch just trained on."""
        if batch_idx or runner.epoch % self.interval or not is_main_process():
            return
        learner = getattr(runner.model, "module", runner.model)
        batch = learner.data_preprocessor(data_batch)
        with torch.no_grad():
            evidence = learner.evidence(batch["images"])
        for name, found in evidence.items():
            if found.plan is None or found.similarity is None:
                continue
            means = _means(found.plan, found.similarity, found.support, batch["labels"])
            self._write(Path(runner.work_dir), {"epoch": runner.epoch + 1, "branch": name, **means})

    def _write(self, folder: Path, row: dict[str, Any]) -> None:
        numbers = {key: value for key, value in row.items() if isinstance(value, float)}
        text = "  ".join(f"{key} {value:.4g}" for key, value in numbers.items())
        logger.info("epoch %d: plans of branch %s: %s", row["epoch"], row["branch"], text)
        add_row(folder / PLANS, row)


def _means(
    plan: torch.Tensor, similarity: torch.Tensor, support: Support | None, labels: torch.Tensor
) -> dict[str, float]:
    """Average the diagnostics of each image's true class."""
    images = torch.arange(len(labels), device=labels.device)
    plan, similarity = plan[images, labels], similarity[images, labels]  # [B, K, N]
    mask = support_mask(support, similarity.shape[-1]) if support else None
    diagnostics = plan_diagnostics(plan, similarity, mask)._asdict()
    return {name: float(value.mean()) for name, value in diagnostics.items()}
