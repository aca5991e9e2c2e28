"""Texts of a learner: encoded once, in chunks, image by image; and what losses are made of them."""

import copy
import math

import pytest
import torch
from learners.one_step import CLASSES, LABELS, built, step
from torch.nn import functional as F
from torch.testing import assert_close
from unchecked import as_installed

from plp.errors import ConfigError
from plp.learners import texts as texts_module
from plp.structures import Shots


@pytest.fixture
def build(root, backbone):
    """Build learners of the tree's configs that share the backbone."""

    def builder(name, options=None, class_names=CLASSES):
        return built(root, backbone, name, options, class_names).eval()

    return builder


@pytest.fixture
def encoded(backbone, monkeypatch):
    """Texts (classes and prompts) of each call of the text tower."""
    calls = []
    plain = backbone.encode_text

    def spy(prompts):
        calls.append(tuple(prompts.end.shape))
        return plain(prompts)

    monkeypatch.setattr(backbone, "encode_text", spy)
    return calls


# ------------------------------------------------------------------------------------------ chunks

CHUNKED = ["coop/vitb16_16shot", "sotglp/vitb16_16shot", "plot/vitb16_16shot_global",
           "cocoop/vitb16_16shot", "kgcoop/vitb16_16shot", "prograd/vitb16_16shot"]  # fmt: skip


@pytest.mark.parametrize("name", CHUNKED)
@pytest.mark.parametrize("chunk", [1, 2, 5, 99])
def test_chunks_change_neither_losses_nor_gradients(build, pixels, name, chunk):
    whole = step(build(name), pixels)
    parts = step(build(name, {"model.text_chunk": chunk}), pixels)
    for found, expected in zip(parts, whole, strict=True):
        assert found.keys() == expected.keys()
        for key, value in found.items():
            assert_close(value, expected[key], atol=1e-5, rtol=1e-4, msg=lambda m, k=key: f"{k}{m}")


def test_no_more_classes_than_a_chunk_are_encoded_at_a_time(build, pixels, encoded):
    learner = build("coop/vitb16_16shot", {"model.text_chunk": 2})
    losses, _ = step(learner, pixels)
    assert set(losses) == {"loss_global"}
    forward = [(2, 1), (2, 1), (1, 1)]
    assert encoded[:3] == forward
    assert sorted(encoded[3:]) == sorted(forward), "a second pass, for the gradient"


def test_chunks_keep_less_for_the_gradient(build, pixels):
    """Bytes that the graph of one loss holds on to, as the number of classes grows."""

    def held(chunk, classes):
        names = [f"thing number {i}" for i in range(classes)]
        learner = build("coop/vitb16_16shot", {"model.text_chunk": chunk}, names).train()
        seen = {}

        def pack(tensor):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        features = learner.encode_image(pixels)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = sum(learner(features, LABELS, mode="loss").values())
        frozen = {p.untyped_storage().data_ptr() for p in learner.backbone.parameters()}
        assert loss.requires_grad
        return sum(size for place, size in seen.items() if place not in frozen)

    assert held(4, 32) < held(None, 32) / 4
    whole, chunked = (held(chunk, 64) - held(chunk, 32) for chunk in (None, 4))
    assert chunked < whole / 4


@pytest.mark.parametrize("chunk", [1, 3])
def test_without_gradient_chunks_are_encoded_once(build, pixels, encoded, chunk):
    learner = build("coop/vitb16_16shot", {"model.text_chunk": chunk})
    with torch.no_grad():
        found = learner(pixels)["logits"]
        calls = len(encoded)
        assert calls == math.ceil(len(CLASSES) / chunk)
        assert torch.equal(learner(pixels)["logits"], found)
        assert len(encoded) == calls
        assert_close(found, build("coop/vitb16_16shot")(pixels)["logits"], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("most", "chunk", "calls"),
    [
        (4096, None, [(5, 3)]),
        (9, None, [(3, 3), (2, 3)]),
        (9, 1, [(1, 3)] * 5),
        (2, 4, [(1, 2), (1, 1)] * 5),  # one class alone has more
    ],
)
def test_without_gradient_so_many_texts_at_a_time(build, encoded, monkeypatch, most, chunk, calls):
    """Of frozen prompts, while others are trained, and of learned ones outside training."""
    templates = ["a photo of a {}.", "{}", "one {} seen from far away"]
    prompt = dict(_delete_=True, type="TemplatePrompt", templates=templates)
    frozen = build("coop/vitb16_16shot", {"model.branches.global.prompt": prompt})
    expected = frozen.encode_text()["global"]
    encoded.clear()
    monkeypatch.setattr(texts_module, "_MOST_TEXTS", most)
    prompts = {"model.branches.global.prompt.num_prompts": 3, "model.text_chunk": chunk}
    learned = build("coop/vitb16_16shot", prompts)
    frozen = build(
        "coop/vitb16_16shot", {"model.branches.global.prompt": prompt, "model.text_chunk": chunk}
    )
    assert_close(frozen.encode_text()["global"], expected, atol=1e-5, rtol=1e-4)
    assert encoded == calls
    encoded.clear()
    with torch.no_grad():
        learned.encode_text()
    assert encoded == calls


def test_images_have_no_more_texts_at_a_time_either(build, pixels, encoded, monkeypatch):
    learner = moved_by_images(build)
    with torch.no_grad():
        whole = learner(pixels)["logits"]
        monkeypatch.setattr(texts_module, "_MOST_TEXTS", 4)
        assert_close(learner(pixels)["logits"], whole, atol=1e-4, rtol=1e-5)
    assert encoded == [(10, 1), (4, 1), (4, 1), (2, 1)]


@pytest.mark.parametrize("chunk", [0, -1, True])
def test_chunks_refused(build, chunk):
    with (
        as_installed(),
        pytest.raises(ConfigError, match="text_chunk to be an integer >= 1 or None"),
    ):
        build("coop/vitb16_16shot", {"model.text_chunk": chunk})


# ------------------------------------------------------------------------------------ encoded once


def test_a_borrowed_prompt_is_encoded_once_and_saved_once(build, pixels, encoded):
    learner = build("plot/vitb16_16shot_global")
    step(learner, pixels)
    assert encoded == [(len(CLASSES), 4)]
    assert set(learner.state_dict()) == {"branches.local.prompt.context"}
    assert [name for name, p in learner.named_parameters() if p.requires_grad] == [
        "branches.local.prompt.context"
    ]
    texts = learner.encode_text()
    assert texts["global"] is texts["local"]


def test_both_branches_teach_a_borrowed_prompt(build, pixels):
    key = "branches.local.prompt.context"
    both = step(build("plot/vitb16_16shot_global", {"model.objective": "branches"}), pixels)[1]
    learner = build("plot/vitb16_16shot_global", {"model.objective": "branches"})
    single = []
    for name in ("loss_local", "loss_global"):
        learner.zero_grad()
        learner(pixels, LABELS, mode="loss")[name].backward()
        single.append(learner.get_parameter(key).grad.clone())
        assert single[-1].abs().max() > 0
    assert_close(both[key], sum(single), atol=5e-6, rtol=1e-4)


def test_a_borrowed_prompt_follows_its_lender(build, pixels):
    learner = build("plot/vitb16_16shot_global")
    with torch.no_grad():
        before = learner(pixels)["global"]
        learner.branches["local"].prompt.context.mul_(-3)
        assert not torch.allclose(learner(pixels)["global"], before)


def test_a_prompt_borrowed_from_nobody_is_refused(build):
    options = {"model.branches.global.prompt.branch": "lokal"}
    with pytest.raises(ConfigError, match=r"name of an earlier branch .*\(local\), got 'lokal'"):
        build("plot/vitb16_16shot_global", options)


@pytest.mark.parametrize(
    ("name", "frozen", "learned"),
    [
        ("kgcoop/vitb16_16shot", 1, 1),  # the teacher; the context
        ("prograd/vitb16_16shot", 1, 1),  # likewise
        ("taskres/vitb16_16shot", 1, 0),
        ("clip_adapter/vitb16_16shot", 1, 0),
    ],
)
def test_frozen_prompts_are_encoded_once_for_all(build, pixels, encoded, name, frozen, learned):
    learner = build(name)
    optimiser = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        step(learner, pixels)
        optimiser.step()
        learner.eval()
        learner.train()
    assert len(encoded) == frozen + 3 * learned
    learner.eval()
    learner.predict(pixels)
    reference = 0 if name.startswith(("kgcoop", "prograd")) else 1  # the teacher is the reference
    assert len(encoded) == frozen + 4 * learned + reference
    learner.predict(pixels)
    assert len(encoded) == frozen + 4 * learned + reference
    learner.set_class_names(CLASSES)
    learner.predict(pixels)
    assert len(encoded) == 2 * (frozen + reference) + 5 * learned


# ------------------------------------------------------------------------- prompts that see images


def moved_by_images(build):
    """CoCoOp with a network whose bias differs from image to image: the tiny tower's hardly do."""
    learner = build("cocoop/vitb16_16shot", {"model.branches.global.prompt.reduction": 2})
    with torch.no_grad():
        for layer in learner.branches["global"].prompt.meta[::2]:
            layer.weight.mul_(20)
    return learner


def test_an_image_has_texts_of_its_own_whatever_its_neighbours(build, pixels):
    learner = moved_by_images(build)
    with torch.no_grad():
        features = learner.encode_image(pixels)
        both = learner.encode_text(features)["global"]
        assert both.shape == (2, len(CLASSES), 1, 32)
        assert not torch.allclose(both[0], both[1])
        for i in range(2):
            one = learner.encode_text(learner.encode_image(pixels[i : i + 1]))["global"]
            assert_close(one[0], both[i], atol=1e-5, rtol=1e-5)
            alone = learner(pixels[i : i + 1])["logits"]
            assert_close(alone[0], learner(pixels)["logits"][i], atol=1e-4, rtol=1e-5)


def test_the_loss_of_a_batch_is_the_mean_over_its_images(build, pixels):
    learner = moved_by_images(build)
    losses, grads = step(learner, pixels)
    singles = []
    for i in range(2):
        learner.zero_grad()
        loss = learner(pixels[i : i + 1], LABELS[i : i + 1], mode="loss")["loss_global"]
        loss.backward()
        singles.append((loss.detach(), {n: p.grad for n, p in learner.named_parameters()}))
    assert_close(losses["loss_global"], (singles[0][0] + singles[1][0]) / 2, atol=1e-5, rtol=1e-5)
    for name, grad in grads.items():
        mean = (singles[0][1][name] + singles[1][1][name]) / 2
        assert_close(grad, mean, atol=1e-5, rtol=1e-4)


def test_images_are_encoded_a_few_at_a_time(build, pixels, encoded, monkeypatch):
    learner = moved_by_images(build)
    whole = step(learner, pixels)
    assert encoded == [(2 * len(CLASSES), 1)]
    monkeypatch.setattr(texts_module, "_TEXTS_AT_ONCE", len(CLASSES) + 1)
    parts = step(learner, pixels)
    assert encoded[1:] == [(len(CLASSES), 1)] * 2
    for found, expected in zip(parts, whole, strict=True):
        for key, value in found.items():
            assert_close(value, expected[key], atol=1e-5, rtol=1e-4)


def test_texts_that_see_images_need_images(build):
    with pytest.raises(ValueError, match="texts of ImageContext depend on the image: give image"):
        build("cocoop/vitb16_16shot").encode_text()


# ------------------------------------------------------------------------------- fusion and losses


def test_scores_are_averaged_or_summed(build, pixels):
    with torch.no_grad():
        mean = build("sotglp/vitb16_16shot")(pixels)
        both = build("sotglp/vitb16_16shot", {"model.fusion": "sum"})(pixels)
    assert_close(mean["logits"], (mean["global"] + mean["local"]) / 2)
    assert_close(both["logits"], both["global"] + both["local"])
    for name in ("global", "local"):
        assert torch.equal(mean[name], both[name])


@pytest.mark.parametrize("fusion", ["mean", "sum"])
def test_the_fused_objective_is_one_cross_entropy(build, pixels, fusion):
    options = {
        "model.objective": "fused",
        "model.fusion": fusion,
        "model.branches.global.dropout": 0.0,
    }
    learner = build("sotglp/vitb16_16shot", options)
    losses = learner(pixels, LABELS, mode="loss")
    assert set(losses) == {"loss_fused"}
    with torch.no_grad():
        expected = F.cross_entropy(learner(pixels)["logits"], LABELS)
    assert_close(losses["loss_fused"].detach(), expected)
    assert losses["loss_fused"].requires_grad


def test_the_fused_objective_refuses_what_it_would_leave_out(build):
    with pytest.raises(ConfigError, match=r"leave out prompt dropout, .* of branch global: take"):
        build("sotglp/vitb16_16shot", {"model.objective": "fused"})


def test_branches_answer_for_themselves_by_default(build, pixels):
    learner = build("sotglp/vitb16_16shot")
    logits = {name: value.detach() for name, value in learner(pixels).items()}
    losses = learner(pixels, LABELS, mode="loss")
    assert set(losses) == {"loss_global", "loss_local"}
    for name in ("global", "local"):
        assert_close(losses[f"loss_{name}"].detach(), F.cross_entropy(logits[name], LABELS))


ANCHOR = dict(type="TextAnchor", weight=2.0)


@pytest.mark.parametrize("objective", ["branches", "fused"])
def test_loss_terms_stand_beside_the_objective_by_name(build, pixels, objective):
    terms = {"near": ANCHOR, "far": ANCHOR | dict(weight=4.0)}
    options = {"model.losses": terms, "model.objective": objective}
    learner = build("coop/vitb16_16shot", options)
    plain = build("coop/vitb16_16shot", {"model.objective": objective})
    losses, without = (one(pixels, LABELS, mode="loss") for one in (learner, plain))
    assert set(losses) == {*without, "loss_near", "loss_far"}
    assert set(without) == {"loss_global" if objective == "branches" else "loss_fused"}
    for name, loss in without.items():
        assert torch.equal(losses[name], loss)
    assert_close(2 * losses["loss_near"], losses["loss_far"])
    assert set(learner.state_dict()) == set(plain.state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model.losses": {"global": ANCHOR}}, "loss term cannot be called 'global'"),
        (
            {"model.losses": {"fused": ANCHOR}, "model.objective": "fused"},
            "loss term cannot be called 'fused'",
        ),
        (
            {
                "model.references.global": dict(
                    type="GlobalBranch", prompt=dict(type="TemplatePrompt")
                )
            },
            "reference cannot be called 'global'",
        ),
    ],
)
def test_names_that_would_hide_one_another_are_refused(build, options, message):
    with pytest.raises(ConfigError, match=message):
        build("coop/vitb16_16shot", options)


def test_a_teacher_that_is_not_there_is_named(build):
    options = {"model.losses": {"near": ANCHOR | dict(teacher="wise")}}
    message = r"'near' \(TextAnchor\) reads the reference 'wise', .* Available: zero_shot"
    with pytest.raises(ConfigError, match=message):
        build("coop/vitb16_16shot", options)


def test_tuning_needs_the_texts_of_the_tuned_branch_only(build, monkeypatch):
    """A cache branch may stand beside one whose prompt sees images."""
    branches = {
        "global": dict(type="GlobalBranch", prompt=dict(type="ImageContext", words="a photo of a")),
        "cache": dict(type="CacheBranch", prompt=dict(type="TemplatePrompt")),
    }
    learner = build("coop/vitb16_16shot", {"model.branches": dict(_delete_=True, **branches)})
    pooled = torch.randn(1, 10, learner.backbone.embed_dim)
    shots = Shots(pooled, torch.arange(5).repeat(2))
    learner.fit(shots, shots)
    assert [line.split(":")[0] for line in learner.tune(shots)] == ["cache"]


# ------------------------------------------------------------------------------- changed weights


def test_kept_texts_follow_the_backbones_weights(build):
    learner = copy.deepcopy(build("coop/vitb16_16shot"))  # others of this file share a backbone
    with torch.no_grad():
        before = learner.encode_text()["global"]
        for weight in learner.backbone.model.transformer.parameters():
            weight.mul_(1.1)
        after, fresh = learner.encode_text()["global"], copy.deepcopy(learner)
        fresh._texts.forget()
        assert torch.equal(after, fresh.encode_text()["global"])
    assert not torch.equal(after, before)
