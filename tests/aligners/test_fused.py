"""The fused kernel: its mathematics in Triton's interpreter, its code for a GPU, its errors."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from plp.aligners import SinkhornAligner, _fused, sinkhorn
from plp.errors import ConfigError

HERE = Path(__file__).parent
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="needs Triton (comes with torch's builds for GPUs on Linux)",
)


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=240,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


@needs_triton
@pytest.mark.slow
def test_agrees_with_the_plain_path_in_the_interpreter():
    report = run(
        "-m", "pytest", str(HERE / "fused_kernel_checks.py"), "-q", "-o", "addopts=",
        "-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning", TRITON_INTERPRET="1",
    )  # fmt: skip
    assert " passed" in report
    assert "skipped" not in report


COMPILED = """
from jaxtyping import install_import_hook

install_import_hook("plp", "beartype.beartype")  # as in a test run, whose wrappers must not matter
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from plp.aligners._fused import kernel_constants
from plp.aligners._fused_kernel import entropic_kernel

for K, N in ((10, 4), (7, 3), (196, 4)):
    constants = kernel_constants(K, N, 1.0, 1.0)
    types = {"iterations_of": "*i64", "converged_of": "*i1", "count": "i32", "last": "i32"}
    strides = ("a_problem", "a_row", "b_problem", "b_column")
    signature, aligned = {}, {}
    for at, name in enumerate(entropic_kernel.arg_names):
        kind = "constexpr" if name in constants else "i32" if name in strides else "fp32"
        signature[name] = types.get(name, "*fp32" if name.endswith("_of") else kind)
        if name.endswith("_of"):
            aligned[(at,)] = [["tt.divisibility", 16]]
    source = ASTSource(entropic_kernel, signature, constants, aligned)
    options = {"num_warps": 1}
    code = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]
    print(K, N, code.count("shfl.sync"), code.count("ld.global.v4"))
"""


@needs_triton
@pytest.mark.slow
def test_compiles_for_a_gpu_without_one(tmp_path):
    lines = run("-c", COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    shuffles, words = zip(*[map(int, line.split()[2:]) for line in lines], strict=True)
    assert shuffles[0] == 0, "a problem of 10 x 4 must lie in one thread"
    assert shuffles[2] > 0, "one of 196 x 4 cannot"
    assert words[0] >= 10, "rows of four prompts must be read in words of 16 bytes"


def test_without_a_gpu_it_is_refused(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match=r"on a CUDA device, got cpu.* implementation='plain'"):
        sinkhorn(torch.rand(2, 3), epsilon=0.1, implementation="fused")


def test_without_triton_it_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install triton .* implementation='plain'"):
        SinkhornAligner(implementation="fused")(torch.rand(2, 3))


@pytest.mark.parametrize("way", ["auto", "plain"])
def test_nobody_gets_the_kernel_without_asking(monkeypatch, way):
    monkeypatch.setattr(_fused, "_check_available", lambda device: pytest.fail("asked"))
    both = (
        SinkhornAligner(implementation=way)(torch.ones(3, 2)),
        SinkhornAligner()(torch.ones(3, 2)),
    )
    assert torch.equal(*both)


def test_an_unknown_implementation_is_refused(as_installed):
    with pytest.raises(ConfigError, match="'auto', 'plain', 'fused', 'fixed', got 'triton'"):
        SinkhornAligner(implementation="triton")


def test_the_aligner_shows_it():
    assert repr(SinkhornAligner(implementation="fused")).endswith("implementation='fused')")


def test_shapes_without_values():
    """What `torch.compile` asks of the operator."""
    with FakeTensorMode():
        cost, a, b = (torch.empty(3, *s, device="cuda") for s in ((10, 4), (10,), (4,)))
        outputs = _fused.fused_entropic_transport(cost, a, b, 0.1, 1.0, 1.0, 20, 1e-6)
    assert [tuple(output.shape) for output in outputs[:5]] == [
        (3, 10, 4), (3, 10), (3, 4), (3, 10), (3, 4),
    ]  # fmt: skip
    assert outputs[5].dtype == torch.int64
    assert outputs[6].dtype == torch.bool


@pytest.mark.parametrize(("K", "N"), [(1, 1), (10, 4), (7, 3), (196, 4), (32, 32)])
def test_a_warp_holds_its_tile(K, N):
    constants = _fused.kernel_constants(K, N, 1.0, 1.0)
    pairs = constants["K_PADDED"] * constants["N_PADDED"]
    assert constants["K_PADDED"] >= K
    assert constants["N_PADDED"] >= N
    assert 1 <= constants["TILE"] <= 32
    assert constants["TILE"] * pairs <= 64 * 32


@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("K", "N"), [(10, 4), (7, 3), (196, 4), (1, 1)])
@pytest.mark.parametrize("spread", [0.5, 6.0])
def test_a_gpu_agrees_with_the_cpu(K, N, spread):
    torch.manual_seed(0)
    cost = spread * torch.rand(1000, K, N)
    cost[::3] *= 0.1  # both domains in a tile
    here = sinkhorn(cost, epsilon=0.1, max_iterations=500)
    there = sinkhorn(cost.cuda(), epsilon=0.1, max_iterations=500, implementation="fused")
    same = there.converged.cpu() == here.converged
    assert float(same.float().mean()) > 0.99, "the error may lie at the tolerance"
    done = same & here.converged
    torch.testing.assert_close(there.plan.cpu()[done], here.plan[done], rtol=0, atol=5e-5)
    alone = sinkhorn(cost[7:8].cuda(), epsilon=0.1, max_iterations=500, implementation="fused")
    assert torch.equal(alone.plan, there.plan[7:8])
