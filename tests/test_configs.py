"""Every config in the tree builds, learns what it says and differs where it says.

Every method on every backbone, and each variant that runs code of its own, also trains, is cut off,
resumes and predicts. Variants in a constant or a component take their step alone.
"""

import functools
import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from small_towers import WITHOUT_LITE, fitting
from stop_hook import StoppedError
from tiny_runs import CLASSES as INSECTS
from tiny_runs import make_photos

import plp
from plp.config import load as configs
from plp.config.load import Choices, choose, load_config, merge_options
from plp.datasets import DataSource
from plp.engine.build import local_seed
from plp.engine.evaluate import evaluate_checkpoint
from plp.engine.train import train
from plp.errors import ConfigError
from plp.registry import BACKBONES, MODELS
from plp.structures import Shots
from plp.testing.clip_weights import TINY

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*/*.py") if "_base_" not in path.parts)
CLASSES = ("cat", "golden retriever", "red fox")
NUM_SHOTS = 5  # that caches are filled with here


def ids(path):
    return f"{path.parent.name}/{path.stem}"


def each(paths=CONFIGS, quick=lambda path: True):
    """Return a mark for a test of each config; those that are not quick are run with `-m slow`."""
    marks = [[] if quick(path) else [pytest.mark.slow] for path in paths]
    rows = [pytest.param(p, id=ids(p), marks=m) for p, m in zip(paths, marks, strict=True)]
    return pytest.mark.parametrize("path", rows)


def of_the_method(path):
    """Whether a config is the method itself, and no variant of it."""
    return path.stem in ("vitb16_16shot", "lite_16shot")


def of_the_method_on_clip(path):
    """The method itself on CLIP: what becomes of class names is the business of no tower."""
    return path.stem == "vitb16_16shot" or ids(path) == "sotglp/lite_16shot"


def of_each_kind(path):
    """A method with prompts and patches, one with prompts, one with steps, one without."""
    kinds = ("sotglp", "coop", "tip_adapter_f", "linear_probe")
    return path.stem == "vitb16_16shot" and path.parent.name in kinds


OWN_CODE = {  # variants whose run is another, and not their base's with another component
    "coop/vitb16_16shot_class_context", "maple/vitb16_16shot_cross_dataset",
    "plot/vitb16_16shot_global", "plotpp/vitb16_16shot_stage1", "sotglp/lite_16shot_unbalanced",
    "sotglp/vitb16_16shot_lora", "sotglp/vitb16_16shot_published", "zeroshot/lite_16shot_dataset",
}  # fmt: skip
RUNS = [
    path for path in CONFIGS
    if of_the_method(path) or path.stem.startswith("dinov2") or ids(path) in OWN_CODE
]  # fmt: skip
read = functools.cache(load_config)  # whoever uses a config works on a copy


class Size(NamedTuple):
    """Widths of a backbone: of tokens, of dense features, of the joint space."""

    token: int
    dense: int
    embed: int


SIZES = {  # tiny weights, random ones, real ones
    "vitb16": Size(128, 128, 64), "dinov2": Size(0, 64, 64), "lite": Size(384, 1280, 1280),
}  # fmt: skip
WITHOUT_TEXTS = {
    "model.backbone.arch": "timm:test_vit",
    "model.backbone.pretrained": None,
    "model.backbone.image_size": 64,
}


# ------------------------------------------------------------------------------ what methods learn


def _coop(size, stem):
    random = "random16" in stem or (stem.startswith("vitb16") and "words" not in stem)
    tokens = 16 if random else 4  # "a photo of a"
    sets = len(CLASSES) if "class_context" in stem else 1
    return sets * tokens * size.token


def _cocoop(size, stem):
    hidden = size.embed // 16
    network = size.embed * hidden + hidden + hidden * size.token + size.token
    return 4 * size.token + network


def _sotglp(size, stem):
    prompts = 3 * 4 * size.token + len(CLASSES) * 4 * 4 * size.token
    tuned = 4 * 3 * 2 * 2 * size.dense if "lora" in stem else 0  # blocks, matrices, A and B, rank
    return prompts + (0 if "noproj" in stem else size.dense**2) + tuned


def _cliplora(size, stem):
    """Blocks * matrices * (A and B) * rank * width, of both tiny towers or of MiniLM."""
    return sum(blocks * 3 * 2 * 2 * width for blocks, width in _tuned_towers(size, stem))


def _twostage(size, stem):
    norms = sum(blocks * 2 * 2 * width for blocks, width in _tuned_towers(size, stem))
    return norms + len(CLASSES) * size.embed


def _tuned_towers(size, stem):
    return [(6, size.token)] if stem.startswith("lite") else [(4, size.token), (4, size.dense)]


DEEP = 3  # blocks with prompts here (small_towers)


def _ivlp(size, stem, text=2, image=2, depth=DEEP):
    return depth * (text * size.token + image * size.dense)


def _maple(size, stem, depth=DEEP):
    return depth * (2 * size.token + size.token * size.dense + size.dense)


PAIRS = 3  # of blocks that methods inside the towers act on here (small_towers)


def _mma(size, stem, pairs=PAIRS):
    own = sum(2 * 32 * width + 32 + width for width in (size.token, size.dense))
    return pairs * (own + 32**2 + 32)


def _mmrl(size, stem, pairs=PAIRS):
    maps = sum(width * 512 + width for width in (size.token, size.dense))
    return 5 * 512 + pairs * maps + size.dense * size.embed


def _tcp(size, stem):
    hidden = size.embed // 4
    network = hidden * size.embed + hidden + 4 * size.token * (hidden + 1)
    return 4 * size.token + network


LEARNED = {  # parameters by gradient, from widths and the name of the config
    "zeroshot": lambda size, stem: 0,
    "linear_probe": lambda size, stem: 0,
    "coop": _coop,
    "cocoop": _cocoop,
    "kgcoop": lambda size, stem: 4 * size.token,
    "prograd": lambda size, stem: (16 if stem.startswith("vitb16") else 4) * size.token,
    "ivlp": _ivlp,
    "vpt": lambda size, stem: _ivlp(size, stem, 0, 8),
    "promptsrc": lambda size, stem: _ivlp(size, stem, 4, 4),
    "maple": _maple,
    "plot": lambda size, stem: 4 * (16 if stem.startswith("vitb16") else 4) * size.token,
    "plotpp": lambda size, stem: (
        4 * 2 * size.dense + (0 if "stage1" in stem else 4 * 4 * size.token)
    ),
    "locoop": lambda size, stem: (16 if stem.startswith("vitb16") else 4) * size.token,
    "gallop": lambda size, stem: (4 + 4) * 4 * size.token + size.dense**2,
    "sotglp": _sotglp,
    "clip_adapter": lambda size, stem: 2 * size.embed * (size.embed // 4),
    "taskres": lambda size, stem: len(CLASSES) * size.embed,
    "tip_adapter": lambda size, stem: 0,
    "tip_adapter_f": lambda size, stem: NUM_SHOTS * size.embed,
    "zslp": lambda size, stem: len(CLASSES) * size.embed,
    "clap": lambda size, stem: len(CLASSES) * size.embed,
    "lpplus": lambda size, stem: 0,
    "prolip": lambda size, stem: size.dense * size.embed,
    "cliplora": _cliplora,
    "twostage": _twostage,
    "mma": _mma,
    "mmrl": _mmrl,
    "tcp": _tcp,
}
SAVED = {  # numbers in a checkpoint that are not learned by gradient
    "linear_probe": lambda size: len(CLASSES) * size.embed + len(CLASSES),
    "lpplus": lambda size: len(CLASSES) * size.embed + 2 * len(CLASSES),
    "twostage": lambda size: 1,
    "tip_adapter": lambda size: NUM_SHOTS * (size.embed + 1) + 2,
    "tip_adapter_f": lambda size: NUM_SHOTS + 2,
}
NEW_CLASSES = {  # whether a trained method takes class names it was not trained with
    "zeroshot": True, "linear_probe": False, "coop": True, "cocoop": True, "kgcoop": True,
    "prograd": True, "ivlp": True, "vpt": True, "maple": True, "promptsrc": True, "plotpp": True,
    "plot": True, "locoop": True, "gallop": True, "sotglp": False, "clip_adapter": True,
    "taskres": False, "tip_adapter": False, "tip_adapter_f": False,
    "zslp": True, "clap": True, "lpplus": True, "prolip": True, "cliplora": True, "twostage": True,
    "mma": True, "mmrl": True, "tcp": True,
}  # fmt: skip
# What they learn, or say, of the classes of the training goes with the names of these.
ROWS_GO_WITH_NAMES = ("zslp", "clap", "lpplus", "twostage", "mmrl")


def takes_new_classes(path):
    return NEW_CLASSES[path.parent.name] and "class_context" not in path.stem


@pytest.fixture(scope="module")
def lite():
    """One lite backbone for all configs."""
    return BACKBONES.build(dict(type="LiteBackbone"))


@pytest.fixture
def build(tiny_options, lite):
    """Build the learner of a config: of ViT-B/16 on tiny weights, of the lite one on its own."""

    def builder(path, class_names=CLASSES):
        if path.stem.startswith("vitb16"):
            options = tiny_options | fitting(path.parent.name, TINY.text_layers)
            return plp.build_learner(path, class_names, options)
        if path.stem.startswith("dinov2"):
            return plp.build_learner(path, class_names, WITHOUT_TEXTS)
        model = read(path).model.to_dict()
        assert model["backbone"] == dict(type="LiteBackbone")
        with local_seed(1):
            return MODELS.build(model | {"backbone": lite}, class_names=class_names).eval()

    return builder


def pixels_of(learner, images):
    side = 96 if learner.backbone.image_size == (96, 96) else 64
    generator = torch.Generator().manual_seed(0)
    shape = (images, 3, side, side)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def fitted(learner):
    """Fit a learner that wants it to five shots of noise."""
    if learner.needs_shots:
        pooled = learner.encode_image(pixels_of(learner, NUM_SHOTS)).pooled
        shots = Shots(pooled[None], torch.tensor([0, 1, 2, 0, 1]))
        learner.fit(shots, shots)
    return learner


def test_every_method_is_in_the_tables():
    assert {ids(path) for path in CONFIGS} >= OWN_CODE
    methods = {path.parent.name for path in CONFIGS}
    assert methods == set(LEARNED) == set(NEW_CLASSES)
    for method in methods:
        names = {path.stem for path in CONFIGS if path.parent.name == method}
        assert "vitb16_16shot" in names
        assert ("lite_16shot" in names) is (method not in WITHOUT_LITE)
        assert (ROOT / "configs" / method / "README.md").is_file()


@each(quick=of_the_method)
def test_config_takes_a_step(path, build):
    learner = fitted(build(path)).train()
    size = SIZES[path.stem.split("_")[0]]
    images = pixels_of(learner, 2)
    total = sum(learner(images, torch.tensor([0, 2]), mode="loss").values())
    assert total.isfinite()
    learned = {n: p for n, p in learner.named_parameters() if p.requires_grad}
    expected = LEARNED[path.parent.name](size, path.stem)
    assert sum(p.numel() for p in learned.values()) == expected
    saved = SAVED.get(path.parent.name, lambda _: 0)(size)
    saved += 4 * 4 * size.token if path.stem.endswith("stage1") else 0  # prompts as they start
    assert sum(value.numel() for value in learner.state_dict().values()) == expected + saved
    if not learned:
        return
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learned.values())
    torch.optim.SGD(learned.values(), lr=1e-3).step()
    learner.eval()
    with torch.no_grad():
        assert learner(images)["logits"].isfinite().all()


def test_parameter_counts_at_full_size():
    """Of ViT-B/16, one layer deep: depth is frozen, and what is learned depends on widths."""
    vision = dict(width=768, layers=1, patch_size=16, image_size=32)
    text = dict(width=512, heads=8, layers=1)
    config = dict(embed_dim=512, vision_cfg=vision, text_cfg=text)
    backbone = BACKBONES.build(
        dict(type="OpenCLIPBackbone", arch="shallow", pretrained=None, model_config=config)
    )
    shots = Shots(torch.ones(1, NUM_SHOTS, 512), torch.tensor([0, 1, 2, 0, 1]))
    counts = {}
    for method in LEARNED:
        config = load_config(ROOT / f"configs/{method}/vitb16_16shot.py")
        merge_options(config, fitting(method, 1))
        model = config.model.to_dict()
        learner = MODELS.build(model | {"backbone": backbone}, class_names=CLASSES).eval()
        if learner.needs_shots:
            learner.fit(shots, shots)
        counts[method] = sum(p.numel() for p in learner.parameters() if p.requires_grad)
    assert counts == {
        "zeroshot": 0,
        "linear_probe": 0,
        "coop": 8_192,
        "cocoop": 35_360,
        "kgcoop": 2_048,
        "prograd": 8_192,
        "ivlp": 2_560,  # of one block
        "vpt": 6_144,  # likewise
        "promptsrc": 5_120,  # likewise
        "maple": 395_008,  # likewise
        "plotpp": 14_336,
        "plot": 32_768,
        "locoop": 8_192,
        "gallop": 606_208,
        "sotglp": 620_544,  # three classes
        "clip_adapter": 131_072,
        "taskres": 1_536,  # three classes
        "tip_adapter": 0,
        "tip_adapter_f": 2_560,  # five shots
        "zslp": 1_536,  # three classes
        "clap": 1_536,  # three classes
        "lpplus": 0,
        "prolip": 393_216,
        "cliplora": 15_360,  # one block of each tower
        "twostage": 6_656,  # likewise; three classes
        "mma": 84_320,  # of one pair of blocks
        "mmrl": 1_052_416,  # likewise
        "tcp": 331_904,
    }


def test_each_config_names_its_command_and_is_short():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in CONFIGS}
    silent = [name for name, text in texts.items() if f"python tools/train.py {name}" not in text]
    long = [name for name, text in texts.items() if len(text.splitlines()) > 40]
    assert (silent, long) == ([], [])


# --------------------------------------------------------------------------------- new class names


@each(quick=of_the_method_on_clip)
def test_new_class_names(path, build):
    learner, other = fitted(build(path)), ("dog", "old boat", "bird", "lighthouse")
    images = pixels_of(learner, 2)
    if not takes_new_classes(path):
        bound = "|".join(learner.branches)
        message = rf"branch ({bound}) belongs to the classes .* cannot take new class names"
        with pytest.raises(ConfigError, match=message):
            learner.set_class_names(other)
        assert learner.class_names == CLASSES
        assert learner(images)["logits"].shape == (2, 3)
        return
    learned = {n: p for n, p in learner.named_parameters() if p.requires_grad}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in learned.values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    rows = path.parent.name in ROWS_GO_WITH_NAMES
    fresh = build(path, CLASSES if rows else other)
    fresh.load_state_dict(learner.state_dict())
    if rows:
        fresh.set_class_names(other)
    learner.set_class_names(other)
    for found, expected in zip(learner.predict(images), fresh.predict(images), strict=True):
        assert found.keys() == expected.keys()
        for name, logits in found.items():
            assert logits.shape == (4,)
            assert torch.equal(logits, expected[name]), name


def test_the_table_of_methods_says_so_too():
    lines = (ROOT / "configs/README.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split("|") for line in lines if line.startswith("| [")]
    told = {row[0].split("]")[0].strip("[ "): row[-1].strip() for row in rows}
    assert told.keys() == NEW_CLASSES.keys()
    for method, takes in NEW_CLASSES.items():
        assert told[method].startswith("yes" if takes else "no"), method


# ------------------------------------------------------------------------------ through the engine


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory):
    """Three classes of eight images: four of each are held out for testing."""
    return make_photos(tmp_path_factory.mktemp("few") / "insects", dict.fromkeys(INSECTS, 8))


def curves(folder):
    return [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]


@each(RUNS, quick=of_each_kind)
def test_config_trains_is_cut_off_resumes_and_predicts(path, tiny_options, few_photos, tmp_path):
    """One step an epoch; the run is stopped after the first and resumed for the second."""
    options = {"data.num_workers": 0, "data.batch_size": 6, "save_seconds": 0.0, "report": False}
    if path.stem.startswith("vitb16"):
        options |= tiny_options | fitting(path.parent.name, TINY.text_layers)
    options |= WITHOUT_TEXTS if path.stem.startswith("dinov2") else {}
    trains = read(path).train_cfg.get("max_epochs", 1) > 0
    assert trains == (LEARNED[path.parent.name](SIZES["lite"], path.stem) > 0)
    if trains:
        options |= {"train_cfg.max_epochs": 2, "train_cfg.val_interval": 2}
    choices = Choices("folder", str(few_photos), shots=2, options=options)
    stop = {
        "custom_imports": dict(imports=["stop_hook"]),
        "custom_hooks": [dict(type="StopHook", epoch=1)],
    }
    cut = choices._replace(options=options | stop)
    if trains:
        with pytest.raises(StoppedError):
            train(path, cut, work_dir=tmp_path, device="cpu")
        assert len(curves(tmp_path)) == 1
    else:
        train(path, choices, work_dir=tmp_path, device="cpu")
    result = train(path, choices, work_dir=tmp_path, resume=True, device="cpu").result
    assert (result["epochs"], result["steps"]) == ((2, 2) if trains else (0, 0))
    assert result["resumed"] == trains
    if trains:
        assert [row["epoch"] for row in curves(tmp_path)] == [1, 2]
    _, again = evaluate_checkpoint(path, tmp_path, choices, device="cpu")
    for key in ("accuracy", "per_class_accuracy", "split_hash", "class_names"):
        assert again[key] == result[key], key
    assert set(result["class_names"]) == set(INSECTS)


# ---------------------------------------------------------------------------- recipes and variants


class NameOnly(DataSource):
    """A dataset that is known by name, and has no images."""

    def __init__(self, name):
        self.name = name

    def splits(self):
        raise NotImplementedError


@pytest.fixture
def chosen(monkeypatch):
    """Settle a config for a dataset by name, without the dataset."""
    monkeypatch.setattr(configs, "_source", lambda _, wanted, *__: NameOnly(wanted.dataset))

    def find(path, dataset="textile", shots=None):
        return choose(read(path), Choices(dataset=dataset, shots=shots))[0]

    return find


def test_every_recipe_leaves_what_can_be_trained_as_it_is(chosen):
    """No recipe gives epochs to a method that learns nothing, nor keys to a part that is not there.

    The key of a recipe would make a part without a type of one that a config does not have.
    """
    faults = []
    recipes = [(path, name) for path in CONFIGS for name in read(path).get("recipes") or {}]
    for (path, dataset), shots in product(recipes, (1, 4, 16)):
        learns = LEARNED[path.parent.name](SIZES["lite"], path.stem) > 0
        config = chosen(path, dataset, shots)
        if (config.train_cfg.get("max_epochs", 1) > 0) != learns:
            faults.append((ids(path), dataset, shots, "epochs"))
        for parts in (config.model.branches, config.model.get("references") or {}):
            faults += [(ids(path), dataset, k) for k, one in parts.items() if "type" not in one]
    assert not faults


VARIANTS = {  # what a variant changes in its base config, by dotted key
    "coop/lite_16shot_random16": ["prompt.num_tokens", "prompt.std", "prompt.words"],
    "coop/vitb16_16shot_words": ["prompt.num_tokens", "prompt.std", "prompt.words"],
    "maple/vitb16_16shot_cross_dataset": [
        "max_epochs", "val_interval", "lr", "prompts.depth", "param_scheduler",
    ],
    "promptsrc/vitb16_16shot_base_to_new": ["max_epochs", "mean", "std"],
    "promptsrc/vitb16_16shot_cross_dataset": [
        "max_epochs", "mean", "std", "image_depth", "text_depth",
    ],


    "mmrl/vitb16_16shot_base_to_new": ["batch_size", "max_epochs", "val_interval"],
    "sotglp/lite_16shot_eps001": ["aligner.epsilon"],
    "sotglp/lite_16shot_eps005": ["aligner.epsilon"],
    "sotglp/lite_16shot_maxsim": ["aligner.epsilon", "aligner.type"],
    "sotglp/lite_16shot_mean": ["aligner.epsilon", "aligner.type"],
    "sotglp/lite_16shot_noproj": ["projection.type"],
    "sotglp/lite_16shot_prompt_topk": ["aligner.epsilon", "aligner.type", "selector.type"],
    "sotglp/lite_16shot_unbalanced": ["aligner.type"],
    "sotglp/vitb16_16shot_lora": [
        "lora.type", "lora.towers", "lora.matrices", "lora.r", "lora.scaling", "lora.dropout",
    ],
    "plotpp/vitb16_16shot_stage1": ["passes.add_global", "passes.freeze_prompt"],
    "sotglp/vitb16_16shot_noproj": ["projection.type"],
    "sotglp/vitb16_16shot_paper": ["backbone.alias_first_block", "score_scale"],
    "sotglp/vitb16_16shot_published": ["data.sampler"],
    "sotglp/vitb16_16shot_published_noproj": ["data.sampler", "projection.type"],
}  # fmt: skip
for _kind in ("lite", "vitb16"):
    VARIANTS |= {
        f"coop/{_kind}_16shot_class_context": ["prompt.type"],
        f"coop/{_kind}_16shot_front": ["prompt.position"],
        f"coop/{_kind}_16shot_middle": ["prompt.position"],
        f"zeroshot/{_kind}_16shot_clip7": ["global.ensemble", "prompt.templates"],
        f"zeroshot/{_kind}_16shot_clip80": ["global.ensemble", "prompt.templates"],
        f"zeroshot/{_kind}_16shot_dataset": [],  # recipes only
        f"plot/{_kind}_16shot_global": [
            "global.ensemble", "global.type", "prompt.branch", "prompt.type", "model.fusion",
            "model.objective",
        ],
    }  # fmt: skip


def flat(settings, key=""):
    """Leaves of nested settings by dotted key."""
    if not isinstance(settings, Mapping):
        return {key: settings}
    inner = [flat(value, f"{key}.{name}" if key else name) for name, value in settings.items()]
    return {name: value for part in inner for name, value in part.items()}


def test_variants_differ_where_they_say(chosen):
    plain = ("lite_16shot", "vitb16_16shot", "dinov2_s14_16shot")
    variants = [path for path in CONFIGS if path.stem not in plain]
    assert {ids(path) for path in variants} == set(VARIANTS)
    for path in variants:
        base = path.with_name("_".join(path.stem.split("_")[:2]) + ".py")
        own, plain = (flat(chosen(p).to_dict()) for p in (path, base))
        changed = [key for key in {**own, **plain} if own.get(key) != plain.get(key)]
        wanted = VARIANTS[ids(path)]
        assert len(changed) == len(wanted), (ids(path), changed)
        for end in wanted:
            assert any(key.endswith(end) for key in changed), (ids(path), end, changed)


def test_template_variant_has_a_template_where_the_field_has_one(chosen):
    for kind in ("lite", "vitb16"):
        path = ROOT / f"configs/zeroshot/{kind}_16shot_dataset.py"
        templates = {
            name: list(chosen(path, name).model.branches["global"].prompt.templates)
            for name in ("dtd", "oxford_pets", "food101")
        }
        assert templates == {
            "dtd": ["{} texture."],
            "oxford_pets": ["a photo of a {}, a type of pet."],
            "food101": ["a photo of {}, a type of food."],
        }
        assert chosen(path, "caltech101").model.branches["global"].prompt.templates == "one"


def test_variants_of_sotglp(chosen):
    def settle(name):
        return chosen(ROOT / "configs/sotglp" / name)

    plain, paper = settle("vitb16_16shot.py"), settle("vitb16_16shot_paper.py")
    published, without = settle("vitb16_16shot_published.py"), settle("vitb16_16shot_noproj.py")
    assert plain.model.branches.local.score_scale == "published_code"
    assert plain.model.backbone.alias_first_block is True
    assert (plain.data.sampler, plain.data.eval_transform.type) == ("exact", "BackboneEval")
    assert paper.model.branches.local.score_scale == "paper"
    assert paper.model.backbone.alias_first_block is False
    assert published.data.sampler == "stratified"
    assert published.data.eval_transform.type == "BackboneEval", (
        "CLIP's is the code's _transform(224)"
    )
    assert all(one.data.drop_last for one in (plain, paper, published, without))
    assert without.model.branches.local.projection == dict(type="IdentityProjection")
