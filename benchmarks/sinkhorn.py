"""Time Sinkhorn solvers on many small problems and on few large ones, in one run.

    python benchmarks/sinkhorn.py                       # all shapes, both modes
    python benchmarks/sinkhorn.py --shapes 3200x10x4 --rounds 9
    pip install geomloss                                # optional, one more column

Every solver gets the same costs (uniform in [0, 0.5], float32) at epsilon 0.1, uniform marginals.
Two modes: a fixed number of iterations, and as many as bring the largest L1 error of the marginals
to the tolerance. There, solvers other than plp are given the loosest tolerance of their own that
brings the measured error to the one asked for. The solvers take turns, and the table holds the
median over the rounds; `copy` is the time of reading and writing the costs once. On a GPU times are
taken by events on the device.
Errors are measured on the returned plans, in float64, as the largest over problems and marginals.
"""

import argparse
import importlib.metadata
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import ot
import torch
from _bench import machine
from torch import Tensor

from plp.aligners import sinkhorn

SHAPES = ("3200x10x4", "25600x10x4", "256000x10x4", "1024x196x4", "64x512x512")
EPSILON = 0.1


class Mode(NamedTuple):
    """How long a solver iterates."""

    name: str
    iterations: int
    tolerance: float


def plp(cost: Tensor, mode: Mode) -> Tensor:
    return sinkhorn(
        cost, epsilon=EPSILON, max_iterations=mode.iterations, tolerance=mode.tolerance
    ).plan


def plain_torch(cost: Tensor, mode: Mode) -> Tensor:
    """The loop one would write: log-sum-exp, an error check every ten iterations."""
    _, K, N = cost.shape
    kernel = -cost / EPSILON
    log_a, log_b = -torch.tensor(K).log(), -torch.tensor(N).log()
    v = torch.zeros_like(cost[:, 0])
    for step in range(mode.iterations):
        u = log_a - (kernel + v[:, None]).logsumexp(2)
        v = log_b - (kernel + u[:, :, None]).logsumexp(1)
        if mode.tolerance and step % 10 == 9:
            rows = (kernel + u[:, :, None] + v[:, None]).exp().sum(2)
            if bool(((rows - 1 / K).abs().sum(1) < mode.tolerance).all()):
                break
    return (kernel + u[:, :, None] + v[:, None]).exp()


def pot(method: str) -> Callable[[Tensor, Mode], Tensor]:
    def solve(cost: Tensor, mode: Mode) -> Tensor:
        return ot.solve_batch(
            cost, reg=EPSILON, max_iter=mode.iterations, tol=mode.tolerance, method=method,
            grad="detach",
        ).plan  # fmt: skip

    return solve


def geomloss(cost: Tensor, mode: Mode) -> Tensor:
    """Symmetrised and annealed; it has no stopping rule on marginals, so it runs all iterations."""
    from geomloss import ot as geomloss_ot

    return geomloss_ot.solve_batch(cost, reg=EPSILON, max_iter=mode.iterations).plan


def solvers() -> dict[str, Callable[[Tensor, Mode], Tensor]]:
    found: dict[str, Callable[[Tensor, Mode], Tensor]] = {
        "POT log": pot("log_sinkhorn"),
        "POT scaling": pot("sinkhorn"),
        "torch loop": plain_torch,
    }
    try:
        importlib.metadata.version("geomloss")
        found["geomloss"] = geomloss
    except importlib.metadata.PackageNotFoundError:
        print("geomloss is not installed and left out: pip install geomloss\n")
    return found


def largest_error(plan: Tensor) -> float:
    _, K, N = plan.shape
    plan = plan.double()
    rows = (plan.sum(2) - 1 / K).abs().sum(1)
    columns = (plan.sum(1) - 1 / N).abs().sum(1)
    return float(torch.maximum(rows, columns).max())


def tuned(solve: Callable, cost: Tensor, mode: Mode, target: float) -> Mode:
    """Loosest tolerance of a solver that reaches the error `target`; the tightest if none does."""
    for tolerance in (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7):
        found = mode._replace(tolerance=tolerance)
        if largest_error(solve(cost, found)) <= target:
            break
    return found


def seconds(run: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


class Row(NamedTuple):
    """What was measured of one solver."""

    milliseconds: float
    error: float


def measure(
    cost: Tensor, mode: Mode, contestants: dict[str, Callable], rounds: int
) -> dict[str, Row]:
    """Let the solvers take turns; `copy` reads and writes the costs."""
    errors = {"plp": largest_error(plp(cost, mode)), "copy": 0.0}
    runs: dict[str, Callable[[], object]] = {"copy": cost.clone, "plp": lambda: plp(cost, mode)}
    for name, solve in contestants.items():
        target = max(mode.tolerance, 1.1 * errors["plp"])
        own = tuned(solve, cost, mode, target) if mode.tolerance else mode
        errors[name] = largest_error(solve(cost, own))
        runs[name] = lambda solve=solve, own=own: solve(cost, own)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, cost.device))
    return {name: Row(1e3 * statistics.median(times[name]), errors[name]) for name in runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="such as 3200x10x4")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    contestants = solvers()
    modes = (
        Mode(f"{args.iterations} iterations", args.iterations, 0.0),
        Mode(f"error {args.tolerance:g}", 1000, args.tolerance),
    )
    print(f"{machine(args.threads, args.device)}, POT {ot.__version__}")
    print(f"Median of {args.rounds} rounds (largest error)\n")
    names = ["plp", *contestants, "copy"]
    print("| problems | mode |", " | ".join(names), "|")
    print("|---|---|" + "---:|" * len(names))
    for shape in args.shapes:
        generator = torch.Generator().manual_seed(0)
        cost = 0.5 * torch.rand(*map(int, shape.split("x")), generator=generator)
        for mode in modes:
            chosen = {
                n: s for n, s in contestants.items() if mode.tolerance == 0 or n != "geomloss"
            }
            rows = measure(cost.to(device), mode, chosen, args.rounds)
            cells = [
                f"{rows[n].milliseconds:.3g} ms ({rows[n].error:.0e})" if n in rows else "–"
                for n in names
            ]
            print(f"| {shape} | {mode.name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
