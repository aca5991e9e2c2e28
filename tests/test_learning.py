"""The check that parameters learn: low-rank factors pass, dead parameters do not."""

import pytest
import torch
from learning import require_learning
from torch import nn


class LowRank(nn.Module):
    """Adds A B to its input; B starts at zero."""

    def __init__(self):
        super().__init__()
        self.A, self.B = nn.Parameter(torch.randn(4, 2)), nn.Parameter(torch.zeros(2, 3))

    def forward(self, x):
        return x + self.A @ self.B


def test_low_rank_factors_learn_and_stay_where_they_were():
    torch.manual_seed(0)
    module, x = LowRank(), torch.randn(4, 3)
    start = module.A.detach().clone()
    for every_entry in (False, True):
        require_learning(module.named_parameters(), lambda: module(x).square().sum(), every_entry)
    assert torch.equal(module.A, start)
    assert not module.B.any()


def test_parameters_that_never_learn_are_noticed():
    dead, live = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    named = [("live", live), ("dead", dead)]
    with pytest.raises(AssertionError, match="dead does not learn"):
        require_learning(named, lambda: (live + 0 * dead).sum())
    with pytest.raises(AssertionError, match="dead has no part in the loss"):
        require_learning(named, live.sum)
    half = [("live", live)]
    require_learning(half, lambda: live[0])
    with pytest.raises(AssertionError, match="live does not learn"):
        require_learning(half, lambda: live[0], every_entry=True)
