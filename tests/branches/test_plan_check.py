"""An aligner from outside that returns no plan is refused in the first batch, by name."""

import pytest
import torch
from cases import INPUTS

from plp.aligners import Aligner, MeanAligner
from plp.branches import LocalBranch
from plp.errors import ConfigError
from plp.structures import ImageFeatures


class Custom(Aligner):
    """The mean, spoiled."""

    def __init__(self, spoil):
        super().__init__()
        self.spoil = spoil
        self.calls = 0

    def forward(self, similarity, mask=None):
        self.calls += 1
        return self.spoil(MeanAligner()(similarity, mask), mask, self)


def _set(plan, value):
    plan = plan.clone()
    plan[0, 0, 0, 0] = value
    return plan


def _outside(plan, mask):
    assert mask is not None
    return torch.full_like(plan, 1 / plan[0, 0].numel())


BROKEN = {
    "negative": (lambda p, m, a: p - 2 * p.mean() * (torch.arange(p.shape[2]) == 0)[:, None],
                 r"expected numbers >= 0, got \d+ of \d+ below \(the least -"),
    "mass two": (lambda p, m, a: 2 * p, "expected a mass of 1 for each image and class, got 2"),
    "no mass": (lambda p, m, a: 0 * p, "mass of 1 for each image and class, got 0"),
    "mass over all classes": (lambda p, m, a: p / p.shape[1], "mass of 1 .* got 0.3333"),
    "one wrong class": (lambda p, m, a: _set(p, 0.5), r"mass of 1 .* got 1 to 1\.\d+"),
    "nan": (lambda p, m, a: _set(p, float("nan")), "expected finite numbers, got 1 of"),
    "infinite": (lambda p, m, a: _set(p, float("inf")), "expected finite numbers, got 1 of"),
    "broadcasts": (lambda p, m, a: p.sum(-1, keepdim=True),
                   r"expected the shape \[2, 3, 4, 2\] .* got \[2, 3, 4, 1\]"),
    "transposed": (lambda p, m, a: p.mT, r"expected the shape \[2, 3, 4, 2\] .*got \[2, 3, 2, 4\]"),
    "no tensor": (lambda p, m, a: [p], "expected a tensor, got list"),
    "only in evaluation": (lambda p, m, a: p if a.training else 3 * p, "mass of 1 .* got 3"),
}  # fmt: skip


def branch_with(aligner, selector=None):
    return LocalBranch(
        prompt=dict(type="SharedContext", num_prompts=2, words="a photo of"),
        stream="toy",
        selector=selector or dict(type="SharedTopK", k=4),
        aligner=aligner,
        inputs=INPUTS,
    )


def look(branch, dense=None):
    dense = torch.rand(2, 6, 8) if dense is None else dense
    features = ImageFeatures(torch.rand(2, 8), {"toy": dense}, (2, 3))
    return branch(features, torch.rand(3, 2, 8), lambda dense: dense)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_plan_is_refused(name):
    spoil, message = BROKEN[name]
    branch = branch_with(Custom(spoil))
    if name == "only in evaluation":
        look(branch.train())
    branch.eval()
    with pytest.raises(ConfigError, match=message) as caught:
        look(branch)
    assert "the aligner Custom returned no transport plan" in str(caught.value)


def test_mass_where_the_mask_is_false_is_refused():
    branch = branch_with(Custom(lambda p, m, a: _outside(p, m)), dict(type="PromptTopK", k=(2, 4)))
    with pytest.raises(ConfigError, match=r"no mass where the mask is False, got 0\.25"):
        look(branch)


def test_a_right_one_is_looked_at_once_a_mode(monkeypatch):
    looked = []
    monkeypatch.setattr("plp.branches.local_branch.check_plan", lambda *a: looked.append(1))
    branch = branch_with(Custom(lambda p, m, a: p))
    for _ in range(3):
        look(branch.train())
        look(branch.eval())
    assert len(looked) == 2
    look(branch_with(dict(type="SinkhornAligner")))
    assert len(looked) == 2, "plp's own are tested elsewhere"


def test_similarities_that_are_not_finite_are_not_the_aligners_fault():
    dense = torch.full((2, 6, 8), float("nan"))
    look(branch_with(Custom(lambda p, m, a: p * float("nan"))), dense)


def test_half_precision_serves():
    look(branch_with(Custom(lambda p, m, a: p.half())))
