"""Labelled shots as a key-value cache beside the texts (Tip-Adapter)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from plp.branches.base import Branch, ProjectDense
from plp.branches.global_branch import cosine
from plp.branches.quality import quality
from plp.checks import check_number
from plp.evaluation.finite import PREDICTION, check_logits, not_finite
from plp.prompts.base import Prompt
from plp.registry import BRANCHES, PROMPTS
from plp.structures import Evidence, ImageFeatures, Shots

_MOST_STEPS = 10_000  # of a search: more is no grid, and would fill the memory


@final
@BRANCHES.register_module()
class CacheBranch(Branch):
    """`cos(x, texts) + alpha / logit_scale * sum over shots of exp(-beta (1 - x k_m)) y_m`.

    Zhang et al. 2022, Tip-Adapter, equations 3 to 5, in logits: texts give `logit_scale * cos`, the
    cache `alpha * exp(...)`. Keys k_m are the pooled features of the shots (mean over their views),
    values y_m their labels, one-hot. Tip-Adapter-F learns the keys. Afterwards alpha and beta are
    chosen on validation images (never on test images): the best accuracy of a grid, of several
    points the one with the lowest cross-entropy.

    Without a prompt the text term is 0: what is left is a kernel classifier of the shots, for
    backbones without texts. alpha then changes no prediction, only how sure it is, and is the one
    of the lowest cross-entropy.

    Args:
        prompt: Prompt of the texts, or its config; several templates are averaged as texts. None
            for no text term.
        alpha: Weight of the cache in logits, in training and where nothing can be tuned.
        beta: Sharpness of the cache.
        learn_keys: Tip-Adapter-F.
        alpha_grid: Largest value and number of steps of the search from 0.1 up.
        beta_grid: The same for beta.
        embed_dim: E; supplied when a learner is built, as the following.
        num_classes: C.
        logit_scale: What the learner will multiply the scores with.
        inputs: What the learner supplies for building the prompt.
    """

    needs_shots = True
    needs_tuning = True
    supports_new_classes = False  # type: ignore[assignment]

    labels: Tensor  # [M]; buffers, as the following
    alpha: Tensor  # []
    beta: Tensor  # []

    def __init__(
        self,
        prompt: Prompt | Mapping[str, Any] | None = None,
        alpha: float = 1.0,
        beta: float = 5.5,
        learn_keys: bool = False,
        alpha_grid: Sequence[float | int] = (3.0, 20),
        beta_grid: Sequence[float | int] = (7.0, 200),
        *,
        embed_dim: int,
        num_classes: int,
        logit_scale: float,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_number("alpha", alpha)
        check_number("beta", beta)
        self.prompt = PROMPTS.build_if_config(prompt, **inputs or {})
        self.alpha_grid = _grid("alpha_grid", alpha_grid)
        self.beta_grid = _grid("beta_grid", beta_grid)
        self.logit_scale = logit_scale
        self.num_classes = num_classes
        self.keys = nn.Parameter(torch.zeros(0, embed_dim), requires_grad=learn_keys)
        self.register_buffer("labels", torch.zeros(0, dtype=torch.long))
        self.register_buffer("alpha", torch.tensor(float(alpha)))
        self.register_buffer("beta", torch.tensor(float(beta)))

    def fit(
        self, shots: Shots, val: Shots | None, text: Float[Tensor, "C N E"] | None = None
    ) -> str:
        """Fill the cache: one key a shot, the mean of its views."""
        keys = F.normalize(shots.pooled.float().mean(0), dim=-1).to(self.keys)
        self.keys = nn.Parameter(keys, requires_grad=self.keys.requires_grad)
        self.labels = shots.labels.to(self.labels)
        return f"cache of {len(keys)} keys, {len(shots.pooled)} views each"

    def tune(self, val: Shots, text: Float[Tensor, "C N E"] | None) -> str:
        """Search alpha and beta on validation images.

        Raises:
            ValueError: if there is a prompt and no texts of it.
        """
        if text is None and self.prompt is not None:
            raise ValueError("expected texts, got none")
        with torch.no_grad():
            pooled = F.normalize(val.pooled[0].float().to(self.keys.device), dim=-1)
            labels = val.labels.to(self.keys.device)
            base = self.logit_scale * self._of_texts(pooled, text)
            found, bad = [], not_finite(base)
            for beta in self.beta_grid:
                cache = self._of_cache(pooled, beta)
                bad |= not_finite(cache)
                tried = [quality(base + alpha * cache, labels) for alpha in self.alpha_grid]
                rows = torch.stack(tried).tolist()  # read from the device once
                found += [
                    (*row, alpha, beta) for row, alpha in zip(rows, self.alpha_grid, strict=True)
                ]
        check_logits({PREDICTION: bad}, "tuning")
        accuracy, _, alpha, beta = max(found, key=lambda point: point[:2])
        self.alpha.fill_(alpha)
        self.beta.fill_(beta)
        chosen = f"alpha {alpha:.3g}, beta {beta:.3g}: validation accuracy {100 * accuracy:.1f} %"
        searched = {"alpha_grid": (alpha, self.alpha_grid), "beta_grid": (beta, self.beta_grid)}
        ends = [name for name, (value, grid) in searched.items() if value == grid[-1] != grid[0]]
        return f"{chosen}, the last of {' and '.join(ends)}: try a wider one" if ends else chosen

    def forward(
        self,
        features: ImageFeatures,
        text: Float[Tensor, "C N E"] | None,
        project_dense: ProjectDense,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> Evidence:
        """Score every class for every image; before `fit` from the texts alone, if any."""
        with torch.autocast(features.pooled.device.type, enabled=False):
            pooled = F.normalize(features.pooled.float(), dim=-1)
            cosines = self._of_texts(pooled, text)
            scores = cosines + self.alpha / self.logit_scale * self._of_cache(pooled, self.beta)
        similarity = scores if text is None else cosines
        return Evidence(scores, scores[..., None], similarity[..., None])

    def accommodate(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Make room for the keys of a checkpoint, where their number differs from that here."""
        rows, *width = shapes.get("keys", self.keys.shape)
        # As many keys stay the parameter they are: an optimiser may hold it (a resumed run).
        if rows != len(self.keys) and width == [self.keys.shape[1]]:
            keys = self.keys.new_zeros(rows, self.keys.shape[1])
            self.keys = nn.Parameter(keys, requires_grad=self.keys.requires_grad)
            self.labels = self.labels.new_zeros(rows)

    def _of_texts(self, pooled: Float[Tensor, "B E"], text: Tensor | None) -> Float[Tensor, "B C"]:
        if text is None:
            return pooled.new_zeros(pooled.shape[0], self.num_classes)
        text = F.normalize(text.float(), dim=-1).mean(dim=-2, keepdim=True)
        text = F.normalize(text, dim=-1)
        return cosine(pooled[:, None], text)[:, 0, :, 0]

    def _of_cache(self, pooled: Float[Tensor, "B E"], beta: float | Tensor) -> Float[Tensor, "B C"]:
        affinity = torch.exp(-beta * (1 - pooled @ self.keys.T))  # [B, M]
        return affinity @ F.one_hot(self.labels, self.num_classes).to(affinity)


def _grid(name: str, grid: Sequence[float | int]) -> list[float]:
    if len(grid) != 2 or not 0.1 < grid[0] < math.inf or not 1 <= grid[1] <= _MOST_STEPS:
        raise ValueError(
            f"expected {name} as (largest value above 0.1, steps up to {_MOST_STEPS}), got {grid!r}"
        )
    largest, steps = float(grid[0]), int(grid[1])
    return [0.1 + (largest - 0.1) * step / steps for step in range(steps)]
