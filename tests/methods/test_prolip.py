"""ProLIP: logits = s cos(W h, t_c), h the class token in front of CLIP's projection."""

import pytest
import torch
from references import LABELS, NAMES, assert_method, cosines, cross_entropy

from plp.config.load import load_config

WEIGHT = "tuners.projection.weight"


def hidden(clip, pixels):
    """Class token behind the last norm, by the library's own modules: [B, W]."""
    visual = clip.backbone.model.visual
    proj, visual.proj = visual.proj, None
    try:
        return visual(clip.normalised(pixels)).detach()
    finally:
        visual.proj = proj


def prolip(clip, pixels, penalty, template="a photo of a {}."):
    texts = [clip.sentence(template.format(name)).detach() for name in NAMES]
    start = clip.projection.detach().T
    tokens = hidden(clip, pixels)

    def reference(learned):
        weight = learned[WEIGHT]
        images = torch.stack([weight @ token for token in tokens])
        logits = clip.scale * cosines(images, texts)
        moved = sum((row - old).square().sum() for row, old in zip(weight, start, strict=True))
        return (
            {"logits": logits, "global": logits},
            {"loss_global": cross_entropy(logits), "loss_projection": penalty * moved},
        )

    return reference


@pytest.mark.parametrize(("data_set", "template"), [
    (None, "a photo of a {}."), ("dtd", "{} texture."),
])  # fmt: skip
def test_prolip(build, clip_of, pixels, root, data_set, template):
    recipes = load_config(root / "configs/prolip/vitb16_16shot.py").recipes
    options = {k: v for k, v in recipes[data_set].items() if "branches" in k} if data_set else {}
    learner = build("prolip/vitb16_16shot", options)
    assert {n: tuple(v.shape) for n, v in learner.state_dict().items()} == {WEIGHT: (64, 128)}
    assert_method(learner, pixels, prolip(clip_of(learner), pixels, 1 / 16, template))


def test_another_penalty_is_noticed(build, clip_of, pixels):
    learner = build("prolip/vitb16_16shot")
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, prolip(clip_of(learner), pixels, 1 / 15))


def test_it_starts_as_the_zero_shot_classifier(build, pixels):
    learner = build("prolip/vitb16_16shot", stirred=0.0)
    for row in learner.predict(pixels):
        torch.testing.assert_close(row["logits"], row["zero_shot"], rtol=0, atol=1e-10)
    assert learner.loss(pixels, LABELS)["loss_projection"].item() == 0


def test_references_see_the_tower_as_it_is(build, clip_of, pixels):
    learner = build("prolip/vitb16_16shot")
    clip = clip_of(learner)
    texts = [clip.sentence(f"a photo of a {name}.").detach() for name in NAMES]
    expected = clip.scale * cosines(clip.images(pixels), texts)
    found = torch.stack([row["zero_shot"] for row in learner.predict(pixels)])
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shots", "penalty"), [(1, 1), (2, 1 / 2), (4, 1 / 4), (8, 1 / 8)])
@pytest.mark.parametrize("backbone", ["lite", "vitb16"])
def test_the_penalty_goes_with_the_shots(root, shots, penalty, backbone):
    config = load_config(root / f"configs/prolip/{backbone}_16shot.py")
    assert config.model.tuners.projection.penalty == 1 / 16
    assert config.shot_recipes[str(shots)]["model.tuners.projection.penalty"] == penalty
