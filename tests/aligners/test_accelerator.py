"""What a machine without an accelerator can check about the path on one."""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from plp.aligners import _solver
from plp.aligners._block import SolverSettings
from plp.aligners._iterations import solve
from plp.aligners._log_domain import LogDomain
from plp.aligners._scaling_domain import ScalingDomain


def solve_without_values(device: str) -> list[torch.Tensor]:
    """Run the solver on tensors that have a shape and a device but no values to read."""
    with FakeTensorMode():
        cost, a, b = (torch.empty(3, *shape, device=device) for shape in ((10, 4), (10,), (4,)))
        return _solver.entropic_transport._init_fn(cost, a, b, 0.1, 1.0, 1.0, 20, 1e-6)


def test_no_value_is_read_on_an_accelerator():
    outputs = solve_without_values("cuda")
    assert all(output.device.type == "cuda" for output in outputs)
    assert outputs[0].shape == (3, 10, 4)


def test_a_read_value_would_have_been_noticed():
    with pytest.raises(DataDependentOutputException):
        solve_without_values("cpu")


@pytest.mark.parametrize("domain", [ScalingDomain, LogDomain])
def test_looking_changes_no_number(domain):
    """Leaving early and dropping converged problems, as on the CPU, against neither."""
    torch.manual_seed(0)
    settings = SolverSettings(epsilon=0.1, tau_a=1.0, tau_b=1.0, tolerance=1e-6)
    a, b = torch.full((200, 10), 0.1), torch.full((200, 4), 0.25)
    cost = torch.rand(200, 10, 4)
    looked, blind = (
        solve(domain(_solver._block(cost, a, b, settings)), 60, look=look) for look in (True, False)
    )
    assert looked.iterations.unique().numel() > 3  # problems stop at different times
    for name, value in looked._asdict().items():
        torch.testing.assert_close(getattr(blind, name), value, rtol=0, atol=0, msg=name)


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
