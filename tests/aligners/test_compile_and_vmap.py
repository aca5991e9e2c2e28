"""Aligners under torch.compile, torch.vmap and torch.func.grad.

The run-time shape checks of the test run are no part of plp and cannot be compiled: a process of
its own does without them.
"""

import subprocess
import sys

import pytest
import torch

from plp.registry import ALIGNERS

ALIGNERS_TO_MAP = [
    {"type": "SinkhornAligner"},
    {"type": "SinkhornAligner", "gradient": "implicit"},
    {"type": "SinkhornAligner", "gradient": "unroll", "max_iterations": 2},
    {"type": "UnbalancedSinkhornAligner", "rho_prompts": 0.5},
    {"type": "PartialAligner"},
    {"type": "MaxSimAligner"},
    {"type": "MeanAligner"},
    {"type": "UniformAligner"},
]


@pytest.mark.parametrize("config", ALIGNERS_TO_MAP, ids=str)
def test_vmap_is_a_batch(config):
    aligner = ALIGNERS.build(config)
    similarity, mask = torch.rand(3, 4, 6, 5), torch.rand(6, 5) > 0.2
    mapped = torch.vmap(lambda s: aligner(s, mask), in_dims=1, out_dims=1)(similarity)
    torch.testing.assert_close(mapped, aligner(similarity, mask), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("config", ALIGNERS_TO_MAP, ids=str)
def test_mapped_gradients_are_gradients(config):
    aligner = ALIGNERS.build(config)
    similarity = torch.rand(3, 6, 5, requires_grad=True)

    def score(s):
        return (aligner(s) * s).sum()

    (expected,) = torch.autograd.grad(score(similarity), similarity)
    mapped = torch.vmap(torch.func.grad(score))(similarity.detach())
    torch.testing.assert_close(mapped, expected, rtol=1e-5, atol=1e-7)


COMPILED = """
import torch
from plp.registry import ALIGNERS

for config in {configs!r}:
    torch._dynamo.reset()
    aligner = ALIGNERS.build(config)
    compiled = torch.compile(aligner, fullgraph=True, backend="aot_eager")
    mask = torch.rand(6, 5) > 0.2
    gradients = []
    for forward in (aligner, compiled):
        torch.manual_seed(0)
        similarity = torch.rand(3, 6, 5, requires_grad=True)
        plan = forward(similarity, mask)
        (plan * similarity).sum().backward()
        gradients += [plan.detach(), similarity.grad]
    torch.testing.assert_close(gradients[2], gradients[0], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(gradients[3], gradients[1], rtol=1e-5, atol=1e-7)
    print("compiled", config["type"])
"""


@pytest.mark.slow
def test_compiles_as_one_graph():
    script = COMPILED.format(configs=ALIGNERS_TO_MAP)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("compiled") == len(ALIGNERS_TO_MAP)
