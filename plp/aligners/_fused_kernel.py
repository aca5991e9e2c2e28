"""The Triton kernel of `_fused`: each program solves a tile of problems in registers.

The arithmetic is that of `_iterations`, `_scaling_domain` and `_log_domain`, where it is explained,
with the same choice of domain for each problem, the same stop and the same guards. What differs is
the order of sums and the rounding of division, exponential and logarithm.

A tile is laid out as [K, N, tile]. A small problem then lies in one thread, its sums need no
exchange between threads, and with four prompts a row is one word of 16 bytes.
"""

# mypy: disable-error-code="no-untyped-def"

import inspect
from types import SimpleNamespace
from typing import Any

try:
    import triton
    import triton.language as tl
except ImportError:  # `_fused` says what to do to those who ask for the kernel
    triton, tl = None, SimpleNamespace(constexpr=None)


def _jit(**options: Any) -> Any:
    """Let Triton compile a function, where there is Triton.

    Triton reads the source, and looks names up where the function itself was defined; a wrapper of
    jaxtyping's import hook would lead it elsewhere.
    """
    if triton is None:
        return lambda function: function
    return lambda function: triton.jit(inspect.unwrap(function), **options)


@_jit()
def _scaling(
    kernel, weights, other, tau,
    AXIS: tl.constexpr, LOG: tl.constexpr, RELAXED: tl.constexpr,
):  # fmt: skip
    """S (AXIS 1) or T (AXIS 0): (sum kernel * weights / other) ** tau; of and in logarithms."""
    tiny: tl.constexpr = 1.1754943508222875e-38  # the least normal float32
    if LOG:
        terms = kernel + (weights - other)
        largest = tl.max(terms, AXIS, keep_dims=True)
        largest = tl.where(largest == -float("inf"), 0.0, largest)
        sums = tl.maximum(tl.sum(tl.exp(terms - largest), AXIS, keep_dims=True), tiny)
        found = (tl.log(sums) + largest) * tau
    else:
        found = tl.maximum(tl.sum(kernel * (weights / other), AXIS, keep_dims=True), tiny)
        if RELAXED:
            found = tl.exp(tl.log(found) * tau)
    return found


@_jit()
def _error(S, latest, a, LOG: tl.constexpr):
    """sum_i a_i |S'_i / S_i - 1|."""
    if LOG:
        change = tl.abs(tl.exp(tl.minimum(latest - S, 80.0)) - 1.0) * a
    else:
        change = tl.abs(a / S * latest - a)
    return tl.sum(change, 0, keep_dims=True)


@_jit()
def _iterate(
    kernel, a, b, weights_a, weights_b, active, stuck, tolerance, tau_a, tau_b, last,
    CHECK_EVERY: tl.constexpr, LOG: tl.constexpr,
    RELAXED_A: tl.constexpr, RELAXED_B: tl.constexpr,
):  # fmt: skip
    """Iterate the active problems, each until it has converged; then it is left alone."""
    T = tl.zeros_like(b) if LOG else tl.full(b.shape, 1.0, b.dtype)
    S = _scaling(kernel, weights_b, T, tau_a, 1, LOG, RELAXED_A)
    T = _scaling(kernel, weights_a, S, tau_b, 0, LOG, RELAXED_B)
    iterations = tl.zeros_like(active)
    converged = tl.zeros_like(active)
    done = 1
    going = True
    while going:
        latest = _scaling(kernel, weights_b, T, tau_a, 1, LOG, RELAXED_A)
        if (done % CHECK_EVERY == 0) | (done == last):
            met = (_error(S, latest, a, LOG) + stuck <= tolerance) & (active > 0)
            taken = (met | (done == last)) & (active > 0)
            iterations = tl.where(taken, done, iterations)
            converged = tl.where(met, 1, converged)
            S = tl.where(taken & (a <= 0), latest, S)  # the error ignores rows without mass
            active = tl.where(taken, 0, active)
            going = tl.max(active) > 0
        S = tl.where(active > 0, latest, S)
        T = tl.where(active > 0, _scaling(kernel, weights_a, S, tau_b, 0, LOG, RELAXED_B), T)
        done += 1
    return S, T, iterations, converged


@_jit()
def _finish(
    kernel, S, T, a, b, weights_a, weights_b, epsilon,
    LOG: tl.constexpr, RELAXED_B: tl.constexpr,
):  # fmt: skip
    """Plan and potentials; in the log domain, balanced columns are normalised."""
    tiny: tl.constexpr = 1.1754943508222875e-38
    if LOG:
        rows = weights_a - S
        if RELAXED_B:
            plan = tl.exp(kernel + rows + (weights_b - T))
        else:
            terms = kernel + rows
            largest = tl.max(terms, 0, keep_dims=True)
            terms = tl.exp(terms - tl.where(largest == -float("inf"), 0.0, largest))
            plan = terms * (b / tl.maximum(tl.sum(terms, 0, keep_dims=True), tiny))
        log_S, log_T = S, T
    else:
        plan = kernel * (a / S) * (b / T)
        log_S, log_T = tl.log(S), tl.log(T)
    return plan, -epsilon * log_S, -epsilon * log_T


@_jit()
def _survey(cost, a, b, epsilon, SCALING_LIMIT: tl.constexpr, RELAXED: tl.constexpr):
    """Look at the problems as `_block` and `_domains` do."""
    inf: tl.constexpr = float("inf")
    finite = cost < inf
    row_exists = tl.max(finite.to(tl.int32), 1, keep_dims=True) > 0
    column_exists = tl.max(finite.to(tl.int32), 0, keep_dims=True) > 0
    smallest = tl.min(tl.min(cost, 1, keep_dims=True), 0, keep_dims=True)
    largest = tl.where(finite, cost, -inf)
    largest = tl.max(tl.max(largest, 1, keep_dims=True), 0, keep_dims=True)
    smallest = tl.where(smallest == inf, 0.0, smallest)
    largest = tl.where(largest == -inf, 0.0, largest)
    if RELAXED:  # a constant on the costs would change the plan
        spread = tl.maximum(tl.abs(smallest), tl.abs(largest)) / epsilon
        shift = tl.zeros_like(smallest)
    else:
        spread = (largest - smallest) / epsilon
        shift = smallest
    ragged = (finite != (row_exists & column_exists)).to(tl.int32)
    ragged = tl.max(tl.max(ragged, 1, keep_dims=True), 0, keep_dims=True)
    narrow = (spread <= SCALING_LIMIT) & (ragged == 0)
    stuck = tl.sum(tl.where(row_exists, 0.0, a), 0, keep_dims=True)
    stuck += tl.sum(tl.where(column_exists, 0.0, b), 1, keep_dims=True)
    return row_exists, column_exists, shift, spread, narrow, stuck


@_jit()
def _prepare(cost, a, b, shift, spread, epsilon, tolerance, LOG: tl.constexpr):
    """Kernel, weights and tolerance as the domain holds them."""
    eps: tl.constexpr = 1.1920928955078125e-07  # of float32
    kernel = (shift - cost) / epsilon
    if LOG:
        weights_a = tl.where(a > 0, tl.log(a), -float("inf"))
        weights_b = tl.where(b > 0, tl.log(b), -float("inf"))
        reachable = tl.minimum(4 * eps * (1 + spread), tl.maximum(tolerance, 1e-4))
        reachable = tl.maximum(reachable, tolerance)
    else:
        kernel = tl.exp(kernel)
        weights_a, weights_b = a, b
        reachable = tl.zeros_like(spread) + tl.maximum(tolerance, 4 * eps)
    return kernel, weights_a, weights_b, reachable


@_jit(do_not_specialize=["count", "last", "a_problem", "a_row", "b_problem", "b_column"])
def entropic_kernel(
    cost_of, a_of, b_of, plan_of, f_of, g_of, row_sums_of, column_sums_of, iterations_of,
    converged_of, count, a_problem, a_row, b_problem, b_column,
    epsilon, tau_a, tau_b, tolerance, last,
    K: tl.constexpr, N: tl.constexpr,
    K_PADDED: tl.constexpr, N_PADDED: tl.constexpr, TILE: tl.constexpr,
    CHECK_EVERY: tl.constexpr, SCALING_LIMIT: tl.constexpr,
    RELAXED_A: tl.constexpr, RELAXED_B: tl.constexpr,
):  # fmt: skip
    """Solve the problems of one tile.

    Costs and plans are [count, K, N] without gaps; `a_problem` and `a_row` are the strides of the
    row marginals (0 for uniform ones), `b_problem` and `b_column` those of the columns. Nothing is
    specialised on these or on `count`, so that a problem gets the same code in any batch.
    """
    rows = tl.arange(0, K_PADDED)[:, None, None]
    columns = tl.arange(0, N_PADDED)[None, :, None]
    problems = (tl.program_id(0) * TILE + tl.arange(0, TILE)).to(tl.int64)[None, None, :]
    inside = problems < count
    row_inside, column_inside = inside & (rows < K), inside & (columns < N)
    pairs, pair_inside = problems * (K * N) + rows * N + columns, row_inside & (columns < N)
    cost = tl.load(cost_of + pairs, mask=pair_inside, other=float("inf"))
    a = tl.load(a_of + problems * a_problem + rows * a_row, mask=row_inside, other=0.0)
    b = tl.load(b_of + problems * b_problem + columns * b_column, mask=column_inside, other=0.0)
    row_exists, column_exists, shift, spread, narrow, stuck = _survey(
        cost, a, b, epsilon, SCALING_LIMIT, RELAXED_A or RELAXED_B
    )
    for LOG in tl.static_range(2):
        chosen = inside & (~narrow if LOG else narrow)
        if tl.max(chosen.to(tl.int32).reshape(TILE)) > 0:
            kernel, weights_a, weights_b, reachable = _prepare(
                cost, a, b, shift, spread, epsilon, tolerance, LOG
            )
            S, T, iterations, converged = _iterate(
                kernel, a, b, weights_a, weights_b, chosen.to(tl.int32), stuck, reachable,
                tau_a, tau_b, last, CHECK_EVERY, LOG, RELAXED_A, RELAXED_B,
            )  # fmt: skip
            plan, f, g = _finish(kernel, S, T, a, b, weights_a, weights_b, epsilon, LOG, RELAXED_B)
            row_at, row_mask = problems * K + rows, row_inside & chosen
            column_at, column_mask = problems * N + columns, column_inside & chosen
            tl.store(plan_of + pairs, plan, mask=pair_inside & chosen)
            tl.store(f_of + row_at, tl.where(row_exists, f + shift, 0.0), mask=row_mask)
            tl.store(g_of + column_at, tl.where(column_exists, g, 0.0), mask=column_mask)
            tl.store(row_sums_of + row_at, tl.sum(plan, 1, keep_dims=True), mask=row_mask)
            tl.store(column_sums_of + column_at, tl.sum(plan, 0, keep_dims=True), mask=column_mask)
            tl.store(iterations_of + problems, iterations.to(tl.int64), mask=chosen)
            tl.store(converged_of + problems, converged > 0, mask=chosen)
