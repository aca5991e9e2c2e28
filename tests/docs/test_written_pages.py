"""docs/concepts.md and docs/reproduce.md: what stands there runs, exists and is so."""

import argparse
import doctest
import json
import os
import re
import shlex
from pathlib import Path

import pytest
from image_trees import SPLITS_ROOT
from PIL import Image

from plp.cli.flags.compare import add_comparison
from plp.datasets import build_source, sample
from plp.registry import COMPONENTS

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
ROOT = Path(os.environ.get("PLP_DATA_ROOT") or "no-such-folder")
ALIKE = {
    "DTD-10": "dtd",
    "Caltech-101, reduced": "caltech-101",
    "Imagenette, reduced": "imagenette",
}
LISTS = {
    "caltech-101": ("split_zhou_Caltech101.json", "split_reduced_Caltech101.json"),
    "dtd": ("split_zhou_DescribableTextures.json", "split_reduced_DescribableTextures.json"),
}


def page_of(root, name):
    return (root / "docs" / f"{name}.md").read_text(encoding="utf-8")


def run_examples(root, name, **names):
    found = doctest.testfile(
        str(root / "docs" / f"{name}.md"), module_relative=False, encoding="utf-8",
        optionflags=OPTIONS, globs=names,
    )  # fmt: skip
    assert found.failed == 0
    return found.attempted


def test_the_examples_of_concepts(root, monkeypatch):
    monkeypatch.chdir(root)  # a config is named as the README does
    assert run_examples(root, "concepts") > 60


def test_concepts_show_a_component_of_every_kind(root):
    text = page_of(root, "concepts")
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    kinds = set(COMPONENTS) - {"model", "dataset", "metric", "hook", "loop", "optimizer wrapper"}
    for kind in kinds:
        assert any(re.search(rf"\b{name}\(", code) for name in COMPONENTS[kind].names()), kind


def test_the_picture_of_concepts(root):
    (figure,) = re.findall(r"!\[[^]]+\]\(([^)]*)\)", page_of(root, "concepts"))
    path = root / "docs" / figure
    assert path.stat().st_size < 300_000
    assert Image.open(path).width >= 700
    assert path.name in (root / "docs/draw_concepts.py").read_text(encoding="utf-8")


@pytest.fixture
def whole(tmp_path):
    """A folder with two published lists, complete where there are such, else like them."""
    folder = tmp_path / "whole"
    for name, (file, _) in LISTS.items():
        (folder / name).mkdir(parents=True)
        rows = [[f"{c}/{i}.jpg", c, f"class {c}"] for c in range(12) for i in range(40)]
        text = json.dumps(dict.fromkeys(("train", "val", "test"), rows))
        if (SPLITS_ROOT / file).is_file():
            text = (SPLITS_ROOT / file).read_text(encoding="utf-8")
        (folder / name / file).write_text(text, encoding="utf-8")
    return folder


def test_the_rule_of_the_reduced_copies(root, whole, tmp_path):
    folders = {name: tmp_path / name for name in LISTS}
    for folder in folders.values():
        folder.mkdir()
    caltech, dtd = folders.values()
    assert run_examples(root, "reproduce", data=whole, caltech=caltech, dtd=dtd) > 8
    for name, (file, reduced) in LISTS.items():
        made = json.loads((folders[name] / reduced).read_text(encoding="utf-8"))
        assert {row[1] for row in made["test"]} == set(range(10)) or name != "dtd"
        assert max(sum(row[1] == c for row in made["val"]) for c in range(10)) >= 8
        if (SPLITS_ROOT / file).is_file() and (ROOT / name / reduced).is_file():
            assert made == json.loads((ROOT / name / reduced).read_text(encoding="utf-8"))


def hashes(root):
    rows = re.findall(r"^\| ([^|]+?) \|((?: `\w{12}` \|){3})$", page_of(root, "reproduce"), re.M)
    return {name: re.findall(r"\w{12}", row) for name, row in rows}


def test_the_split_hashes_of_textile(root):
    assert len(hashes(root)) == 4
    check_hashes(hashes(root)["textile"], build_source("textile").splits())


@pytest.mark.data
@pytest.mark.parametrize("name", ALIKE)
def test_the_split_hashes_of_the_reduced_copies(root, name):
    folder = ROOT / ALIKE[name]
    if not list(folder.glob("split_reduced_*.json")):
        pytest.skip("no reduced copy under PLP_DATA_ROOT")
    check_hashes(hashes(root)[name], build_source("coop", folder).splits())


def check_hashes(expected, splits):
    found = [sample(splits, 16, seed=seed).split_hash[:12] for seed in (1, 2, 3)]
    assert found == expected


def test_what_reproduce_names_is_there(root):
    text = page_of(root, "reproduce")
    for path in re.findall(r"(?:docs|tests)/[\w/.]+\.\w+|tests/\w+", text):
        assert (root / path).exists(), path
    (command,) = re.findall(r"^python tools/compare\.py (.*)$", text.replace("\\\n", ""), re.M)
    flags = argparse.ArgumentParser()
    add_comparison(flags, out="out")
    assert flags.parse_args(shlex.split(command)).seeds == [1, 2, 3]
