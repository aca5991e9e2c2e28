"""What a machine without an accelerator can check about the path on one."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from plp.aligners import _operator
from plp.aligners._block import SolverSettings
from plp.aligners._iterations import solve
from plp.aligners._log_domain import LogDomain
from plp.aligners._scaling_domain import ScalingDomain

SETTINGS = SolverSettings(epsilon=0.1, tau_a=1.0, tau_b=1.0, max_iterations=60, tolerance=1e-6)
A, B = torch.full((200, 10), 0.1), torch.full((200, 4), 0.25)


class Counted(TorchDispatchMode):
    """Counts operations: on an accelerator nearly each of them is the start of a kernel."""

    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("domain", [ScalingDomain, LogDomain])
def test_looking_changes_no_number(domain):
    """Leaving early and dropping converged problems, against neither."""
    torch.manual_seed(0)
    cost = torch.rand(200, 10, 4)
    looked, blind = (
        solve(domain(_operator._block(cost, A, B, SETTINGS)), look=look) for look in (True, False)
    )
    assert looked.iterations.unique().numel() > 3  # problems stop at different times
    for name, value in looked._asdict().items():
        torch.testing.assert_close(getattr(blind, name), value, rtol=0, atol=0, msg=name)


def test_looking_saves_most_operations_of_costs_like_cosines():
    torch.manual_seed(0)
    cost, counts = 0.3 * torch.rand(200, 10, 4), {}
    settings = SETTINGS._replace(max_iterations=100)
    for look in (True, False):
        with Counted() as counted:
            solve(LogDomain(_operator._block(cost, A, B, settings)), look=look)
        counts[look] = counted.operations
    assert counts[True] < counts[False] / 5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("spread", [0.5, 100.0])
def test_cuda_agrees_with_the_cpu(spread):
    from plp.aligners import sinkhorn

    torch.manual_seed(0)
    cost = spread * torch.rand(300, 10, 4, dtype=torch.float64)
    here = sinkhorn(cost, epsilon=0.1, tolerance=1e-10, max_iterations=500)
    there = sinkhorn(cost.cuda(), epsilon=0.1, tolerance=1e-10, max_iterations=500)
    torch.testing.assert_close(there.plan.cpu(), here.plan, rtol=0, atol=1e-8)
