"""Branches: scores and losses against plain formulas."""

import pytest
import torch
from cases import INPUTS
from torch.nn import functional as F
from torch.testing import assert_close
from unchecked import as_installed

from plp.branches import GlobalBranch, LocalBranch
from plp.structures import ImageFeatures

B, P, C, N, W, E = 3, 7, 4, 2, 6, 5
SCALE = torch.tensor(20.0)
LABELS = torch.tensor([0, 3, 1])
GLOBAL = dict(prompt=dict(type="SharedContext", num_prompts=N, words="a photo of"))
LOCAL = dict(
    prompt=dict(type="SharedContext", num_prompts=N, words="a photo of"),
    stream="toy",
    selector=dict(type="AllPatches"),
    aligner=dict(type="MeanAligner"),
)


@pytest.fixture
def seen():
    """Features, texts and the map into the joint space."""
    generator = torch.Generator().manual_seed(2)
    dense = torch.randn(B, P, W, generator=generator)
    features = ImageFeatures(torch.randn(B, E, generator=generator), {"toy": dense}, (1, P))
    text = F.normalize(torch.randn(C, N, E, generator=generator), dim=-1)
    weight = torch.randn(E, W, generator=generator)
    return features, text, lambda x: F.linear(x, weight)


def local(**changes):
    return LocalBranch(**{**LOCAL, **changes}, inputs=INPUTS)


def patch_cosines(seen):
    features, text, project = seen
    patches = project(features.dense["toy"])[:, :, None, None]  # [B, P, 1, 1, E]
    return F.cosine_similarity(patches, text[None, None], dim=-1)  # [B, P, C, N]


def test_global_scores_are_mean_cosines(seen):
    features, text, project = seen
    evidence = GlobalBranch(**GLOBAL, inputs=INPUTS)(features, text, project)
    cosines = F.cosine_similarity(features.pooled[:, None, None], text[None], dim=-1)
    assert_close(evidence.similarity, cosines)
    assert_close(evidence.prompt_scores, cosines)
    assert_close(evidence.scores, cosines.mean(-1))


def test_local_mean_over_all_patches_is_the_mean_of_the_cosines(seen):
    cosines = patch_cosines(seen)
    evidence = local()(*seen, patch_scores=True)
    assert_close(evidence.scores, cosines.mean((1, 3)))
    assert_close(evidence.prompt_scores, cosines.mean(1))
    assert_close(evidence.patch_scores, cosines.mean(-1).to(torch.float32))


def test_local_score_is_plan_times_cosine_on_the_support(seen):
    cosines = patch_cosines(seen)
    branch = local(
        selector=dict(type="SharedTopK", k=3), aligner=dict(type="SinkhornAligner", epsilon=0.1)
    )
    evidence = branch(*seen)
    for b in range(B):
        for c in range(C):
            chosen = cosines[b, evidence.support.indices[b, c, :, 0], c]  # [K, N]
            plan = branch.aligner(chosen)
            assert_close(evidence.similarity[b, c], chosen)
            assert_close(evidence.plan[b, c], plan, atol=1e-5, rtol=1e-4)
            assert_close(evidence.scores[b, c], (plan * chosen).sum(), atol=1e-5, rtol=1e-4)


def test_supports_of_different_sizes_count_what_they_keep(seen):
    cosines = patch_cosines(seen)
    branch = local(selector=dict(type="PromptTopK", k=(2, 5)))
    evidence = branch(*seen)
    expected = torch.stack([cosines[..., n].topk(k, 1).values.mean(1) for n, k in ((0, 2), (1, 5))])
    assert_close(evidence.prompt_scores, expected.permute(1, 2, 0))
    assert_close(evidence.scores, expected.mean(0))
    assert not evidence.plan[:, :, 2:, 0].any()


def test_the_published_code_divides_by_the_number_of_prompts(seen):
    paper, published = local()(*seen), local(score_scale="published_code")(*seen)
    assert_close(published.scores, paper.scores / N)
    assert_close(published.prompt_scores, paper.prompt_scores)
    assert_close(published.plan, paper.plan)


@pytest.mark.parametrize("score_scale", ["paper", "published_code"])
def test_local_losses(seen, score_scale):
    factor = 1 if score_scale == "paper" else 1 / N
    mean, single = (
        local(score_scale=score_scale, loss=loss, selector=dict(type="SharedTopK", k=2))
        for loss in ("mean", "per_prompt")
    )
    evidence = mean(*seen)
    assert_close(
        mean.loss(evidence, LABELS, SCALE), F.cross_entropy(SCALE * evidence.scores, LABELS)
    )
    losses = [
        F.cross_entropy(SCALE * factor * evidence.prompt_scores[..., n], LABELS) for n in range(N)
    ]
    assert_close(single.loss(single(*seen), LABELS, SCALE), torch.stack(losses).mean())


def test_global_losses(seen):
    mean, single = (
        GlobalBranch(**GLOBAL, loss=kind, inputs=INPUTS) for kind in ("mean", "per_prompt")
    )
    evidence = mean(*seen)
    expected = F.cross_entropy(SCALE * evidence.scores, LABELS)
    assert_close(mean.loss(evidence, LABELS, SCALE), expected)
    losses = [F.cross_entropy(SCALE * evidence.prompt_scores[..., n], LABELS) for n in range(N)]
    assert_close(single.loss(evidence, LABELS, SCALE), torch.stack(losses).mean())


def test_dropout_changes_the_loss_of_training_and_nothing_else(seen):
    branch = GlobalBranch(**GLOBAL, dropout=0.5, inputs=INPUTS).train()
    evidence = branch(*seen)
    assert_close(evidence.scores, evidence.similarity.mean(-1))
    torch.manual_seed(0)
    losses = {float(branch.loss(evidence, LABELS, SCALE)) for _ in range(20)}
    assert len(losses) > 3
    branch.eval()
    expected = F.cross_entropy(SCALE * evidence.scores, LABELS)
    assert_close(branch.loss(evidence, LABELS, SCALE), expected)


def test_scores_stay_float32_under_autocast(seen):
    features, text, project = seen
    branch = local(aligner=dict(type="SinkhornAligner"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        evidence = branch(features, text, lambda x: project(x.float()).float())
    for value in (evidence.scores, evidence.prompt_scores, evidence.similarity, evidence.plan):
        assert value.dtype == torch.float32
    assert_close(evidence.scores, branch(*seen).scores, atol=5e-3, rtol=0)


def test_patch_scores_carry_no_gradient(seen):
    features, text, project = seen
    evidence = local()(features, text.requires_grad_(), project, patch_scores=True)
    assert evidence.scores.requires_grad
    assert not evidence.patch_scores.requires_grad


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: local(score_scale="half"), "'paper' or 'published_code', got 'half'"),
        (lambda: local(loss="sum"), "expected loss to be 'mean' or 'per_prompt', got 'sum'"),
        (lambda: GlobalBranch(**GLOBAL, loss="sum", inputs=INPUTS), "'per_prompt', got 'sum'"),
        (
            lambda: GlobalBranch(**GLOBAL, loss="per_prompt", dropout=0.5, inputs=INPUTS),
            "dropout averages prompts, so it goes with loss='mean' only",
        ),
        (
            lambda: GlobalBranch(**GLOBAL, dropout=1.0, inputs=INPUTS),
            r"dropout rate in \[0, 1\), got 1.0",
        ),
        (lambda: local(selector=dict(type="TopK")), "selector 'TopK' is not registered"),
    ],
)
def test_refused(build, message):
    with as_installed(), pytest.raises(ValueError, match=message):
        build()


def test_printed():
    assert "stream='toy', score_scale='paper', loss='mean'" in repr(local())
