"""Deep and coupled prompts: laws, towers of unequal sizes, what is refused."""

import copy

import pytest
import torch
from representatives import slow_but
from torch.testing import assert_close
from towers.family_cases import FAMILIES, FEW, SIDE, build_family

from plp.checkpoints import checkpoint as checkpoints
from plp.checkpoints.checkpoint import Checkpoint
from plp.engine.build import local_seed
from plp.errors import CheckpointError, ConfigError
from plp.registry import BACKBONES, MODELS
from plp.towers.tower import BlockTower

NAMES = ("cat", "old oak tree", "red car")
LABELS = torch.tensor([0, 2])
CONTEXT = dict(type="SharedContext", words="a photo of a", num_tokens=2, suffix=".")
TEMPLATE = dict(type="TemplatePrompt")
DEEP = dict(type="DeepPrompts", image_length=3, image_depth=3, text_depth=2)
EXTRA = DEEP | dict(text_tokens="extra", text_length=2)
COUPLED = dict(type="CoupledPrompts", depth=2)


@pytest.fixture(scope="module")
def backbone():
    """Towers of unequal widths and depths: images 64 and 3, texts 32 and 2."""
    vision = dict(width=64, layers=3, head_width=32, image_size=64, patch_size=16)
    text = dict(width=32, layers=2, heads=1)
    config = dict(embed_dim=16, vision_cfg=vision, text_cfg=text)
    return BACKBONES.build(
        dict(type="OpenCLIPBackbone", arch="tiny", pretrained=None, model_config=config)
    )


@pytest.fixture(scope="module")
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


@pytest.fixture
def build(backbone):
    def builder(tuner=None, prompt=CONTEXT, on=backbone, more=None, **options):
        branches = {"global": dict(type="GlobalBranch", prompt=prompt), **(more or {})}
        model = dict(type="PromptLearner", backbone=on, branches=branches, **options)
        if tuner:
            model["tuners"] = dict(prompts=tuner)
        with local_seed(1):
            return MODELS.build(copy.copy(model), class_names=NAMES).eval()

    return builder


def gradients(learner, pixels):
    learner.train().zero_grad()
    torch.manual_seed(0)
    sum(learner(pixels, LABELS, mode="loss").values()).backward()
    return {name: p.grad for name, p in learner.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    "tuner",
    [
        dict(type="DeepPrompts"),
        DEEP | dict(image_depth=0, text_depth=0),
        DEEP | dict(image_length=0, text_depth=1),
        EXTRA | dict(image_length=0, text_length=0),
        COUPLED | dict(depth=0),
    ],
    ids=str,
)
def test_switched_off_nothing_changes_by_a_bit(build, pixels, tuner):
    off, plain = build(tuner), build()
    assert not off.tuners.acts_on_images
    assert not off.tuners.acts_on_texts
    assert set(off.state_dict()) == set(plain.state_dict())
    with torch.no_grad():
        assert torch.equal(off(pixels)["logits"], plain(pixels)["logits"])


@pytest.mark.parametrize(
    ("tuner", "shapes"),
    [
        (DEEP, {"image_context": [3, 3, 64], "deep_text_context": [1, 2, 32]}),
        (
            EXTRA,
            {
                "image_context": [3, 3, 64],
                "text_context": [2, 32],
                "deep_text_context": [1, 2, 32],
            },
        ),
        (
            COUPLED,
            {"deep_text_context": [1, 2, 32], "couple_weight": [2, 64, 32], "couple_bias": [2, 64]},
        ),
    ],
    ids=["context", "extra", "coupled"],
)
def test_unequal_towers_and_the_names_in_a_checkpoint(build, pixels, tuner, shapes):
    learner = build(tuner)
    found = {name: list(value.shape) for name, value in learner.state_dict().items()}
    expected = {f"tuners.prompts.{name}": shape for name, shape in shapes.items()}
    assert found == {"branches.global.prompt.context": [1, 2, 32], **expected}
    assert all(grad.abs().sum() > 0 for grad in gradients(learner, pixels).values())


@pytest.mark.parametrize("tuner", [DEEP, EXTRA, COUPLED], ids=["context", "extra", "coupled"])
def test_chunks_of_classes_change_no_gradient(build, pixels, tuner):
    whole = gradients(build(tuner), pixels)
    for name, grad in gradients(build(tuner, text_chunk=1), pixels).items():
        assert_close(grad, whole[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_start_of_couplings(build):
    tuner = build(COUPLED | dict(depth=2)).tuners["prompts"]
    assert not torch.equal(tuner.couple_weight[0], tuner.couple_weight[1])
    assert tuner.couple_weight.abs().max() <= 32**-0.5


def test_image_prompts_follow_the_context(build, pixels):
    learner = build(COUPLED)
    with torch.no_grad():
        before = learner.encode_image(pixels).pooled
        learner.branches["global"].prompt.context.mul_(2.0)
        assert not torch.allclose(learner.encode_image(pixels).pooled, before, atol=1e-5)
    copied = copy.deepcopy(learner)
    with torch.no_grad():
        copied.branches["global"].prompt.context.zero_()
        assert not torch.equal(
            copied.encode_image(pixels).pooled, learner.encode_image(pixels).pooled
        )


def test_deeper_tokens_replace_or_stand_beside(build):
    replaced = build(DEEP).tuners["prompts"].image_points().extra
    kept = build(EXTRA | dict(deeper="add")).tuners["prompts"].image_points().extra
    assert [sorted(group.before) for group in replaced.values()] == [[0, 1, 2]]
    assert [sorted(group.before) for group in kept.values()] == [[0], [1], [2]]
    later = build(DEEP | dict(first_block=1, image_depth=2)).tuners["prompts"].image_points().extra
    assert [sorted(group.before) for group in later.values()] == [[1, 2]]


def test_new_class_names(build, pixels):
    for tuner in (DEEP, EXTRA, COUPLED):
        learner = build(tuner)
        learner.set_class_names(["boat", "lighthouse", "bird", "dog"])
        assert learner(pixels)["logits"].shape == (2, 4)


CLASSES_OWN = dict(type="ClassContext", num_tokens=2)
OTHER = dict(other=dict(type="GlobalBranch", prompt=dict(type="SharedContext", num_tokens=3)))


@pytest.mark.parametrize(
    ("tuner", "options", "message"),
    [
        (DEEP | dict(image_depth=4), {}, "image_depth from 0 to 3, for the image tower has 3 blo"),
        (DEEP | dict(text_depth=3), {}, "text_depth from 0 to 2, for the text tower has 2 blocks"),
        (DEEP | dict(image_depth=-1), {}, "image_depth from 0 to 3"),
        (DEEP | dict(first_block=1), {}, "image_depth from 0 to 2, .* from block 1 on, got 3"),
        (DEEP | dict(first_block=3), {}, "first_block from 0 to 2"),
        (COUPLED | dict(depth=3), {}, "depth from 0 to 2, for the text tower has 2 blocks, got 3"),
        (DEEP | dict(text_length=3), {}, "text_length=3 with a context of 2 tokens"),
        (DEEP | dict(image_length=-1), {}, "image_length to be an integer >= 0"),
        (DEEP | dict(deeper="add"), {}, "use text_tokens='extra'"),
        (DEEP, dict(prompt=TEMPLATE), "learned context in front of the class name.*Template"),
        (
            DEEP,
            dict(prompt=dict(type="SharedContext", num_tokens=2, position="front")),
            "position='front'",
        ),
        (DEEP, dict(more=OTHER), "same number of tokens.*global 2, other 3"),
        (COUPLED, dict(prompt=CLASSES_OWN), "one context for all classes.*ClassContext"),
        (COUPLED, dict(more=OTHER), "branch other has a prompt beside the coupled one"),
        (COUPLED | dict(branch="local"), {}, r"a branch with a prompt \(global\), got 'local'"),
    ],
)
def test_what_does_not_fit_is_refused(build, tuner, options, message):
    with pytest.raises(ConfigError, match=message):
        build(tuner, **options)


def test_a_checkpoint_of_another_depth_is_refused(build):
    state = build(DEEP).state_dict()
    saved = Checkpoint(state, NAMES, {}, {})
    other = build(DEEP | dict(image_depth=2, text_depth=1))
    with pytest.raises(CheckpointError, match=r"deep_text_context is not part .*image_context has"):
        checkpoints.restore(other, saved)


@pytest.mark.parametrize("family", slow_but(FEW, FAMILIES))
@pytest.mark.parametrize("tuner", [COUPLED, DEEP | dict(image_depth=2)], ids=["coupled", "deep"])
def test_families_take_prompts_or_say_why_not(build, pixels, tmp_path, family, tuner):
    backbone = build_family(family, tmp_path)
    if any(_sealed(backbone, side) for side in ("image", "text")):
        with pytest.raises(ConfigError, match=r"nothing can act inside|no tokens can be put into"):
            build(tuner, on=backbone)
        return
    grads = gradients(build(tuner, on=backbone), pixels)
    assert all(grad.isfinite().all() and grad.abs().sum() > 0 for grad in grads.values())


def _sealed(backbone, side):
    try:
        return not isinstance(backbone.inside(side), BlockTower)
    except ConfigError:
        return True
