"""Numbers about plans against their definitions and their extremes."""

import itertools

import pytest
import torch

from plp.aligners import (
    MaxSimAligner,
    SinkhornAligner,
    interaction,
    mean_plan,
    plan_diagnostics,
    sinkhorn,
)

torch.manual_seed(0)
SIMILARITY = torch.rand(3, 10, 4, dtype=torch.float64)


def test_the_mean_does_nothing():
    numbers = plan_diagnostics(mean_plan(SIMILARITY), SIMILARITY)
    ones = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(numbers.entropy, ones)
    torch.testing.assert_close(numbers.prompt_overlap, ones)
    assert numbers.distance_to_uniform.tolist() == [0.0] * 3
    assert numbers.gain.tolist() == [0.0] * 3


def test_an_assignment_does_all_it_can():
    plan = torch.eye(4, dtype=torch.float64) / 4
    numbers = plan_diagnostics(plan, plan)
    assert float(numbers.prompt_overlap) == 0.0
    assert float(numbers.entropy) == pytest.approx(0.5)  # log 4 / log 16
    assert float(numbers.distance_to_uniform) == pytest.approx(0.75)


def test_definitions():
    plan = SinkhornAligner(epsilon=0.05)(SIMILARITY)
    numbers = plan_diagnostics(plan, SIMILARITY)
    entropy = torch.distributions.Categorical(probs=plan.flatten(1)).entropy()
    torch.testing.assert_close(numbers.entropy, entropy / torch.tensor(40.0).double().log())
    torch.testing.assert_close(
        numbers.distance_to_uniform, (plan - 1 / 40).clamp_min(0).sum((1, 2)), rtol=0, atol=1e-7
    )
    spreads = plan / plan.sum(1, keepdim=True)
    pairs = [
        torch.minimum(spreads[:, :, m], spreads[:, :, n]).sum(1)
        for m, n in itertools.combinations(range(4), 2)
    ]
    torch.testing.assert_close(numbers.prompt_overlap, torch.stack(pairs).mean(0))
    gain = (plan * SIMILARITY).sum((1, 2)) - SIMILARITY.mean((1, 2))
    torch.testing.assert_close(numbers.gain, gain)


def test_prompts_without_a_patch_do_not_count():
    mask = torch.ones(10, 4, dtype=torch.bool)
    mask[:, 3] = False
    masked = plan_diagnostics(SinkhornAligner()(SIMILARITY, mask), SIMILARITY, mask)
    three = SIMILARITY[..., :3]
    smaller = plan_diagnostics(SinkhornAligner()(three), three)
    for one, other in zip(masked, smaller, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_one_prompt_overlaps_with_itself():
    one = SIMILARITY[..., :1]
    assert plan_diagnostics(MaxSimAligner()(one), one).prompt_overlap.tolist() == [1.0] * 3


def test_diagnostics_carry_no_gradient():
    similarity = SIMILARITY.clone().requires_grad_()
    plan = SinkhornAligner(gradient="implicit")(similarity)
    assert not any(n.requires_grad for n in plan_diagnostics(plan, similarity))


def test_interaction_is_what_row_and_column_effects_leave():
    pure = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).double()
    assert float(interaction(pure)) == pytest.approx(1.0)
    mixed = 0.3 * pure + torch.rand(2, 1).double() + torch.rand(1, 2).double()
    assert float(interaction(mixed)) == pytest.approx(0.3)


def test_interaction_over_epsilon_predicts_what_transport_does():
    noise = torch.randn(200, 10, 4, dtype=torch.float64)
    noise -= noise.mean(1, keepdim=True)
    noise -= noise.mean(2, keepdim=True)
    distances = []
    for scale in (0.1, 1.0, 10.0):
        similarity = 0.1 * scale * noise
        plan = sinkhorn(1 - similarity, epsilon=0.1, max_iterations=500).plan
        distances.append(float(plan_diagnostics(plan, similarity).distance_to_uniform.mean()))
    assert distances[0] < 0.05
    assert distances[2] > 0.5
