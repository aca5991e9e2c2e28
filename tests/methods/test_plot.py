"""PLOT: o_c = sum over patches and prompts of plan times cosine; ImageNet adds global logits."""

import pytest
import torch
from references import (
    NAMES,
    assert_method,
    averaged,
    cross_entropy,
    table,
    transport,
    unit,
)

CONTEXT = "branches.local.prompt.context"
CONVERGED = {
    "model.branches.local.aligner.tolerance": 1e-12,
    "model.branches.local.aligner.max_iterations": 1000,
}


def texts_of(clip, learned):
    """Texts of the N shared prompts: a list a class."""
    return [
        [clip.text(context, clip.words(name), clip.words(".")) for context in learned[CONTEXT]]
        for name in NAMES
    ]


def local_logits(clip, pixels, texts, epsilon=0.1):
    """Transport of all patches to the prompts of each class, image by image."""
    rows = []
    for patches in clip.dense(pixels, "tokens") @ clip.projection:
        row = []
        for prompts in texts:
            similarity = table([[unit(m) @ unit(t) for t in prompts] for m in patches])  # [M, N]
            row.append(clip.scale * (transport(similarity, epsilon) * similarity).sum())
        rows.append(row)
    return table(rows)


def plot(clip, pixels, epsilon=0.1):
    def reference(learned):
        logits = local_logits(clip, pixels, texts_of(clip, learned), epsilon)
        return {"logits": logits, "local": logits}, {"loss_local": cross_entropy(logits)}

    return reference


def plot_on_imagenet(clip, pixels, pooled_text):
    """Sum, not mean, of both logits; one cross-entropy on the sum."""

    def reference(learned):
        texts = texts_of(clip, learned)
        local = local_logits(clip, pixels, texts)
        whole = table(
            [
                [clip.scale * (unit(image) @ pooled_text(prompts)) for prompts in texts]
                for image in clip.images(pixels)
            ]
        )
        both = local + whole
        logits = {"logits": both, "local": local, "global": whole}
        return logits, {"loss_fused": cross_entropy(both)}

    return reference


def test_plot(build, clip_of, pixels):
    learner = build("plot/vitb16_16shot", CONVERGED)
    assert {name: tuple(v.shape) for name, v in learner.state_dict().items()} == {
        CONTEXT: (4, 16, 128)
    }
    assert_method(learner, pixels, plot(clip_of(learner), pixels))


def test_plot_as_configured_has_converged(build, clip_of, pixels):
    """The config's own tolerance and iterations give the same logits."""
    learner = build("plot/vitb16_16shot")
    expected = plot(clip_of(learner), pixels)(learner.state_dict())[0]["logits"]
    found = learner(pixels)["logits"].detach()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_plot_on_imagenet(build, clip_of, pixels):
    learner = build("plot/vitb16_16shot_global", CONVERGED)
    assert set(learner.state_dict()) == {CONTEXT}, "one set of texts, borrowed by the global branch"
    assert_method(learner, pixels, plot_on_imagenet(clip_of(learner), pixels, averaged))


def test_texts_are_normalised_before_they_are_pooled(build, clip_of, pixels):
    """Unlike the published code, whose pooled text is the normalised mean of raw features."""
    learner = build("plot/vitb16_16shot_global", CONVERGED)
    raw = plot_on_imagenet(clip_of(learner), pixels, lambda prompts: unit(sum(prompts)))
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, raw)


@pytest.mark.parametrize("epsilon", [0.05, 10.0])
def test_another_plan_is_noticed(build, clip_of, pixels, epsilon):
    learner = build("plot/vitb16_16shot", CONVERGED)
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, plot(clip_of(learner), pixels, epsilon))
