"""The gradient of the solver by the implicit function theorem."""

from typing import Any

import torch
from torch import Tensor

from plp.aligners._operator import entropic_transport


class ImplicitTransport(torch.autograd.Function):
    """The solver, its potentials differentiated by the implicit function theorem.

    They are the fixed point f = F(g), g = G(f) of the iterations. With the row-normalised kernel Q
    and the column-normalised kernel R,

        df = tau_a (Q * dC) 1 - tau_a Q dg - ...,    dg = tau_b (R * dC)^T 1 - tau_b R^T df - ...,

    so the cotangents (l, m) of the two equations solve l + tau_b R m = grad_f,
    tau_a Q^T l + m = grad_g: one linear system of size min(K, N) a problem.

    Only the potentials carry a gradient; plan and cost are computed from them in the graph.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(cost: Tensor, a: Tensor, b: Tensor, *settings: float | int) -> tuple[Tensor, ...]:
        """Solve; arguments as in the solver. Returns potentials, iterations, convergence."""
        _, f, g, _, _, iterations, converged = entropic_transport(cost, a, b, *settings)
        return f, g, iterations, converged

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        """Keep what the backward pass needs."""
        f, g, iterations, converged = output
        ctx.settings = inputs[3:6]
        ctx.save_for_backward(*inputs[:3], f, g)
        ctx.mark_non_differentiable(iterations, converged)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Solve the linear system and pull the cotangents back to cost and marginals."""
        cost, a, b, f, g = ctx.saved_tensors
        grad_f, grad_g = grads[:2]
        epsilon, tau_a, tau_b = ctx.settings
        balanced = tau_a == 1.0 and tau_b == 1.0
        with torch.autocast(cost.device.type, enabled=False):
            q = _normalised(g[..., None, :] - cost, b[..., None, :], epsilon, -1)
            r = _normalised(f[..., :, None] - cost, a[..., :, None], epsilon, -2)
            Q, R = tau_a * q * b[..., None, :], tau_b * r * a[..., :, None]
            if cost.shape[-1] <= cost.shape[-2]:
                m = _solve(Q.mT @ R, grad_g - _times(Q.mT, grad_f), b if balanced else None)
                rows = grad_f - _times(R, m)
            else:
                rows = _solve(R @ Q.mT, grad_f - _times(R, grad_g), a if balanced else None)
                m = grad_g - _times(Q.mT, rows)
            grad_cost = rows[..., :, None] * Q + m[..., None, :] * R
            grad_a = -epsilon * tau_b * _times(r, m)
            grad_b = -epsilon * tau_a * _times(q.mT, rows)
        return grad_cost, grad_a, grad_b, None, None, None, None, None


def _normalised(exponents: Tensor, weights: Tensor, epsilon: float, dim: int) -> Tensor:
    """exp(exponents / epsilon), scaled so that its weighted sums over `dim` are one."""
    exponents = exponents / epsilon
    total = (weights.log() + exponents).logsumexp(dim, keepdim=True)
    return (exponents - torch.where(total == -torch.inf, 0.0, total)).exp()


def _solve(coupling: Tensor, right: Tensor, null: Tensor | None) -> Tensor:
    """Solve (1 - coupling) x = right.

    Balanced potentials are unique up to a constant, so the matrix is singular: 1^T on its left and
    the marginal `null` on its right give zero. Adding null 1^T picks one of the solutions. A mask
    that splits a problem into unconnected parts leaves one such constant a part; a ridge of a few
    roundings picks a solution there, and all of them give the same gradient of the plan.
    """
    ridge = 1 + 10 * torch.finfo(coupling.dtype).eps
    identity = torch.eye(coupling.shape[-1], dtype=coupling.dtype, device=coupling.device)
    matrix = ridge * identity - coupling
    if null is not None:
        matrix = matrix + null[..., :, None]
    return torch.linalg.solve_ex(matrix, right[..., None]).result[..., 0]


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
