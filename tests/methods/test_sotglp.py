"""SOT-GLP: one sparse support a class, divided among the class's prompts by balanced transport.

The published code's numbers are in tests/learners/test_parity.py (float32); this is the formula
(arXiv 2603.08347), for the paper's equations, the published scale and every ablation.
"""

import pytest
import torch
from references import (
    LABELS,
    NAMES,
    assert_method,
    cosines,
    cross_entropy,
    table,
    transport,
    unit,
)

GLOBAL, LOCAL = "branches.global.prompt.context", "branches.local.prompt.context"
MAP = "branches.local.projection.weight"
KEPT = 10
_ALIGNER = "model.branches.local.aligner"
CONVERGED = {f"{_ALIGNER}.tolerance": 1e-12, f"{_ALIGNER}.max_iterations": 1000}


def global_logits(clip, pixels, contexts):
    """Logits of each shared prompt: a list of [B, C]."""
    images = clip.images(pixels)
    return [
        clip.scale * cosines(images, [clip.text(context, clip.words(name)) for name in NAMES])
        for context in contexts
    ]


def shared_support(similarity):
    """The patches of the largest cosine, averaged over the prompts of the class."""
    return similarity[similarity.mean(1).sort(descending=True).indices[:KEPT]]


def supports_of_their_own(similarity):
    """Each prompt's own patches of the largest cosine, side by side."""
    return similarity.sort(0, descending=True).values[:KEPT]


def balanced(similarity):
    return transport(similarity, 0.1)


def half_balanced(similarity, epsilon=0.1, rho=0.1):
    """Transport whose patches may miss their share, at a price of rho times the divergence."""
    kernel = torch.exp(-(1 - similarity.detach()) / epsilon)
    patches, prompts = kernel.shape
    column = torch.ones(prompts, dtype=kernel.dtype)
    for _ in range(2000):
        row = ((kernel @ column) / prompts) ** (-rho / (rho + epsilon))
        column = patches / (kernel.T @ row)
    return row[:, None] * kernel * column / (patches * prompts)


def even(similarity):
    return torch.full_like(similarity, 1 / similarity.numel())


def best_patch(similarity):
    """All of a prompt's share on its most similar patch."""
    chosen = similarity == similarity.max(0, keepdim=True).values
    return chosen / similarity.shape[1]


def local_logits(clip, pixels, learned, plan=balanced, support=shared_support, published=True):
    """Sum over support and prompts of plan times cosine, class by class, image by image."""
    projection = learned[MAP].T @ clip.projection if MAP in learned else clip.projection
    texts = [
        [unit(clip.text(context, clip.words(name))) for context in contexts]
        for contexts, name in zip(learned[LOCAL], NAMES, strict=True)
    ]
    rows = []
    for patches in clip.dense(pixels, "vv") @ projection:
        row = []
        for prompts in texts:
            similarity = support(table([[unit(m) @ t for t in prompts] for m in patches]))  # [K, N]
            score = (plan(similarity) * similarity).sum()
            row.append(clip.scale * score / (len(prompts) if published else 1))
        rows.append(row)
    return table(rows)


def sotglp(clip, pixels, drawn=None, **how):
    """Reference; `drawn` has the one global prompt that each image keeps in training."""

    def reference(learned):
        whole = global_logits(clip, pixels, learned[GLOBAL])
        scores, local = sum(whole) / len(whole), local_logits(clip, pixels, learned, **how)
        trained = scores
        if drawn is not None:
            trained = torch.stack([whole[n][i] for i, n in enumerate(drawn)])
        losses = {"loss_global": cross_entropy(trained), "loss_local": cross_entropy(local)}
        return {"logits": (scores + local) / 2, "global": scores, "local": local}, losses

    return reference


def matched(name, build, clip_of, pixels, options=None, **how):
    """Compare a config with the formula; the zero-shot reference has no part in either."""
    learner = build(f"sotglp/{name}", options)
    assert_method(learner, pixels, sotglp(clip_of(learner), pixels, **how))
    return learner


@pytest.mark.parametrize(
    ("name", "published"),
    [("vitb16_16shot", True), ("vitb16_16shot_published", True), ("vitb16_16shot_paper", False)],
)
def test_sotglp(build, clip_of, pixels, name, published):
    learner = matched(name, build, clip_of, pixels, CONVERGED, published=published)
    assert {key: tuple(value.shape) for key, value in learner.state_dict().items()} == {
        GLOBAL: (3, 4, 128), LOCAL: (4, 4, 4, 128), MAP: (128, 128),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["vitb16_16shot_noproj", "vitb16_16shot_published_noproj"])
def test_without_projection(build, clip_of, pixels, name):
    learner = matched(name, build, clip_of, pixels, CONVERGED)
    assert set(learner.state_dict()) == {GLOBAL, LOCAL}


def test_as_configured_it_has_converged(build, clip_of, pixels):
    """The config's own tolerance and iterations give the same logits."""
    learner = build("sotglp/vitb16_16shot")
    expected = sotglp(clip_of(learner), pixels)(learner.state_dict())[0]["logits"]
    found = learner(pixels)["logits"].detach()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("epsilon", [0.05, 0.01])
def test_a_smaller_epsilon(build, clip_of, pixels, epsilon):
    matched(
        "vitb16_16shot", build, clip_of, pixels, CONVERGED | {f"{_ALIGNER}.epsilon": epsilon},
        plan=lambda similarity: transport(similarity, epsilon),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "plan"), [("MeanAligner", even), ("MaxSimAligner", best_patch)], ids=["mean", "maxsim"]
)
def test_ablations_without_transport(build, clip_of, pixels, kind, plan):
    options = {_ALIGNER: dict(_delete_=True, type=kind)}
    matched("vitb16_16shot", build, clip_of, pixels, options, plan=plan)


def test_unbalanced_ablation(build, clip_of, pixels):
    options = CONVERGED | {f"{_ALIGNER}.type": "UnbalancedSinkhornAligner"}
    matched("vitb16_16shot", build, clip_of, pixels, options, plan=half_balanced)


def test_ablation_of_a_support_for_each_prompt(build, clip_of, pixels):
    options = {
        _ALIGNER: dict(_delete_=True, type="MeanAligner"),
        "model.branches.local.selector.type": "PromptTopK",
    }
    matched(
        "vitb16_16shot", build, clip_of, pixels, options,
        plan=even, support=supports_of_their_own,
    )  # fmt: skip


def test_in_training_each_image_keeps_one_global_prompt(build, clip_of, pixels, drawn):
    learner = build("sotglp/vitb16_16shot", CONVERGED)
    losses = learner.train()(pixels, LABELS, mode="loss")
    (kept,) = drawn
    assert kept.shape == (3, 1, 1)  # images, all classes, max(3 - int(0.75 * 3), 1) prompts
    learned = {key: value for key, value in learner.named_parameters() if value.requires_grad}
    expected = sotglp(clip_of(learner), pixels, kept.flatten().tolist())(learned)[1]
    grads = [
        torch.autograd.grad(found["loss_global"] + found["loss_local"], list(learned.values()))
        for found in (losses, expected)
    ]
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name], loss, atol=1e-7, rtol=0)
    for found, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-7, rtol=1e-7)


WRONG = {
    "the paper's scale": dict(published=False),
    "no transport": dict(plan=even),
    "another epsilon": dict(plan=lambda similarity: transport(similarity, 0.09)),
    "a support for each prompt": dict(support=supports_of_their_own),
    "all patches": dict(support=lambda similarity: similarity),
}


@pytest.mark.parametrize("how", WRONG.values(), ids=WRONG)
def test_another_method_is_noticed(build, clip_of, pixels, how):
    learner = build("sotglp/vitb16_16shot", CONVERGED)
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, sotglp(clip_of(learner), pixels, **how))
