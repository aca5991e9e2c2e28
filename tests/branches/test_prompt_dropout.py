"""Prompt dropout: how many prompts it keeps, where, and what it does on average."""

import pytest
import torch
from torch.testing import assert_close

from plp.branches import PromptDropout


def kept_weights(p, prompts, images=400, seed=0):
    """Weight of each prompt in the average of each image: a one-hot class axis reads it off."""
    torch.manual_seed(seed)
    return PromptDropout(p)(torch.eye(prompts).expand(images, prompts, prompts))


@pytest.mark.parametrize(
    ("p", "prompts", "kept"),
    [(0.75, 3, 1), (0.75, 4, 1), (0.5, 4, 2), (0.3, 4, 3), (0.1, 4, 4), (0.99, 2, 1), (0.75, 1, 1)],
)
def test_keeps_so_many_prompts_drawn_with_replacement(p, prompts, kept):
    assert kept == max(prompts - int(p * prompts), 1)
    counts = kept_weights(p, prompts) * kept  # [B, N]
    assert_close(counts, counts.round())
    assert_close(counts.sum(1), torch.full((400,), float(kept)))
    assert counts.max() == kept, "with replacement: one prompt may be all of them"


def test_images_differ_and_classes_do_not():
    weights = kept_weights(0.5, 4)
    assert len({tuple(row.tolist()) for row in weights}) > 5
    torch.manual_seed(0)
    scores = torch.arange(4.0).expand(50, 3, 4)  # the same for every class
    dropped = PromptDropout(0.75)(scores)
    assert_close(dropped, dropped[:, :1].expand(-1, 3))


def test_unbiased_in_the_mean():
    weights = kept_weights(0.5, 4, images=20_000)
    # A mean of 40 000 draws of one in four: standard deviation sqrt(3 / 16 / 40 000) = 0.0022.
    assert_close(weights.mean(0), torch.full((4,), 0.25), atol=0.011, rtol=0)


def test_off_in_evaluation_and_at_rate_zero():
    scores = torch.randn(5, 3, 4)
    assert torch.equal(PromptDropout(0.75).eval()(scores), scores.mean(-1))
    assert torch.equal(PromptDropout(0.0).train()(scores), scores.mean(-1))


def test_gradient_reaches_kept_prompts_only():
    torch.manual_seed(0)
    scores = torch.randn(6, 3, 4, requires_grad=True)
    PromptDropout(0.75)(scores).sum().backward()
    assert_close(scores.grad.sum(-1), torch.ones(6, 3))
    assert ((scores.grad == 0) | (scores.grad == 1)).all()


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
def test_refused(p):
    with pytest.raises(ValueError, match=rf"dropout rate in \[0, 1\), got {p}"):
        PromptDropout(p)
