"""Methods that learn in the joint space: CLIP-Adapter on images, TaskRes on texts."""

import pytest
import torch
from references import NAMES, assert_method, cosines, cross_entropy

from plp.config.load import load_config

ADAPTER = "branches.global.image_head.adapter"
RESIDUAL = "branches.global.text_head.residual"


def templates(clip, template="a photo of a {}."):
    return [clip.sentence(template.format(name)).detach() for name in NAMES]


# ------------------------------------------------------------------------------------ CLIP-Adapter


def clip_adapter(clip, pixels, ratio=0.2):
    """f' = ratio ReLU(W2 ReLU(W1 f)) + (1 - ratio) f of the raw f, normalised after the blend."""

    def reference(learned):
        first, second = learned[f"{ADAPTER}.0.weight"], learned[f"{ADAPTER}.2.weight"]
        images = [
            ratio * (second @ (first @ f).clamp(min=0)).clamp(min=0) + (1 - ratio) * f
            for f in clip.images(pixels)
        ]
        logits = clip.scale * cosines(torch.stack(images), templates(clip))
        return {"logits": logits, "global": logits}, {"loss_global": cross_entropy(logits)}

    return reference


def test_clip_adapter(build, clip_of, pixels):
    learner = build("clip_adapter/vitb16_16shot")
    assert {name: tuple(v.shape) for name, v in learner.state_dict().items()} == {
        f"{ADAPTER}.0.weight": (16, 64),  # reduction 4, no biases
        f"{ADAPTER}.2.weight": (64, 16),
    }
    assert_method(learner, pixels, clip_adapter(clip_of(learner), pixels))


def test_another_ratio_is_noticed(build, clip_of, pixels):
    learner = build("clip_adapter/vitb16_16shot")
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, clip_adapter(clip_of(learner), pixels, ratio=0.8))


# ----------------------------------------------------------------------------------------- TaskRes


def taskres(clip, pixels, alpha, template="a photo of a {}."):
    """t'_c = t_c + alpha x_c of the raw t_c, normalised after the sum."""

    def reference(learned):
        texts = templates(clip, template)
        moved = [t + alpha * x for t, x in zip(texts, learned[RESIDUAL], strict=True)]
        logits = clip.scale * cosines(clip.images(pixels), moved)
        return {"logits": logits, "global": logits}, {"loss_global": cross_entropy(logits)}

    return reference


@pytest.mark.parametrize(
    ("data_set", "alpha", "template"),
    [
        (None, 0.5, "a photo of a {}."),
        ("oxford_flowers", 1.0, "a photo of a {}, a type of flower."),
    ],
)
def test_taskres(build, clip_of, pixels, root, data_set, alpha, template):
    recipes = load_config(root / "configs/taskres/vitb16_16shot.py").recipes
    learner = build("taskres/vitb16_16shot", recipes[data_set] if data_set else None)
    assert {n: tuple(v.shape) for n, v in learner.state_dict().items()} == {RESIDUAL: (4, 64)}
    assert_method(learner, pixels, taskres(clip_of(learner), pixels, alpha, template))


def test_taskres_starts_as_the_zero_shot_classifier(build, pixels):
    learner = build("taskres/vitb16_16shot", stirred=0.0)
    assert not learner.state_dict()[RESIDUAL].any()
    for row in learner.predict(pixels):
        torch.testing.assert_close(row["logits"], row["zero_shot"])


def test_another_weight_of_the_residuals_is_noticed(build, clip_of, pixels):
    learner = build("taskres/vitb16_16shot")
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, taskres(clip_of(learner), pixels, alpha=1.0))
