"""The contract of every aligner, as laws; run them on your own.

    import pytest
    from plp.testing.aligner_laws import ALIGNER_LAWS

    @pytest.mark.parametrize("law", ALIGNER_LAWS)
    def test_my_aligner(law):
        ALIGNER_LAWS[law](MyAligner())

Needs hypothesis (`pip install plp[test]`). How many examples a law tries is hypothesis's
setting: `settings.register_profile("thorough", max_examples=500)` in your conftest, then
`pytest --hypothesis-profile thorough`.
"""

from functools import partial

import torch
from hypothesis import strategies as st
from torch import Tensor

from plp.aligners.base import Aligner
from plp.testing.laws import Law, require, require_close
from plp.testing.strategies import (
    Draw,
    MaskedCosines,
    cosines,
    ragged_cosines,
    rectangular_cosines,
)

# Room for an iteration that stops at a marginal error of 1e-6 where it converges slowly.
_require_close = partial(require_close, rtol=1e-3, atol=1e-5)


def _plans_look_like_plans(aligner: Aligner, similarity: Tensor) -> None:
    plan = aligner(similarity)
    require(
        plan.shape == similarity.shape,
        f"expected a plan of shape {list(similarity.shape)}, got {list(plan.shape)}",
    )
    require(bool(plan.isfinite().all()), "a plan is not finite")
    require(bool((plan >= 0).all()), f"a plan has the negative entry {plan.min()}")
    mass = plan.sum((-2, -1))
    require_close(mass, torch.ones_like(mass), atol=1e-5)


def _no_mass_where_there_is_no_pair(aligner: Aligner, example: MaskedCosines) -> None:
    plan = aligner(example.similarity, example.mask)
    require(bool((plan[~example.mask] == 0).all()), "a pair that does not exist got mass")
    require(bool((plan >= 0).all()), f"a plan has the negative entry {plan.min()}")
    mass = plan.sum((-2, -1))
    require_close(mass, torch.ones_like(mass), atol=1e-5)


def _a_mask_makes_a_smaller_problem(aligner: Aligner, example: MaskedCosines) -> None:
    plans = aligner(example.similarity, example.mask)
    for similarity, mask, plan in zip(*example, plans, strict=True):
        K, N = int(mask.any(1).sum()), int(mask.any(0).sum())
        _require_close(plan[:K, :N], aligner(similarity[:K, :N]))


def _a_problem_does_not_see_its_neighbours(aligner: Aligner, similarity: Tensor) -> None:
    """Up to rounding: PyTorch's own sums depend on the batch in the last bits."""
    plans = aligner(similarity)
    for problem, plan in zip(similarity, plans, strict=True):
        require_close(plan, aligner(problem), rtol=1e-5, atol=1e-7)


def _any_leading_axes(aligner: Aligner, similarity: Tensor) -> None:
    plan = aligner(similarity)
    for shape in ((1, *similarity.shape), (len(similarity), 1, *similarity.shape[1:])):
        require_close(aligner(similarity.view(shape)), plan.view(shape), rtol=1e-5, atol=1e-7)
    empty = aligner(similarity[:0])
    require(empty.shape == similarity[:0].shape, "an empty batch must give an empty plan")


def _patches_and_prompts_have_no_order(
    aligner: Aligner, example: tuple[Tensor, list[int], list[int]]
) -> None:
    similarity, rows, columns = example
    shuffled = aligner(similarity[:, rows][:, :, columns])
    _require_close(shuffled, aligner(similarity)[:, rows][:, :, columns])


def _the_same_twice(aligner: Aligner, similarity: Tensor) -> None:
    before = similarity.clone()
    first, second = aligner(similarity), aligner(similarity)
    require(torch.equal(similarity, before), "the similarities were overwritten")
    require_close(second, first)


def _precision_is_kept(aligner: Aligner, similarity: Tensor) -> None:
    double = aligner(similarity.double())
    require(double.dtype == torch.float64, f"float64 similarities gave a {double.dtype} plan")
    single = aligner(similarity)
    require(single.dtype == torch.float32, f"float32 similarities gave a {single.dtype} plan")
    _require_close(single.double(), double)
    for half in (torch.float16, torch.bfloat16):
        rounded = similarity.to(half)
        require_close(aligner(rounded), aligner(rounded.float()))


def _autocast_changes_nothing(aligner: Aligner, similarity: Tensor) -> None:
    plain = aligner(similarity)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        require_close(aligner(similarity), plain)


def _large_values_do_no_harm(aligner: Aligner, example: tuple[Tensor, float]) -> None:
    similarity, scale = example
    _plans_look_like_plans(aligner, similarity * scale)


def _gradients_are_finite(aligner: Aligner, example: MaskedCosines) -> None:
    similarity = example.similarity.clone().requires_grad_()
    plan = aligner(similarity, example.mask)
    (gradient,) = torch.autograd.grad((plan * similarity).sum(), similarity)
    require(bool(gradient.isfinite().all()), "the gradient of the score is not finite")


@st.composite
def _shuffles(draw: Draw) -> tuple[Tensor, list[int], list[int]]:
    similarity = draw(cosines())
    rows, columns = (list(draw(st.permutations(range(n)))) for n in similarity.shape[1:])
    return similarity, rows, columns


ALIGNER_LAWS: dict[str, Law] = {
    "plans are non-negative, finite, of mass one": Law(_plans_look_like_plans, cosines()),
    "no mass where there is no pair": Law(_no_mass_where_there_is_no_pair, ragged_cosines()),
    "a mask makes a smaller problem": Law(_a_mask_makes_a_smaller_problem, rectangular_cosines()),
    "a problem does not see its neighbours": Law(_a_problem_does_not_see_its_neighbours, cosines()),
    "any leading axes": Law(_any_leading_axes, cosines()),
    "patches and prompts have no order": Law(_patches_and_prompts_have_no_order, _shuffles()),
    "the same twice, inputs untouched": Law(_the_same_twice, cosines()),
    "precision is kept": Law(_precision_is_kept, cosines()),
    "autocast changes nothing": Law(_autocast_changes_nothing, cosines()),
    "large values do no harm": Law(
        _large_values_do_no_harm, st.tuples(cosines(), st.sampled_from([10.0, 1e3, 1e4]))
    ),
    "gradients are finite": Law(_gradients_are_finite, ragged_cosines()),
}
