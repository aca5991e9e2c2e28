"""Patches that do not show the class should not look like any class (LoCoOp)."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

from plp.checks import check_number
from plp.losses.base import LossInputs, LossTerm, named
from plp.registry import LOSSES


@final
@LOSSES.register_module()
class BackgroundEntropy(LossTerm):
    """`- weight * mean entropy of the class probabilities of background patches`.

    A patch is background where its image's true class is not among the `top` most probable classes
    of the patch. Raising the entropy there keeps out-of-distribution content out of the texts
    (Miyai et al. 2023, LoCoOp, equations 4 to 6). Without a background patch in the batch the term
    is zero.

    Args:
        top: How many classes count as foreground: a number, or a share of all classes below 1
            (rounded, at least one). Published: 200 of ImageNet's 1000.
        weight: lambda, published 0.25.
        temperature: Divides the logits of patches; published 1.
        branch: The global branch whose texts patches are compared with; it needs a dense stream
            and learned prompts.
    """

    needs_patches = True

    def __init__(
        self,
        top: int | float = 0.2,
        weight: float = 0.25,
        temperature: float = 1.0,
        branch: str = "global",
    ) -> None:
        super().__init__()
        if isinstance(top, bool) or top <= 0 or (top >= 1 and top != int(top)):
            raise ValueError(f"expected top to be a number of classes or a share, got {top!r}")
        check_number("weight", weight)
        check_number("temperature", temperature, above=True)
        self.top = top
        self.weight = weight
        self.temperature = temperature
        self.branch = branch
        self.read_branches = (branch,)

    def forward(self, inputs: LossInputs) -> Float[Tensor, ""]:
        """Measure how sure background patches are of a class."""
        cosines = named(inputs.evidence, self.branch, "evidence of a branch").patch_scores
        if cosines is None:
            raise ValueError(f"branch {self.branch!r} has no patch scores: give it a dense stream")
        if torch.is_grad_enabled() and not cosines.requires_grad:
            raise ValueError(
                f"the patch scores of branch {self.branch!r} carry no gradient, so this term would "
                "train nothing: name a global branch with learned prompts"
            )
        logits = inputs.logit_scale * cosines.float() / self.temperature  # [B, P, C]
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum(-1)  # [B, P]
        background = self.background(logits, inputs.labels)
        patches = background.sum()
        if torch.is_grad_enabled():  # of the whole batch, where processes have parts of it
            all_reduce(patches)
        share = background * get_world_size() / patches.clamp(min=1)
        return -self.weight * (entropy * share).sum()

    def background(
        self, logits: Float[Tensor, "B P C"], labels: Int[Tensor, " B"]
    ) -> Bool[Tensor, "B P"]:
        """Tell the patches whose true class is not among the most probable ones."""
        classes = logits.shape[-1]
        top = max(round(self.top * classes), 1) if self.top < 1 else int(self.top)
        if top >= classes:
            return torch.zeros_like(logits[..., 0], dtype=torch.bool)
        true = labels[:, None, None].expand(-1, logits.shape[1], 1)
        kept = logits.topk(top, dim=-1).indices
        return ~(kept == true).any(-1)

    def extra_repr(self) -> str:
        """Show the settings in the printed module."""
        return f"top={self.top}, weight={self.weight}, temperature={self.temperature}"
