"""The collectives of a distributed run in a group of one: NCCL on a GPU, gloo on a CPU."""

import pytest
import torch
from device_steps import assert_same_step, learner_of, step
from torch import distributed as dist
from torch.testing import assert_close

from plp.engine.processes import DataParallelLearner
from plp.learners import sharded_texts


@pytest.fixture
def group(device, tmp_path):
    """A group of this process alone."""
    backend = "nccl" if device == "cuda" else "gloo"
    meet = (tmp_path / "meet").as_uri()
    dist.init_process_group(backend, init_method=meet, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("group")
def test_texts_are_gathered_and_their_gradients_go_back(device):
    """Rows come in the order of their lengths and are put in that of the classes."""
    own = torch.randn(3, 2, 4, device=device, requires_grad=True)
    weights, order = torch.randn_like(own), torch.tensor([2, 0, 1])
    gathered = sharded_texts._Gather.apply(own, order, order)
    assert gathered.device.type == device
    assert_close(gathered[order], own)
    (gradient,) = torch.autograd.grad((gathered * weights).sum(), own)
    assert_close(gradient, weights[order])


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_data_parallel_step_of_one_process_is_a_step(root, tiny_options, device, precision):
    plain, parallel = (
        learner_of(root, "sotglp", tiny_options, device, precision=precision, text_chunk=2)
        for _ in range(2)
    )
    found = step(parallel, DataParallelLearner(parallel))
    assert_same_step(found, step(plain), precision)
