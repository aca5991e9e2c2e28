"""Methods on a backbone without texts: what runs, what is left out, what is refused and when."""

import json
import logging

import pytest
import torch
from small_towers import WITHOUT_LITE
from tiny_runs import CLASSES, make_photos

import plp
from plp.branches import CacheBranch
from plp.config.choices import Choices
from plp.engine import setup
from plp.engine.evaluate import evaluate_checkpoint
from plp.errors import ConfigError
from plp.learners.without_texts import served_parts
from plp.ood.run import evaluate_ood
from plp.report.finished_run import train_and_report as train
from plp.scoring.choose import choose_scores
from plp.scoring.validation import scores_of, usual_score
from plp.structures import ImageFeatures, Shots
from plp.sweeps.protocols.plan import why_bound

TINY = dict(type="ImageOnlyBackbone", arch="timm:test_vit", pretrained=None, image_size=32)
TEXTLESS = {"Energy", "Entropy", "MSP", "MaxLogit"}
NEEDS = (
    r"branch(es)? 'global'.* needs? a text tower; timm:test_vit:random has none\. .*linear_probe"
)
OF_TEXTS = ("coop", "cocoop", "kgcoop", "prograd", "ivlp", "vpt", "maple", "promptsrc", "locoop",
            "plot", "gallop", "sotglp", "clip_adapter", "taskres", "zeroshot", "zslp", "clap",
            "lpplus", "prolip")  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos") / "insects", dict.fromkeys(CLASSES, 12))


@pytest.fixture
def choices(photos, tmp_path):
    options = {
        "model.backbone": TINY, "data.num_workers": 0, "save_seconds": 0.0,
        "data.feature_cache": str(tmp_path / "features"),
    }  # fmt: skip
    return Choices("folder", str(photos), shots=4, options=options)


def learner_of(config):
    return plp.build_learner(config, CLASSES, {"model.backbone": TINY})


# -------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("method", OF_TEXTS)
def test_methods_of_texts_say_so_before_anything_is_built(method, root, monkeypatch):
    monkeypatch.setattr("plp.backbones.image_only.find_source", pytest.fail)
    variant = "vitb16_16shot" if method in WITHOUT_LITE else "lite_16shot"
    with pytest.raises(ConfigError, match=r"needs? a text tower; timm:test_vit.* has none\. Use"):
        learner_of(root / f"configs/{method}/{variant}.py")


def test_a_run_is_refused_before_its_data_are_listed(choices, root, monkeypatch, tmp_path):
    monkeypatch.setattr(setup, "list_images", pytest.fail)
    with pytest.raises(ConfigError, match=NEEDS):
        train(root / "configs/coop/lite_16shot.py", choices, work_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_new_classes_are_refused_with_the_reason(root):
    for method in ("linear_probe", "tip_adapter"):
        learner = learner_of(root / f"configs/{method}/dinov2_s14_16shot.py")
        with pytest.raises(ConfigError, match="belongs to the classes it was trained with"):
            learner.set_class_names(("boat", "house"))
        learner.set_class_names(CLASSES)
    from plp.config.load import load_config

    config = load_config(root / "configs/linear_probe/dinov2_s14_16shot.py")
    assert "cannot take new class names" in why_bound(config, learner.backbone)


# -------------------------------------------------------------------------------- what is left out


def test_references_and_text_terms_are_left_out_and_that_is_said_once(root):
    learner = learner_of(root / "configs/tip_adapter/lite_16shot.py")
    left, random = learner.notes
    assert left == (
        "timm:test_vit:random has no text tower, left out: the reference 'zero_shot', the text "
        "term of branch 'cache'"
    )
    assert list(learner.references) == []
    assert learner.branches["cache"].prompt is None
    assert learner.describe() == []
    assert "weights of timm:test_vit:random are random (pretrained=None)" in random
    assert learner_of(root / "configs/tip_adapter/dinov2_s14_16shot.py").notes == (random,)


def test_a_backbone_with_texts_serves_all_parts():
    branches = {"cache": dict(type="CacheBranch", prompt=dict(type="TemplatePrompt"))}
    references = {"zero_shot": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt"))}
    for backbone in (dict(type="LiteBackbone"), dict(type="Unknown"), None):
        parts = served_parts(backbone, branches, references)
        assert parts == (branches, references, ())
    with pytest.raises(ConfigError, match=r"branch 'zero_shot'"):
        served_parts(TINY, references, None)
    built = CacheBranch(embed_dim=2, num_classes=2, logit_scale=1.0)
    parts = served_parts(TINY, {"cache": built, "own": dict(type="Unknown", prompt={})}, None)
    assert parts.branches["cache"] is built


# ------------------------------------------------------------------------- the cache, from formula


def test_the_cache_without_texts_is_a_kernel_classifier():
    generator = torch.Generator().manual_seed(0)
    keys, images = (torch.randn(n, 5, generator=generator) for n in (6, 4))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    branch = CacheBranch(alpha=2.0, beta=3.0, embed_dim=5, num_classes=3, logit_scale=10.0)
    features = ImageFeatures(images, {}, (0, 0))
    assert not branch(features, None, torch.nn.Identity()).scores.any()
    branch.fit(Shots(keys[None], labels), None)
    found = branch(features, None, torch.nn.Identity())
    expected = torch.zeros(4, 3)
    for b in range(4):
        for m in range(6):
            cosine = torch.cosine_similarity(images[b], keys[m], dim=0)
            expected[b, labels[m]] += 2.0 * torch.exp(-3.0 * (1 - cosine)) / 10.0
    torch.testing.assert_close(found.scores, expected)
    torch.testing.assert_close(found.similarity[..., 0], expected)


def test_alpha_is_the_one_of_the_lowest_cross_entropy():
    """It scales all logits, so that accuracy cannot choose it."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 5, generator=generator)
    labels = torch.arange(3).repeat(8)
    pooled = centres[labels] + 0.7 * torch.randn(24, 5, generator=generator)
    branch = CacheBranch(alpha_grid=(30, 40), embed_dim=5, num_classes=3, logit_scale=1.0)
    branch.fit(Shots(pooled[None, :12], labels[:12]), None)
    said = branch.tune(Shots(pooled[None, 12:], labels[12:]), None)
    assert "validation accuracy" in said
    held = torch.nn.functional.normalize(pooled[12:], dim=-1)
    cache = branch._of_cache(held, branch.beta)
    losses = [
        torch.nn.functional.cross_entropy(alpha * cache, labels[12:]) for alpha in branch.alpha_grid
    ]
    assert float(branch.alpha) == pytest.approx(
        branch.alpha_grid[int(torch.stack(losses).argmin())]
    )


def test_a_cache_with_a_prompt_wants_its_texts(root):
    branch = CacheBranch(embed_dim=2, num_classes=2, logit_scale=1.0)
    branch.prompt = torch.nn.Identity()
    with pytest.raises(ValueError, match="expected texts"):
        branch.tune(Shots(torch.ones(1, 2, 2), torch.tensor([0, 1])), None)


# --------------------------------------------------------------------------------- scores, by name


def test_scores_of_texts_are_left_out_by_name(root, caplog):
    learner = learner_of(root / "configs/linear_probe/dinov2_s14_16shot.py")
    with caplog.at_level(logging.WARNING, logger="plp"):
        assert choose_scores(learner).keys() == TEXTLESS
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1
    assert "(GlobalLocalMCM, LocalMCM, MCM): timm:test_vit:random has no text tower" in caplog.text
    assert scores_of(learner).keys() == TEXTLESS
    assert usual_score(scores_of(learner)) == "MSP"
    with pytest.raises(ConfigError, match=r"\(MCM\).*no text tower.*work: Energy, Entropy, MSP"):
        choose_scores(learner, ["MSP", "MCM"])


# ------------------------------------------------------------------------------ through the engine


@pytest.mark.slow
@pytest.mark.parametrize("method", ["linear_probe", "tip_adapter", "tip_adapter_f"])
def test_a_method_without_texts_runs_from_end_to_end(method, choices, root, tmp_path, photos):
    """Train with a feature cache, test again, score, predict, save, load, export, report."""
    config = root / f"configs/{method}/lite_16shot.py"
    if method == "tip_adapter_f":
        options = {"train_cfg.max_epochs": 2, "train_cfg.val_interval": 1}
        choices = choices._replace(options=choices.options | options)
    folder = tmp_path / "run"
    result = train(config, choices, work_dir=folder, device="cpu").result
    assert set(result["accuracy"]) == {"fused", *result["config"]["model"]["branches"]}
    assert any("no text tower, left out: the reference 'zero_shot'" in n for n in result["notes"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "no text tower, left out" in page
    assert "points over zero-shot" not in page
    assert "zero-shot</td>" not in page
    again = train(config, choices, work_dir=tmp_path / "again", device="cpu").result
    assert again["accuracy"] == result["accuracy"]
    tested = evaluate_checkpoint(config, folder, choices, device="cpu")[1]
    assert tested["accuracy"] == result["accuracy"]
    found = evaluate_ood(config, folder, {"same": str(photos)}, choices, device="cpu")
    assert found.metrics.keys() == TEXTLESS
    classifier = plp.load(folder)
    images = sorted(photos.rglob("*.png"))[:3] or sorted(photos.rglob("*.jpg"))[:3]
    predicted = classifier.predict([str(path) for path in images])
    saved = plp.load(classifier.save(tmp_path / "own.safetensors")).predict(str(images[0]))
    assert saved[0].probability == predicted[0].probability
    exported = classifier.export(tmp_path / "classifier.pt2")
    assert exported.checked.difference < 1e-4
    state = json.loads((folder / "result.json").read_text())["learned_parameters"]
    assert bool(state) == (method == "tip_adapter_f")


def test_a_run_on_random_weights_says_so_in_its_log_and_result(root, choices, tmp_path, caplog):
    config = root / "configs/linear_probe/dinov2_s14_16shot.py"
    with caplog.at_level(logging.WARNING, logger="plp"):
        train(config, choices, work_dir=tmp_path / "run", device="cpu")
    said = "the weights of timm:test_vit:random are random (pretrained=None)"
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert sum(said in note for note in result["notes"]) == 1
    assert sum(said in one for one in caplog.messages) == 1
