"""ProGrad against outputs of its published code (prograd_tiny.npz: float32, seeded weights)."""

import pytest
import torch
from methods.tower_parity import ROOT, fixture_of, tower_options
from torch.nn import functional as F

import plp
from plp.config.load import load_config, merge_options
from plp.optim import build_wrapper

CONTEXT = "branches.global.prompt.context"
CASES = pytest.mark.parametrize("case", ["agree", "conflict"])


@pytest.fixture(scope="module")
def fixture():
    """The arrays of the file, as tensors where they are numbers, and what it says of itself."""
    found = fixture_of("prograd_tiny")
    return found.arrays | {"meta": found.meta, "class_names": found.class_names}


@pytest.fixture
def config(fixture):
    """The method's own config with the template and the constants of the file."""
    meta = fixture["meta"]
    config = load_config(ROOT / "configs/prograd/vitb16_16shot.py")
    assert config.optim_wrapper.optimizer.lr == meta["lr"]
    words, suffix = meta["template"].split(" {}")
    prompt = "model.branches.global.prompt"
    options = {
        f"{prompt}.type": "ClassContext" if meta["class_specific"] else "SharedContext",
        f"{prompt}.words": words if meta["init"] == "template" else None,
        f"{prompt}.suffix": suffix,
        f"{prompt}.num_tokens": meta["T"],
        "model.references.zero_shot.prompt.templates": [meta["template"]],
        "model.losses.teacher.temperature": float(meta["T_kd"]),
        "optim_wrapper.strength": float(meta["lambda_"]),
    }
    merge_options(config, tower_options(meta) | options)
    return config


@pytest.fixture
def learner(config, fixture):
    built = plp.build_learner(config, fixture["class_names"]).train()
    context, start = built.state_dict()[CONTEXT], fixture["start_context"]
    if fixture["meta"]["init"] == "template":
        assert apart(context[0], start) == 0
    with torch.no_grad():
        context.copy_(start.view_as(context))
    return built


def test_the_recipe_has_the_published_template(fixture):
    recipes = load_config(ROOT / "configs/prograd/vitb16_16shot.py").recipes
    key = {"OxfordPets": "oxford_pets", "Food101": "food101"}.get(fixture["meta"].get("dataset"))
    if key is None:
        pytest.skip("the fixture is of a dataset whose template is the config's own")
    words, _ = fixture["meta"]["template"].split(" {}")
    assert recipes[key]["model.branches.global.prompt.words"] == words
    templates = recipes[key]["model.references.zero_shot.prompt.templates"]
    assert templates == [fixture["meta"]["template"]]


def apart(found, expected):
    """Relative distance of two arrays; plp's has an axis of one prompt more."""
    return float((found.detach().view_as(expected) - expected).norm() / expected.norm())


def losses_of(learner, fixture, case):
    return learner(fixture["images"], fixture[f"{case}_labels"], mode="loss")


def test_start_and_texts(learner, fixture):
    """What the context does not hold of the string stays: the template's last tokens, the name."""
    tokens = learner.branches["global"].prompt(learner.names)
    table = learner.backbone.model.token_embedding.weight
    ids = fixture["prompt_tokens"].long()
    expected = table[ids]
    length = fixture["meta"]["T"]
    expected[:, 1 : 1 + length] = fixture["start_context"]
    for c, end in enumerate(tokens.end[:, 0]):
        assert ids[c].argmax() == end
        assert torch.equal(tokens.embeddings[c, 0, : end + 1], expected[c, : end + 1])
    if fixture["meta"]["init"] == "template":
        words, _ = fixture["meta"]["template"].split(" {}")
        zeros = length - len(words.split())
        prompt = learner.branches["global"].prompt
        assert prompt.start_text == f"words {words!r}" + (f" behind {zeros} zeros" if zeros else "")
        assert prompt.describe() == ["[v] " * zeros + fixture["meta"]["template"]]


def test_features_and_logits(learner, fixture):
    features = learner.encode_image(fixture["images"])
    assert apart(features.pooled, fixture["image_features"]) < 1e-5
    texts = learner.encode_text()
    assert apart(texts["global"][:, 0], fixture["text_features"]) < 1e-5
    teacher = F.normalize(learner.encode_text(references=True)["zero_shot"][:, 0], dim=-1)
    assert apart(teacher, fixture["teacher_text_features_normalised"]) < 1e-5
    found = learner.eval().predict(fixture["images"])
    assert apart(torch.stack([row["logits"] for row in found]), fixture["logits"]) < 1e-5
    assert apart(torch.stack([row["zero_shot"] for row in found]), fixture["teacher_logits"]) < 1e-5


@CASES
def test_losses_and_gradients(learner, fixture, case):
    losses = losses_of(learner, fixture, case)
    assert set(losses) == {"loss_global", "loss_teacher"}
    context = dict(learner.named_parameters())[CONTEXT]
    grads = {}
    for name, short in (("loss_global", "ce"), ("loss_teacher", "kl")):
        assert apart(losses[name], fixture[f"{case}_loss_{short}"]) < 1e-5
        (grads[short],) = torch.autograd.grad(losses[name], context, retain_graph=True)
        assert apart(grads[short], fixture[f"{case}_grad_{short}_context"]) < 1e-5
    cosine = F.cosine_similarity(grads["ce"].flatten(), grads["kl"].flatten(), dim=0)
    assert float(cosine) == pytest.approx(float(fixture[f"{case}_cosine"]), abs=1e-5)
    assert (cosine < 0) == (case == "conflict")


@CASES
@pytest.mark.parametrize("precision", ["fp32", "scaled"])
def test_steps(learner, config, fixture, case, precision, monkeypatch):
    """Through the config's own optimizer wrapper, at a constant rate."""
    settings = dict(config.optim_wrapper)
    if precision == "scaled":
        settings |= scaled_on_a_cpu(monkeypatch)
    wrapper = build_wrapper(settings, learner)
    used = []
    monkeypatch.setattr(wrapper.optimizer, "step", noting(wrapper.optimizer.step, learner, used))
    context = learner.state_dict()[CONTEXT]
    start = fixture["start_context"]
    for step in (1, 2, 3):
        batch = dict(images=fixture["images"], labels=fixture[f"{case}_labels"])
        logged = learner.train_step(batch, wrapper)
        assert torch.equal(logged["loss"], logged["loss_global"])
        if step == 1:
            assert apart(used[0], fixture[f"{case}_grad_used_context"]) < 1e-5
        if step in (1, 3):
            moved = fixture[f"{case}_step{step}_context"] - start
            assert apart(context.view_as(start) - start, moved) < 1e-4


def scaled_on_a_cpu(monkeypatch):
    """Let a CPU pass for a GPU, as mmengine's scaler wants one; towers stay float32."""
    from mmengine.optim.optimizer import amp_optimizer_wrapper
    from mmengine.runner import amp

    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    scaler = lambda: torch.amp.GradScaler("cpu", init_scale=1024.0)  # noqa: E731
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", scaler)
    monkeypatch.setattr(amp, "autocast", lambda dtype: torch.autocast("cpu", enabled=False))
    return dict(type="AmpGradientProjection", loss_scale="dynamic")


def noting(step, learner, used):
    """Return a step that notes the gradient it takes."""

    def noted(*args, **keywords):
        used.append(dict(learner.named_parameters())[CONTEXT].grad.clone())
        return step(*args, **keywords)

    return noted


def test_the_projection_matters(learner, config, fixture):
    """Without it, or with the losses added, the file is missed."""
    start = fixture["start_context"]
    for settings in (dict(strength=0.0), dict(type="OptimWrapper", guide=None, strength=None)):
        with torch.no_grad():
            learner.state_dict()[CONTEXT].copy_(start.view_as(learner.state_dict()[CONTEXT]))
        wanted = {k: v for k, v in (dict(config.optim_wrapper) | settings).items() if v is not None}
        wrapper = build_wrapper(wanted, learner)
        batch = dict(images=fixture["images"], labels=fixture["conflict_labels"])
        learner.train_step(batch, wrapper)
        moved = fixture["conflict_step1_context"] - start
        assert apart(learner.state_dict()[CONTEXT].view_as(start) - start, moved) > 1e-2
