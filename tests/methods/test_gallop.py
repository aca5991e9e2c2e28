"""GalLoP: global prompts with dropout, local prompts each on its own most similar patches.

The published code's numbers are in tests/learners/test_parity.py (float32); this is the formula.
"""

import pytest
import torch
from references import LABELS, NAMES, assert_method, cosines, cross_entropy, table, unit

GLOBAL, LOCAL = "branches.global.prompt.context", "branches.local.prompt.context"
MAP = "branches.local.projection.weight"
KEPT = (5, 10, 15, 20)


def texts_of(clip, contexts):
    """Texts of shared prompts: a list of classes per prompt. No full stop, as published."""
    return [[clip.text(context, clip.words(name)) for name in NAMES] for context in contexts]


def gallop(clip, pixels, drawn=None, kept=KEPT):
    """Reference; `drawn` has the one global prompt that each image keeps in training."""

    def reference(learned):
        images = clip.images(pixels)
        whole = [clip.scale * cosines(images, texts) for texts in texts_of(clip, learned[GLOBAL])]
        single = [
            local_logits(clip, pixels, learned[MAP], texts, k)
            for texts, k in zip(texts_of(clip, learned[LOCAL]), kept, strict=True)
        ]
        scores, local = sum(whole) / len(whole), sum(single) / len(single)
        trained = scores
        if drawn is not None:
            trained = torch.stack([whole[n][i] for i, n in enumerate(drawn)])
        losses = {
            "loss_global": cross_entropy(trained),
            "loss_local": sum(cross_entropy(logits) for logits in single) / len(single),
        }
        return {"logits": (scores + local) / 2, "global": scores, "local": local}, losses

    return reference


def local_logits(clip, pixels, weight, texts, k):
    """Mean cosine of the k patches that are most similar to the text, for one prompt."""
    rows = []
    for patches in clip.dense(pixels, "value") @ weight.T @ clip.projection:
        row = []
        for text in texts:
            alike = torch.stack([unit(patch) @ unit(text) for patch in patches])
            row.append(clip.scale * alike.sort(descending=True).values[:k].mean())
        rows.append(row)
    return table(rows)


def test_gallop(build, clip_of, pixels):
    learner = build("gallop/vitb16_16shot")
    assert {name: tuple(v.shape) for name, v in learner.state_dict().items()} == {
        GLOBAL: (4, 4, 128),
        LOCAL: (4, 4, 128),
        MAP: (128, 128),
    }
    assert_method(learner, pixels, gallop(clip_of(learner), pixels))


def test_gallop_in_training_keeps_a_quarter_of_the_global_prompts(build, clip_of, pixels, drawn):
    learner = build("gallop/vitb16_16shot")
    losses = learner.train()(pixels, LABELS, mode="loss")
    (kept,) = drawn
    assert kept.shape == (3, 1, 1)  # images, all classes, max(4 - int(0.75 * 4), 1) prompts
    learned = dict(learner.named_parameters())
    expected = gallop(clip_of(learner), pixels, kept.flatten().tolist())(learned)[1]
    grads = []
    for found in (losses, expected):
        total = found["loss_global"] + found["loss_local"]
        grads.append(torch.autograd.grad(total, [learned[key] for key in (GLOBAL, LOCAL, MAP)]))
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name], loss, atol=1e-7, rtol=0)
    for found, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-7, rtol=1e-7)


def test_a_step_may_train_some_of_the_global_prompts(build, clip_of, pixels):
    """The other dropout of the published code, off there and here: a draw for the whole step."""
    key = "model.branches.global.prompt.prompts_a_step"
    learner = build("gallop/vitb16_16shot", {key: 2})
    learner.branches["global"].dropout.p = 0.0
    clip, learned = clip_of(learner), dict(learner.named_parameters())
    torch.manual_seed(3)
    loss = learner.train()(pixels, LABELS, mode="loss")["loss_global"]
    torch.manual_seed(3)
    drawn = torch.randperm(4)[:2]
    context = learned[GLOBAL].detach().requires_grad_(True)
    images = clip.images(pixels)
    whole = [clip.scale * cosines(images, texts) for texts in texts_of(clip, context[drawn])]
    expected = cross_entropy(sum(whole) / 2)
    torch.testing.assert_close(loss, expected, atol=1e-7, rtol=0)
    (found,) = torch.autograd.grad(loss, learned[GLOBAL])
    (wanted,) = torch.autograd.grad(expected, context)
    torch.testing.assert_close(found, wanted, atol=1e-7, rtol=1e-7)
    assert (found[drawn].abs().sum((1, 2)) > 0).all()
    assert found.abs().sum((1, 2)).count_nonzero() == 2


def test_other_numbers_of_patches_are_noticed(build, clip_of, pixels):
    learner = build("gallop/vitb16_16shot")
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, gallop(clip_of(learner), pixels, kept=(5, 10, 15, 19)))
