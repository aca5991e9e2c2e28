"""The ViT-B/16 configs carry the published constants, for every dataset and number of shots."""

import math
from pathlib import Path

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS
from small_towers import fitting

import plp
from plp.config import load as configs
from plp.config.length import with_length
from plp.config.load import Choices, choose, load_config, merge_options
from plp.config.rates import settled_schedulers
from plp.datasets import Textile
from plp.testing.clip_weights import TINY

pytestmark = pytest.mark.slow  # the default run keeps to minutes

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*/vitb16_16shot*.py"))
DATASETS = (
    "caltech101", "dtd", "eurosat", "fgvc_aircraft", "food101", "imagenet", "oxford_flowers",
    "oxford_pets", "stanford_cars", "sun397", "textile", "ucf101",
)  # fmt: skip
COOP = {"dtd": (50, 100, 200), "imagenet": (50, 50, 50)}
EPOCHS = {  # with 1, 4 and 16 shots
    "coop": COOP,
    "clip_adapter": COOP,
    "plot": COOP,
    "gallop": COOP | {"sun397": (50, 100, 200)},
    "sotglp": COOP | {"sun397": (50, 100, 200)},
    "cocoop": {"dtd": (10, 10, 10), "imagenet": (10, 10, 10)},
    "kgcoop": {"dtd": (100, 100, 100), "imagenet": (100, 100, 100)},
    "prograd": COOP,
    "plotpp": COOP,
    "locoop": {"dtd": (50, 50, 50), "imagenet": (50, 50, 50)},
    "taskres": {"dtd": (100, 100, 200), "imagenet": (100, 100, 200)},
    "tip_adapter_f": {"dtd": (20, 20, 20), "eurosat": (100, 100, 100)},
    "tip_adapter": {"imagenet": (0, 0, 0)},
    "zeroshot": {"imagenet": (0, 0, 0)},
    "linear_probe": {"imagenet": (0, 0, 0)},
    "zslp": {"dtd": (300, 300, 300), "imagenet": (300, 300, 300)},
    "clap": {"dtd": (300, 300, 300), "imagenet": (300, 300, 300)},
    "lpplus": {"dtd": (0, 0, 0), "imagenet": (0, 0, 0)},
    "prolip": {"dtd": (300, 300, 300), "imagenet": (300, 300, 300)},
    "mma": {"dtd": (5, 5, 5), "imagenet": (5, 5, 5)},
    "mmrl": {"dtd": (50, 50, 50), "imagenet": (5, 5, 5)},
    "tcp": {"dtd": (50, 50, 50), "imagenet": (50, 50, 50)},
}
STEPS_PER_SHOT = {"cliplora": 500, "twostage": 300}
BATCH = {
    "coop": {"dtd": 32, "imagenet": 32},
    "cocoop": {"dtd": 1, "imagenet": 1},
    "kgcoop": {"dtd": 128},
    "prograd": {"dtd": 32, "imagenet": 32},
    "plotpp": {"dtd": 32, "stanford_cars": 32, "imagenet": 32},
    "locoop": {"imagenet": 32},
    "plot": {"dtd": 128, "stanford_cars": 32, "oxford_flowers": 32, "fgvc_aircraft": 32},
    "gallop": {"dtd": 32, "sun397": 128, "eurosat": 10, "imagenet": 128},
    "taskres": {"dtd": 256},
    "tip_adapter_f": {"dtd": 256},
    "zslp": {"dtd": 256, "imagenet": 256},
    "clap": {"dtd": 256},
    "prolip": {"dtd": 16384},  # all shots
    "mma": {"dtd": 16, "imagenet": 128},
    "mmrl": {"dtd": 32, "imagenet": 32},
    "tcp": {"dtd": 32, "imagenet": 32},
}


SOTGLP = {  # learning rate, batch, local prompts per class: train_script/scripts/run_*.sh
    "fgvc_aircraft": (0.01, 128, 2), "caltech101": (0.005, 32, 6), "stanford_cars": (0.005, 32, 4),
    "dtd": (0.002, 128, 4), "eurosat": (0.001, 10, 4), "oxford_flowers": (0.005, 32, 6),
    "food101": (0.005, 128, 6), "imagenet": (0.01, 256, 4), "oxford_pets": (0.005, 32, 6),
    "sun397": (0.005, 128, 4), "ucf101": (0.005, 128, 4),
}  # fmt: skip


@pytest.fixture
def chosen(monkeypatch):
    """Return the config of a method for a dataset by name, without the dataset."""
    source = Textile()

    def named(_, wanted, *_options):
        source.name = wanted.dataset
        return source

    monkeypatch.setattr(configs, "_source", named)

    def find(path, dataset, shots=16):
        return choose(load_config(path), Choices(dataset=dataset, shots=shots))[0]

    return find


def build_scheduler(settings, optimiser, steps):
    """Build a schedule as mmengine's Runner does."""
    settings = dict(settings)
    kind = PARAM_SCHEDULERS.get(settings.pop("type"))
    if settings.pop("convert_to_iter_based", False):
        return kind.build_iter_from_epoch(optimizer=optimiser, epoch_length=steps, **settings)
    return kind(optimiser, **settings)


def rates(config, epochs, steps=1):
    """Return the learning rate of every step."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    settings = {
        key: value for key, value in config.optim_wrapper.optimizer.items() if key != "type"
    }
    kind = getattr(torch.optim, config.optim_wrapper.optimizer.type)
    optimiser = kind([parameter], **settings)
    schedulers = [
        build_scheduler(found, optimiser, steps)
        for found in settled_schedulers(config, dict(max_epochs=epochs))
    ]
    seen = []
    for step in range(epochs * steps):
        seen.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (step + 1) % steps == 0:
                scheduler.step()
    return seen


@pytest.mark.parametrize("method", EPOCHS)
def test_epochs(method, chosen):
    path = ROOT / "configs" / method / "vitb16_16shot.py"
    for dataset, wanted in EPOCHS[method].items():
        found = tuple(chosen(path, dataset, k).train_cfg.max_epochs for k in (1, 4, 16))
        assert found == wanted, dataset


@pytest.mark.parametrize("method", STEPS_PER_SHOT)
def test_steps_per_shot(method, chosen):
    config = chosen(ROOT / "configs" / method / "vitb16_16shot.py", "dtd", 4)
    assert config.optim_wrapper.optimizer == dict(type="AdamW", lr=2e-4, weight_decay=0.01)
    assert config.data.batch_size == 32
    assert config.model.branches["global"].prompt.templates == "one"
    settled = with_length(config, 4, 6).train_cfg  # 47 classes of four images, in batches of 32
    assert settled.max_steps == 4 * STEPS_PER_SHOT[method]
    assert settled.max_epochs == math.ceil(settled.max_steps / 6)
    if method == "twostage":
        assert list(settled.stages) == [720, 480]


@pytest.mark.parametrize("method", BATCH)
def test_batches(method, chosen):
    path = ROOT / "configs" / method / "vitb16_16shot.py"
    found = {dataset: chosen(path, dataset).data.batch_size for dataset in BATCH[method]}
    assert found == BATCH[method]


@pytest.mark.parametrize(
    "method", ["coop", "cocoop", "kgcoop", "prograd", "plot", "plotpp", "locoop", "clip_adapter"]
)
def test_one_epoch_of_warm_up_then_a_cosine(method, chosen):
    config = chosen(ROOT / "configs" / method / "vitb16_16shot.py", "dtd")
    assert config.optim_wrapper.optimizer == dict(
        type="SGD", lr=0.002, momentum=0.9, weight_decay=5e-4
    )
    expected = [1e-5] + [0.001 * (1 + math.cos(math.pi * e / 10)) for e in range(9)]  # Dassl's
    assert rates(config, 10) == pytest.approx(expected)
    assert rates(config, 1) == [pytest.approx(1e-5)]


def test_prograds_templates_and_strengths(chosen):
    """Published: ProGrad.public/trainers/prograd.py, and its README for lambda."""
    path = ROOT / "configs/prograd/vitb16_16shot.py"
    for dataset in DATASETS:
        for shots in (1, 4, 16):
            config = chosen(path, dataset, shots)
            weaker = shots == 16 and dataset in ("oxford_flowers", "dtd", "eurosat")
            assert config.optim_wrapper.get("strength", 1.0) == (0.8 if weaker else 1.0)
            words = config.model.branches["global"].prompt.words
            templates = config.model.references.zero_shot.prompt.templates
            plain = templates == "one" and words == "a photo of a"
            assert plain or list(templates) == [f"{words} {{}}."], dataset
    assert (words, shots) == ("a photo of a person doing", 16)


@pytest.mark.parametrize(("dataset", "rate"), [("dtd", 2e-3), ("imagenet", 2e-4)])
def test_taskres_warms_up_at_the_same_rate_whatever_comes_after(dataset, rate, chosen):
    config = chosen(ROOT / "configs/taskres/vitb16_16shot.py", dataset)
    assert config.optim_wrapper.optimizer.type == "Adam"
    assert rates(config, 10)[:2] == pytest.approx([1e-5, rate])


@pytest.mark.parametrize("method", ["zslp", "clap"])
def test_text_started_probes_of_clap(method, chosen):
    config = chosen(ROOT / "configs" / method / "vitb16_16shot.py", "dtd")
    assert config.optim_wrapper.optimizer == dict(
        type="SGD", lr=0.1, momentum=0.9, weight_decay=0.0
    )
    expected = [1e-5] + [0.05 * (1 + math.cos(math.pi * e / 10)) for e in range(9)]
    assert rates(config, 10) == pytest.approx(expected)
    assert (config.data.views, config.data.train_transform.type) == (20, "FewShotTrain")
    assert config.model.branches.probe.penalty == (method == "clap")
    assert list(config.model.branches.probe.prompt.templates) == ["{} texture."]


def test_lp_plus_plus_sees_one_crop_of_each_shot(chosen):
    config = chosen(ROOT / "configs/lpplus/vitb16_16shot.py", "imagenet")
    assert (config.data.views, config.data.train_transform.scale) == (1, (0.5, 1.0))
    probe = config.model.branches.probe
    assert (probe.steps, probe.prompt.templates) == (300, "clip_7")


def test_prolip_takes_full_batches_of_300_views(chosen):
    config = chosen(ROOT / "configs/prolip/vitb16_16shot.py", "dtd")
    assert config.optim_wrapper.optimizer == dict(type="Adam", lr=1e-5, eps=1e-4, weight_decay=0.0)
    expected = [5e-6 * (1 + math.cos(math.pi * e / 10)) for e in range(10)]
    assert rates(config, 10) == pytest.approx(expected)
    assert (config.data.views, config.data.train_transform.scale) == (300, (0.5, 1.0))
    for shots in (1, 2, 4, 8, 16):
        config = chosen(ROOT / "configs/prolip/vitb16_16shot.py", "dtd", shots)
        assert config.model.tuners.projection.penalty == 1 / shots


@pytest.mark.parametrize("method", ["gallop", "sotglp"])
def test_no_warm_up(method, chosen):
    config = chosen(ROOT / f"configs/{method}/vitb16_16shot.py", "dtd")
    expected = [0.001 * (1 + math.cos(math.pi * e / 10)) for e in range(10)]
    assert rates(config, 10) == pytest.approx(expected)
    assert config.optim_wrapper.optimizer.weight_decay == 0.01


@pytest.mark.parametrize("name", ["vitb16_16shot", "vitb16_16shot_published_noproj"])
def test_sotglps_table_of_rates_batches_and_prompts(name, chosen):
    found = {}
    for dataset in SOTGLP:
        config = chosen(ROOT / f"configs/sotglp/{name}.py", dataset)
        optimiser, data = config.optim_wrapper.optimizer, config.data
        prompts = config.model.branches.local.prompt.num_prompts
        found[dataset] = (optimiser.lr, data.batch_size, prompts)
        assert (optimiser.type, optimiser.momentum, data.drop_last) == ("SGD", 0.9, True)
    assert found == SOTGLP


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_all_test_with_clips_own_crop_and_train_on_full_batches(path, chosen):
    config = chosen(path, "dtd")
    assert config.data.eval_transform.type == "BackboneEval", "of CLIP's weights: ClipEval"
    if config.train_cfg.get("max_epochs", 1):
        whole = ("tip_adapter_f", *STEPS_PER_SHOT)
        assert config.data.drop_last == (path.parent.name not in whole)


def test_tip_adapter_f_steps_the_cosine_each_iteration(chosen):
    config = chosen(ROOT / "configs/tip_adapter_f/vitb16_16shot.py", "dtd")
    assert config.optim_wrapper.optimizer == dict(
        type="AdamW", lr=0.001, eps=1e-4, weight_decay=0.01
    )
    expected = [0.0005 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    assert rates(config, 4, steps=3) == pytest.approx(expected)


def test_tip_adapter_searches_the_published_range(chosen):
    for method in ("tip_adapter", "tip_adapter_f"):
        config = chosen(ROOT / "configs" / method / "vitb16_16shot.py", "dtd")
        cache = config.model.branches.cache
        assert (cache.alpha, cache.beta) == (2.0, 1.0)
        assert (tuple(cache.alpha_grid), tuple(cache.beta_grid)) == ((13, 20), (13, 200))
        assert (config.data.views, config.data.train_transform.scale) == (10, (0.5, 1.0))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_recipe_of_every_data_set_fits(path, chosen, tiny_options):
    for dataset in DATASETS:
        config = chosen(path, dataset)
        assert all("type" in found for found in config.model.get("references", {}).values())
        if dataset not in ("dtd", "imagenet"):
            continue
        merge_options(config, tiny_options | fitting(path.parent.name, TINY.text_layers))
        learner = plp.build_learner(config, ["cat", "red fox"])
        learns = any(parameter.requires_grad for parameter in learner.parameters())
        assert bool(config.train_cfg.get("max_epochs", 1)) == learns


def test_mma_has_a_cosine_without_warm_up(chosen):
    config = chosen(ROOT / "configs/mma/vitb16_16shot.py", "dtd")
    optimiser = dict(type="SGD", lr=0.0015, momentum=0.9, weight_decay=5e-4)
    assert config.optim_wrapper.optimizer == optimiser
    expected = [0.00075 * (1 + math.cos(math.pi * e / 5)) for e in range(5)]
    assert rates(config, 5) == pytest.approx(expected)


@pytest.mark.parametrize(("method", "kind", "lr"), [("mmrl", "AdamW", 1e-3), ("tcp", "Adam", 2e-3)])
def test_mmrl_and_tcp_warm_up_for_an_epoch(method, kind, lr, chosen):
    config = chosen(ROOT / f"configs/{method}/vitb16_16shot.py", "dtd")
    assert config.optim_wrapper.optimizer == dict(type=kind, lr=lr, weight_decay=5e-4)
    cosine = [lr / 2 * (1 + math.cos(math.pi * e / 10)) for e in range(9)]
    assert rates(config, 10) == pytest.approx([1e-5, *cosine])


MMRL = {  # lambda: Cars 7, Aircraft, SUN, DTD 6, ...
    "stanford_cars": 7, "fgvc_aircraft": 6, "sun397": 6, "dtd": 6, "food101": 5,
    "oxford_flowers": 4, "ucf101": 3, "imagenet": 0.5, "caltech101": 0.5, "oxford_pets": 0.2,
    "eurosat": 0.01,
}  # fmt: skip


@pytest.mark.parametrize("dataset", MMRL)
def test_mmrl_has_a_weight_and_a_template_for_each_data_set(dataset, chosen):
    model = chosen(ROOT / "configs/mmrl/vitb16_16shot.py", dataset).model
    assert model.losses.image.weight == model.losses.text.weight == MMRL[dataset]
    learned, frozen = model.branches["global"].prompt, model.references.zero_shot.prompt
    assert learned.templates == frozen.templates
    assert (learned.templates == "one") is (dataset in PLAIN)
    assert model.tuners.representation.width == (2048 if dataset == "eurosat" else 512)


PLAIN = ("stanford_cars", "sun397", "imagenet", "caltech101")


def test_learned_and_frozen_texts_of_tcp(chosen):
    found = {
        name: chosen(ROOT / "configs/tcp/vitb16_16shot.py", name).model
        for name in ("dtd", "sun397")
    }
    suffixes = [one.branches["global"].prompt.suffix for one in found.values()]
    teachers = [one.references.zero_shot.prompt.templates for one in found.values()]
    assert suffixes == [" texture.", "."]
    assert teachers == [["a photo of a {}, a type of texture."], "one"]


@pytest.mark.parametrize("method", ["zeroshot", "linear_probe", "tip_adapter", "lpplus"])
def test_what_learns_nothing_by_gradient_trains_no_epoch(method, chosen):
    for path in (ROOT / "configs" / method).glob("*.py"):
        found = [chosen(path, name, k).train_cfg.max_epochs for name in DATASETS for k in (1, 16)]
        assert not any(found), path.name
