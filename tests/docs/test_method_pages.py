"""The READMEs of the methods: numbers are those of the tables, settings those of the configs."""

import importlib.util
import re

import pytest
from small_towers import WITHOUT_LITE

from plp.config.load import _of_shots, load_config

HEADER = "method,dataset,shots,num_seeds,seeds,mean,std,other_code\n"
SUMMARY = HEADER + (
    "coop,zoo,16,1,1,50.04,,False\n"
    "coop,dtd,4,2,1 3,40.0,1.25,False\n"
    "coop,dtd,16,3,1 2 3,60.06,2.0,True\n"
    "plot,dtd,16,3,1 2 3,99.0,2.0,False\n"
)
VARIANTS = HEADER + (
    "coop/lite_16shot_front,dtd,16,3,1 2 3,61.0,1.0,False\n"
    "coop/lite_16shot_front,dtd,4,3,1 2 3,41.0,1.0,False\n"
)
METHODS = (
    "clap", "clip_adapter", "cliplora", "cocoop", "coop", "gallop", "ivlp", "kgcoop",
    "linear_probe", "locoop", "lpplus", "maple", "mma", "mmrl", "plot", "plotpp", "prograd",
    "prolip", "promptsrc", "sotglp", "taskres", "tcp", "tip_adapter", "tip_adapter_f", "twostage",
    "vpt", "zeroshot", "zslp",
)  # fmt: skip
UNTRAINED = ("linear_probe", "lpplus", "tip_adapter", "zeroshot")
TRAINED = [name for name in METHODS if name not in UNTRAINED]


@pytest.fixture(scope="module")
def script(root):
    spec = importlib.util.spec_from_file_location("fill_measured", root / "docs/fill_measured.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tables(script, tmp_path):
    """Write tables of a results folder; return their rows."""

    def write(variants=None):
        (tmp_path / "summary.csv").write_text(SUMMARY)
        if variants:
            (tmp_path / "variants.csv").write_text(variants)
        return [script.rows_of(tmp_path / f"{name}.csv") for name in ("summary", "variants")]

    return write


def lines_of(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_the_page_of_results_has_the_numbers_of_the_table(script):
    summary = script.rows_of(script.RESULTS / "summary.csv")
    text = (script.RESULTS / "README.md").read_text(encoding="utf-8")
    assert script.filled(text, script.overview(summary)) == text, "run docs/fill_measured.py"
    assert {row["method"] for row in summary} <= set(script.METHODS)


def test_all_methods_side_by_side(script, tables):
    summary, _ = tables()
    assert lines_of(script.overview(summary)) == [
        "| method | dtd | average |", "| :--- | ---: | ---: |",
        "| coop | 40.0 ± 1.2 (seeds 1, 3) | 40.0 |",
        "| method | dtd | zoo | average |", "| :--- | ---: | ---: | ---: |",
        "| coop | 60.1 ± 2.0† | 50.0 (seed 1) | 55.0 |",
        "| plot | **99.0 ± 2.0** | – | – |",
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_the_numbers_are_those_of_the_tables(script, method):
    summary, variants = (
        script.rows_of(script.RESULTS / f"{n}.csv") for n in ("summary", "variants")
    )
    text = script.readmes()[method].read_text(encoding="utf-8")
    same = script.filled(text, script.block(method, summary, variants)) == text
    assert same, "docs/results has changed: python docs/fill_measured.py"
    measured = any(row["method"] == method for row in summary)
    assert measured is ("Not measured; other methods:" not in text)


def test_every_method_has_a_page(script):
    assert tuple(script.readmes()) == METHODS


def test_a_block_by_hand(script, tables):
    text = script.block("coop", *tables())
    assert "over seeds 1, 2, 3;" in text
    assert lines_of(text) == [
        "| shots | dtd | zoo |",
        "| :--- | ---: | ---: |",
        "| 4 | 40.0 ± 1.2 (seeds 1, 3) | – |",
        "| 16 | 60.1 ± 2.0† | 50.0 (seed 1) |",
    ]
    assert "† A run among these" in text
    assert "Variants" not in text
    assert "Not measured" in script.block("sotglp", *tables())


def test_variants_stand_in_a_table_of_their_own(script, tables):
    text = script.block("coop", *tables(VARIANTS))
    assert lines_of(text.partition("Variants, 16 shots:")[2]) == [
        "| config | dtd |",
        "| :--- | ---: |",
        "| `lite_16shot` | 60.1 ± 2.0† |",
        "| `lite_16shot_front` | 61.0 ± 1.0 |",
    ]
    assert "Variants" not in script.block("plot", *tables(VARIANTS))


def test_only_what_is_between_the_marks_changes(script):
    text = f"before\n{script.BEGIN}\n\nold\n\n{script.END}\nafter\n"
    assert script.filled(text, "new") == text.replace("old", "new")
    assert script.filled(script.filled(text, "new"), "old") == text
    with pytest.raises(ValueError, match="expected one"):
        script.filled("no marks", "new")


@pytest.mark.parametrize("method", TRAINED)
@pytest.mark.parametrize("backbone", ["lite", "vitb16"])
def test_the_training_settings_are_those_of_the_config(root, script, method, backbone):
    if backbone == "lite" and method in WITHOUT_LITE:
        assert not (root / "configs" / method / "lite_16shot.py").exists()
        return
    text = script.readmes()[method].read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{backbone}_\*` \|(.*)\|$", text, re.M)
    optimiser, rate, batch, epochs = (cell.strip() for cell in row.split("|"))
    config = load_config(root / "configs" / method / f"{backbone}_16shot.py")
    settings = config.optim_wrapper.optimizer
    assert re.match(rf"{settings.type}\b", optimiser)
    assert f"weight decay {_plain(settings.weight_decay)}" in optimiser
    assert float(re.match(r"[\d.]+", rate)[0]) == settings.lr
    assert int(re.match(r"\d+", batch)[0]) == config.data.batch_size
    if "steps_per_shot" in config.train_cfg:
        assert epochs == f"{config.train_cfg.steps_per_shot} steps per shot"
        return
    found = []
    for shots in (1, 4, 16):
        recipe = _of_shots(config.get("shot_recipes"), shots, "")
        found.append(recipe.get("train_cfg.max_epochs", config.train_cfg.max_epochs))
    assert re.match(r"[\d /]+", epochs)[0].strip() == " / ".join(map(str, found))
    if backbone == "lite":
        of_hundred = config.recipes["caltech101"]
        assert f"({of_hundred['data.batch_size']})" in batch
        few = [of_hundred["shots"][k]["train_cfg.max_epochs"] for k in ("1", "4")]
        few.append(of_hundred["train_cfg.max_epochs"])
        assert f"({' / '.join(map(str, few))})" in epochs
        assert config.recipes["oxford_flowers"] == of_hundred


@pytest.mark.parametrize("method", UNTRAINED)
def test_the_others_train_for_no_epoch(root, script, method):
    text = script.readmes()[method].read_text(encoding="utf-8")
    assert "No optimiser runs" in text
    for backbone in ("lite", "vitb16"):
        config = load_config(root / "configs" / method / f"{backbone}_16shot.py")
        assert config.train_cfg.max_epochs == 0
        assert not config.get("shot_recipes")


@pytest.mark.parametrize("method", METHODS)
def test_the_keys_of_the_symbols_are_keys_of_the_config(root, script, method):
    text = script.readmes()[method].read_text(encoding="utf-8")
    table = re.search(r"^\| symbol \|.*?\n\n", text, re.M | re.S)[0]
    keys = set(re.findall(r"`((?:model|data)\.[\w.]+)`", table))
    assert keys - {"model.backbone.logit_scale"}
    for key in keys - {"model.backbone.logit_scale"}:
        backbones = ("vitb16",) if method in WITHOUT_LITE else ("lite", "vitb16")
        assert any(_leads_to_a_section(root, method, key, b) for b in backbones), key


def _leads_to_a_section(root, method, key, backbone):
    """Whether all but the last step of a key is there; the last may be a default of a component."""
    section = load_config(root / "configs" / method / f"{backbone}_16shot.py")
    for step in key.split(".")[:-1]:
        if step not in section:
            return False
        section = section[step]
    return True


def _plain(number):
    """Return a number as the pages write it: 1e-4, 0.01."""
    small = 0 < number < 0.001
    return f"{number:.0e}".replace("e-0", "e-") if small else f"{number:g}"
