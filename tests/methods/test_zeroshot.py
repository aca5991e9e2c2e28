"""Zero-shot: logits = s cos(f, t_c); of several templates, t_c is their normalised mean."""

import pytest
from references import NAMES, assert_method, averaged, cosines, cross_entropy

from plp.config.load import load_config

CLIP_7 = (  # verbatim from CLIP's notebook on prompt engineering, by way of CoOp and Tip-Adapter
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
OF_DATA_SETS = {  # CoOp's zero-shot script
    "oxford_pets": "a photo of a {}, a type of pet.",
    "oxford_flowers": "a photo of a {}, a type of flower.",
    "fgvc_aircraft": "a photo of a {}, a type of aircraft.",
    "dtd": "{} texture.",
    "eurosat": "a centered satellite photo of {}.",
    "food101": "a photo of {}, a type of food.",
    "ucf101": "a photo of a person doing {}.",
}


def clip_80():
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    assert len(OPENAI_IMAGENET_TEMPLATES) == 80
    return tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES)


def zero_shot(clip, pixels, templates):
    def reference(_):
        texts = [
            averaged([clip.sentence(template.format(name)) for template in templates])
            for name in NAMES
        ]
        logits = clip.scale * cosines(clip.images(pixels), texts)
        return {"logits": logits, "global": logits}, {"loss_global": cross_entropy(logits)}

    return reference


@pytest.mark.parametrize(
    ("config", "templates"),
    [
        ("zeroshot/vitb16_16shot", lambda: ("a photo of a {}.",)),
        ("zeroshot/vitb16_16shot_clip7", lambda: CLIP_7),
        ("zeroshot/vitb16_16shot_clip80", clip_80),
        ("zeroshot/vitb16_16shot_dataset", lambda: ("a photo of a {}.",)),
    ],
)
def test_zero_shot(build, clip_of, pixels, config, templates):
    learner = build(config)
    assert_method(learner, pixels, zero_shot(clip_of(learner), pixels, templates()))


@pytest.mark.parametrize("name", OF_DATA_SETS)
def test_template_of_a_data_set(build, clip_of, pixels, root, name):
    config = load_config(root / "configs/zeroshot/vitb16_16shot_dataset.py")
    learner = build("zeroshot/vitb16_16shot_dataset", config.recipes[name])
    assert_method(learner, pixels, zero_shot(clip_of(learner), pixels, [OF_DATA_SETS[name]]))


def test_the_reference_of_other_methods_is_the_zero_shot_classifier(build, clip_of, pixels):
    learner = build("coop/vitb16_16shot")
    found = learner.predict(pixels)
    logits, _ = zero_shot(clip_of(learner), pixels, ("a photo of a {}.",))({})
    for row, expected in zip(found, logits["logits"], strict=True):
        assert (row["zero_shot"] - expected).abs().max() < 1e-8


def test_another_template_is_noticed(build, clip_of, pixels):
    learner = build("zeroshot/vitb16_16shot")
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, zero_shot(clip_of(learner), pixels, ("a photo of a {}",)))


def test_texts_are_normalised_before_their_mean(build, clip_of, pixels):
    """The mean of raw texts is another classifier: the test above would notice."""
    learner = build("zeroshot/vitb16_16shot_clip7")
    clip = clip_of(learner)

    def raw(_):
        texts = [sum(clip.sentence(template.format(name)) for template in CLIP_7) for name in NAMES]
        logits = clip.scale * cosines(clip.images(pixels), texts)
        return {"logits": logits, "global": logits}, {"loss_global": cross_entropy(logits)}

    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, raw)
