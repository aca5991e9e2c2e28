"""The learner: modes, state, text cache, inputs, class names, precision, building."""

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.testing import assert_close
from unchecked import as_installed

import plp
from plp.branches import LocalBranch
from plp.config.load import load_config, merge_options
from plp.engine.build import local_seed, run_seed
from plp.errors import ConfigError
from plp.learners.checks import check_named
from plp.losses import LossTerm
from plp.registry import MODELS
from plp.structures import ImageFeatures

CLASSES = ["cat", "old_oak_tree", "red car"]
LABELS = torch.tensor([0, 2])
LOCAL = "model.branches.local"
CONFIG = "configs/sotglp/vitb16_16shot.py"
WIDTH = 64
LEARNED = {
    "branches.global.prompt.context",
    "branches.local.prompt.context",
    "branches.local.projection.weight",
}
SHARED = {
    f"{LOCAL}.prompt": dict(_delete_=True, type="SharedContext", num_prompts=2, words="a view of")
}


@pytest.fixture
def build(root, backbone):
    """Build learners that share the backbone."""

    def builder(options=None, class_names=CLASSES, seed=None):
        config = load_config(root / CONFIG)
        merge_options(config, options or {})
        model = {**config.model.to_dict(), "backbone": backbone}
        with local_seed(seed or run_seed(config)):
            return MODELS.build(model, class_names=tuple(class_names)).eval()

    return builder


@pytest.fixture
def learner(build):
    return build()


@pytest.fixture(scope="module")
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)


def sgd_step(learner, images, lr=0.1):
    learner.train()
    optimiser = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=lr)
    loss = sum(learner(images, LABELS, mode="loss").values())
    loss.backward()
    optimiser.step()
    learner.eval()
    return float(loss.detach())


# ------------------------------------------------------------------------------------------- modes


def test_tensor_mode_is_the_mean_of_the_branches(learner, pixels):
    with torch.no_grad():
        logits = learner(pixels, mode="tensor")
    assert set(logits) == {"logits", "global", "local"}
    assert all(value.shape == (2, 3) for value in logits.values())
    assert_close(logits["logits"], (logits["global"] + logits["local"]) / 2)
    evidence = learner.evidence(pixels)
    for name in ("global", "local"):
        assert_close(logits[name], learner.backbone.logit_scale * evidence[name].scores.detach())


def test_loss_mode(learner, pixels):
    learner.train()
    torch.manual_seed(0)
    losses = learner(pixels, LABELS, mode="loss")
    assert set(losses) == {"loss_global", "loss_local"}
    evidence = learner.evidence(pixels)
    torch.manual_seed(0)
    expected = learner.branches["local"].loss(
        evidence["local"], LABELS, learner.backbone.logit_scale
    )
    assert_close(losses["loss_local"], expected)
    with pytest.raises(ValueError, match="mode='loss' needs labels"):
        learner(pixels, mode="loss")


@pytest.mark.parametrize("asked", [True, False])
def test_pairs_are_there_for_a_loss_term_that_asks(build, pixels, asked):
    class Spread(LossTerm):
        needs_pairs = asked

        def forward(self, inputs):
            found = inputs.evidence["local"]
            assert (found.plan is not None, found.support is not None) == (asked, asked)
            return 0.0 * found.scores.sum() if found.plan is None else found.plan.square().sum()

    learner = build()
    plain = learner(pixels, LABELS, mode="loss")
    learner.losses["spread"] = Spread()
    found = learner(pixels, LABELS, mode="loss")
    assert (found.pop("loss_spread").item() > 0) is asked
    assert found == plain


class PlanSpread(LossTerm):
    needs_pairs = True

    def forward(self, inputs):
        return torch.special.entr(inputs.evidence["local"].plan).sum((-2, -1)).mean()


@pytest.mark.parametrize("gradient", ["detach", "implicit"])
def test_a_term_without_gradient_is_warned_of(build, pixels, gradient):
    learner = build({f"{LOCAL}.aligner.gradient": gradient})
    learner.losses["spread"] = PlanSpread()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = learner(pixels, LABELS, mode="loss")
        learner(pixels, LABELS, mode="loss")  # it is said once
        with torch.no_grad():
            learner(pixels, LABELS, mode="loss")
    told = [str(one.message) for one in caught if "loss term" in str(one.message)]
    assert found["loss_spread"].requires_grad is (gradient == "implicit")
    if gradient == "implicit":
        assert told == []
    else:
        (line,) = told
        assert "'spread' has no gradient" in line
        assert "gradient='implicit'" in line


def test_a_term_that_compares_what_is_frozen_is_warned_of(root, backbone, pixels):
    model = load_config(root / "configs/coop/vitb16_16shot.py").model.to_dict()
    model |= {"backbone": backbone, "losses": {"image": dict(type="ImageAnchor", distance="l1")}}
    learner = MODELS.build(model, class_names=tuple(CLASSES))
    with pytest.warns(UserWarning, match="'image' has no gradient.*compares is learned"):
        learner(pixels, LABELS, mode="loss")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner(pixels, LABELS, mode="loss")


@pytest.mark.parametrize(
    "losses", [[dict(type="TextAnchor")], dict(type="TextAnchor"), "TextAnchor"], ids=str
)
def test_losses_are_a_dict_by_name(losses):
    with pytest.raises(ConfigError, match=r"losses=dict\(NAME=dict\(type=...\)\), got"):
        check_named("losses", "loss terms", losses, LossTerm)


def test_a_step_and_a_prediction_do_without_pairs(learner, pixels, monkeypatch):
    asked, forward = [], LocalBranch.forward

    def watched(self, *args):
        found = forward(self, *args)
        asked.append(found.plan is not None)
        return found

    monkeypatch.setattr(LocalBranch, "forward", watched)
    learner(pixels, LABELS, mode="loss")
    learner(pixels, mode="predict")
    learner(pixels, mode="tensor")
    learner.evidence(pixels)
    assert asked == [False, False, False, True]


def test_only_what_is_learned_gets_a_gradient(learner, pixels):
    learner.train()
    sum(learner(pixels, LABELS, mode="loss").values()).backward()
    reached = {name for name, p in learner.named_parameters() if p.grad is not None}
    assert reached == LEARNED
    assert all(learner.get_parameter(name).grad.abs().max() > 0 for name in LEARNED)


def test_a_row_takes_no_other_rows_along_to_another_process(learner, pixels):
    (row, *_) = learner.predict(pixels.repeat(20, 1, 1, 1))
    for value in row.values():
        assert value.untyped_storage().nbytes() == value.nbytes


def test_predict_gives_a_row_an_image(learner, pixels):
    rows = learner(pixels, LABELS, torch.tensor([7, 3]), mode="predict")
    with torch.no_grad():
        logits = learner(pixels)
    assert [(row["label"], row["index"]) for row in rows] == [(0, 7), (2, 3)]
    for i, row in enumerate(rows):
        assert set(row) == {"logits", "global", "local", "zero_shot", "label", "index"}
        for name, value in logits.items():
            assert_close(row[name], value[i])
            assert not row[name].requires_grad
    assert set(learner.predict(pixels)[0]) == {"logits", "global", "local", "zero_shot"}


def test_references_take_no_part(build, pixels):
    plain, without = build(), build({"model.references": None})
    assert torch.equal(plain(pixels)["logits"], without(pixels)["logits"])
    rows, alone = plain.predict(pixels), without.predict(pixels)
    assert torch.equal(rows[0]["logits"], alone[0]["logits"])
    assert "zero_shot" not in alone[0]
    backbone = plain.backbone
    words = backbone.embed_words(["cat", "old oak tree", "red car"])
    text = backbone.encode_text(plain.references["zero_shot"].prompt(words))[:, 0]
    image = backbone.encode_image(backbone.normalise(pixels)).pooled
    cosines = torch.nn.functional.cosine_similarity(image[:, None], text[None], dim=-1)
    assert_close(torch.stack([row["zero_shot"] for row in rows]), backbone.logit_scale * cosines)


def test_an_unknown_mode_is_refused(learner, pixels):
    with as_installed(), pytest.raises(ValueError, match="'predict' or 'tensor', got 'train'"):
        learner(pixels, mode="train")


# ------------------------------------------------------------------------------------------- state


def test_the_state_dict_holds_what_is_learned(learner):
    state = learner.state_dict()
    assert set(state) == LEARNED
    assert state["branches.global.prompt.context"].shape == (3, 4, WIDTH)
    assert state["branches.local.prompt.context"].shape == (3, 4, 4, WIDTH)
    assert state["branches.local.projection.weight"].shape == (WIDTH, WIDTH)


def test_loading_back_gives_the_same_logits(build, pixels):
    trained, fresh = build(), build(seed=2)
    sgd_step(trained, pixels)
    with torch.no_grad():
        expected, before = trained(pixels)["logits"], fresh(pixels)["logits"]
        assert not torch.allclose(before, expected)
        found = fresh.load_state_dict(trained.state_dict())
        assert found.missing_keys == found.unexpected_keys == []
        assert torch.equal(fresh(pixels)["logits"], expected)


@pytest.mark.parametrize("key", sorted(LEARNED))
def test_loading_is_strict_about_what_is_learned(learner, key):
    state = learner.state_dict()
    del state[key]
    with pytest.raises(RuntimeError, match=f"Missing key.*{key}"):
        learner.load_state_dict(state)


def test_a_branch_called_after_the_backbone_is_missed(root, build):
    shared = load_config(root / CONFIG).model.branches["global"].to_dict()
    learner = build({"model.branches": dict(_delete_=True, my_backbone=shared)})
    state = {k: v for k, v in learner.state_dict().items() if not k.startswith("branches.my_")}
    with pytest.raises(RuntimeError, match=r"branches\.my_backbone\.prompt\.context"):
        learner.load_state_dict(state)


def test_loading_is_strict_about_what_it_does_not_know(learner):
    state = learner.state_dict()
    state["branches.local.prompt.contxt"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*branches.local.prompt.contxt"):
        learner.load_state_dict(state)


# --------------------------------------------------------------------------------------- text cache


def test_text_is_encoded_once(learner, pixels, monkeypatch):
    calls = []
    encode = learner.backbone.encode_text
    monkeypatch.setattr(
        learner.backbone, "encode_text", lambda prompts: calls.append(1) or encode(prompts)
    )
    with torch.no_grad():
        first = learner(pixels)["logits"]
        assert len(calls) == 2
        assert torch.equal(learner(pixels)["logits"], first)
    assert len(calls) == 2
    learner.predict(pixels)
    assert len(calls) == 3, "the reference, once"
    learner.predict(pixels)
    assert len(calls) == 3


def changed_by_optimiser(learner, images, _):
    sgd_step(learner, images)


def changed_by_load_state_dict(learner, _, other):
    learner.load_state_dict(other.state_dict())


def changed_by_assigned_state_dict(learner, _, other):
    learner.load_state_dict(other.state_dict(), assign=True)


def changed_around_an_evaluation(learner, *_):
    learner.branches["global"].prompt.context.data.mul_(-1)  # as EMAHook does
    learner.eval()


def changed_under_no_grad(learner, *_):
    with torch.no_grad():
        learner.branches["local"].prompt.context.add_(0.5)


def changed_class_names(learner, *_):
    learner.set_class_names(["dog", "boat", "tall house"])


@pytest.mark.parametrize(
    "change",
    [
        changed_by_optimiser,
        changed_by_load_state_dict,
        changed_by_assigned_state_dict,
        changed_under_no_grad,
        changed_around_an_evaluation,
        changed_class_names,
    ],
)
def test_the_text_cache_follows_every_change(build, pixels, change):
    learner, other = build(SHARED), build(SHARED, seed=2)
    sgd_step(other, pixels)
    with torch.no_grad():
        before = learner(pixels)
    change(learner, pixels, other)
    with torch.no_grad():
        after = learner(pixels)
        learner._text_cache = None
        expected = learner(pixels)
    assert torch.equal(after["logits"], expected["logits"])
    assert not torch.equal(after["logits"], before["logits"])


# ------------------------------------------------------------------------------------------ inputs


@pytest.mark.parametrize("mode", ["tensor", "predict", "loss"])
def test_pixels_of_another_dtype_than_uint8_are_refused(learner, pixels, mode):
    """They were taken for normalised images, and gave other scores."""
    with as_installed():
        with pytest.raises(ConfigError, match=r"uint8 pixels 0\.\.255 or .*, got torch\.int64"):
            learner(pixels.long(), LABELS, mode=mode)
        for floats in (pixels.float(), pixels.half()):
            with pytest.raises(ConfigError, match=r"up to 255: these look like pixels 0\.\.255"):
                learner(floats, LABELS, mode=mode)
        with pytest.raises(ConfigError, match=r"as a tensor .*, got ndarray"):
            learner(pixels.numpy(), LABELS, mode=mode)


def test_normalised_images_are_taken_whatever_they_show(learner, pixels):
    ends = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 64, 64)
    for images in (pixels, ends):
        given = learner(learner.backbone.normalise(images))["logits"]
        assert torch.equal(given, learner(images)["logits"])


def test_pixels_normalised_images_and_features_give_the_same(learner, pixels):
    with torch.no_grad():
        expected = learner(pixels)["logits"]
        images = learner.backbone.normalise(pixels)
        assert images.dtype == torch.float32
        assert torch.equal(learner(images)["logits"], expected)
        features = learner.encode_image(pixels)
        assert isinstance(features, ImageFeatures)
        assert set(features.dense) == {"vv"}
        assert torch.equal(learner(features)["logits"], expected)
    assert learner.encode_image(features) is features


def test_pixels_are_left_as_they_are(learner, pixels):
    before = pixels.clone()
    learner.predict(pixels)
    assert torch.equal(pixels, before)


def test_an_image_does_not_see_its_neighbours(learner, pixels):
    with torch.no_grad():
        both, alone = learner(pixels)["logits"], learner(pixels[:1])["logits"]
    assert_close(both[:1], alone, atol=1e-4, rtol=1e-5)


# ------------------------------------------------------------------------------------- class names


def test_underscores_are_spaces(build, pixels):
    spaced = build(class_names=["cat", "old oak tree", "red car"])
    with torch.no_grad():
        assert torch.equal(build()(pixels)["logits"], spaced(pixels)["logits"])
    assert build().class_names == ("cat", "old_oak_tree", "red car")


def test_shared_context_takes_new_classes(build, pixels):
    learner, new = build(SHARED), ["dog", "small_boat", "bird", "house", "sea"]
    learner.set_class_names(new)
    with torch.no_grad():
        found = learner(pixels)["logits"]
        assert found.shape == (2, 5)
        assert torch.equal(found, build(SHARED, class_names=new)(pixels)["logits"])
    assert learner.class_names == tuple(new)


def test_class_context_refuses_new_classes(learner, pixels):
    with torch.no_grad():
        before = learner(pixels)["logits"]
    with pytest.raises(ConfigError, match="branch local belongs to the classes"):
        learner.set_class_names(["dog", "boat", "house"])
    learner.set_class_names(CLASSES)
    with torch.no_grad():
        assert torch.equal(learner(pixels)["logits"], before)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["old oak", "dog", "old_oak"], r"underscore is a space\), got \['old oak', 'old_oak'\]"),
        (["cat"], r"at least two class names, got .*cat"),
        ([], "at least two class names"),
        (["cat", ""], r"class names with words in them, got \[''\]"),
        (["cat", "_"], r"class names with words in them, got \['_'\]"),
    ],
)
def test_class_names_refused(build, names, message):
    with pytest.raises(ConfigError, match=message):
        build(class_names=names)


def test_classes_of_one_name_are_warned_about(build, pixels):
    with pytest.warns(UserWarning, match="several classes are called 'cat': only prompts of a"):
        learner = build(SHARED, class_names=["cat", "dog", "cat"])
    with torch.no_grad():
        logits = learner(pixels)["logits"]
    assert_close(logits[:, 0], logits[:, 2], atol=1e-5, rtol=1e-5)  # rows of one product
    assert not torch.equal(logits[:, 0], logits[:, 1])


def test_refused_names_leave_the_learner_as_it_was(build, pixels):
    learner = build(SHARED)
    with torch.no_grad():
        before = learner(pixels)["logits"]
        with pytest.raises(ConfigError, match="class names with words"):
            learner.set_class_names(["cat", " "])
        assert learner.class_names == tuple(CLASSES)
        assert torch.equal(learner(pixels)["logits"], before)


# --------------------------------------------------------------------------------------- precision


HALVES = {"bf16": (torch.bfloat16, 0.02), "fp16": (torch.float16, 0.003)}


@pytest.mark.parametrize("precision", HALVES)
def test_half_precision_is_close_and_scores_stay_float32(build, pixels, precision):
    dtype, tolerance = HALVES[precision]
    single, half = build(), build({"model.precision": precision})
    with torch.no_grad():
        features = half.encode_image(pixels)
        assert features.dense["vv"].dtype == dtype
        found = half.evidence(pixels)
        for name, expected in single.evidence(pixels).items():
            assert found[name].scores.dtype == torch.float32
            assert found[name].similarity.dtype == torch.float32
            assert_close(found[name].scores, expected.scores, atol=tolerance, rtol=0)
    assert found["local"].plan.dtype == torch.float32
    assert half.state_dict()["branches.local.prompt.context"].dtype == torch.float32


@pytest.mark.parametrize("precision", HALVES)
def test_half_precision_trains(build, pixels, precision):
    learner = build({"model.precision": precision, "model.branches.global.dropout": 0.0})
    losses = [sgd_step(learner, pixels, lr=0.01) for _ in range(3)]
    assert losses[-1] < losses[0]
    assert all(p.isfinite().all() for p in learner.state_dict().values())


# ---------------------------------------------------------------------------------------- building


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model.branches": dict(_delete_=True)}, "at least one branch, got none"),
        ({f"{LOCAL}.stream": "vvv"}, "branch 'local' asks for .* no dense stream 'vvv'.*: 'vv'"),
        ({LOCAL: dict(type="LocalBranch", streem="vv")}, "takes no keyword 'streem'"),
        ({"model.branches.logits": dict(type="GlobalBranch")}, "cannot be called 'logits'"),
        ({"model.branches.fused": dict(type="GlobalBranch")}, "cannot be called 'fused'"),
        ({"model.references.label": dict(type="GlobalBranch")}, "cannot be called 'label'"),
        ({"model.fuson": "sum"}, "takes no keyword 'fuson'. Did you mean 'fusion'"),
        ({"model.fusion": "max"}, "expected fusion 'mean' or 'sum'"),
        ({"model.objective": "fused"}, "out prompt dropout.* of branch global"),
        ({"model.precision": "half"}, "expected precision fp32, bf16, fp16, got 'half'"),
        ({f"{LOCAL}.aligner.type": "Sinkhorn"}, "Did you mean 'SinkhornAligner'"),
        ({f"{LOCAL}.prompt.words": "a b"}, "branch LocalBranch.*do not go with words="),
    ],
)
def test_configs_refused(build, options, message):
    with as_installed(), pytest.raises(ConfigError, match=message):
        build(options)


def test_describe_shows_the_actual_text(learner):
    lines = learner.describe()
    assert len(lines) == 3 + 4
    assert lines[0] == "global prompt 0: 'A photo of a cat' (start: words 'A photo of a')"
    assert lines[3].startswith("local prompt 0: '[v] [v] [v] [v] cat' (start: xavier-uniform over")


def test_build_learner_leaves_the_random_state_alone(root, tiny_options):
    torch.manual_seed(11), random.seed(11), np.random.seed(11)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    options = tiny_options | {"randomness.seed": 3}
    with as_installed():  # run-time type checks draw from `random` to pick items they look at
        built = plp.build_learner(root / CONFIG, class_names=CLASSES, cfg_options=options)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()
    assert not built.training
    same = plp.build_learner(str(root / CONFIG), CLASSES, tiny_options, seed=3)
    other = plp.build_learner(Path(root / CONFIG), CLASSES, tiny_options, seed=4)
    start = built.state_dict()["branches.local.prompt.context"]
    assert torch.equal(start, same.state_dict()["branches.local.prompt.context"])
    assert not torch.equal(start, other.state_dict()["branches.local.prompt.context"])


def test_build_learner_takes_a_list_of_names_and_not_one(root, tiny_options):
    with pytest.raises(ConfigError, match="at least two class names, got 'oak'"):
        plp.build_learner(root / CONFIG, class_names="oak", cfg_options=tiny_options)


def test_build_learner_takes_a_config_and_leaves_it_as_it_is(root, tiny_options):
    config = Config.fromfile(root / CONFIG)
    before = config._cfg_dict.to_dict()
    learner = plp.build_learner(config, CLASSES, tiny_options)
    assert config._cfg_dict.to_dict() == before
    assert learner.backbone.arch == "tiny"
    from_mapping = plp.build_learner({"model": before["model"]}, CLASSES, tiny_options)
    assert set(from_mapping.state_dict()) == LEARNED
    with pytest.raises(ConfigError, match="expected a config with a key 'model'"):
        plp.build_learner({"data": {}}, CLASSES)
    with pytest.raises(ConfigError, match="expected a config file, nothing at"):
        plp.build_learner("no_such_config.py", CLASSES)
