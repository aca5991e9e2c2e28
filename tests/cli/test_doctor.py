"""`plp doctor` says what is here, and survives whatever is broken."""

import numpy as np
import pytest
from PIL import Image

from plp.cli import doctor
from plp.cli.options import run_tool
from plp.errors import WeightsError


@pytest.fixture
def asked(capsys):
    def run(*flags):
        assert run_tool(doctor.main, [str(flag) for flag in flags], prints_data=True) == 0
        return capsys.readouterr().out

    return run


def test_what_it_says(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("PLP_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x.bin").write_bytes(b"0" * 2**20)
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "split_zhou_Mine.json").write_text("{}")
    said = asked("--data-root", tmp_path / "data")
    heads = [line for line in said.splitlines() if line and not line.startswith(" ")]
    assert heads == ["versions", "devices", "networks", "datasets", "caches"]
    for part in ("torch ", "cpu: ", "lite: ", "--dataset textile: 3 classes, 400 images to draw"):
        assert part in said
    assert f"--dataset coop --data-root {tmp_path / 'data' / 'mine'}: split_zhou_Mine.json" in said
    assert f"{tmp_path / 'cache'}: 1.0 MiB" in said
    assert "cannot be looked up" not in said


def test_a_data_root_that_is_not_there(asked, tmp_path):
    assert f"no such folder: {tmp_path / 'no'}" in asked("--data-root", tmp_path / "no")


@pytest.mark.parametrize(
    "name",
    ["versions", "git_commit", "find_lite_files", "cached_tag", "source_names", "cache_folder"],
)
def test_it_never_fails(asked, monkeypatch, name):
    def broken(*_, **__):
        raise RuntimeError("driver\nis gone")

    monkeypatch.setattr(doctor, name, broken)
    said = asked()
    assert "cannot be looked up: RuntimeError: driver\n" in said
    assert said.count("cannot be looked up") == 1


def test_weights_in_the_cache_are_found(monkeypatch, tmp_path):
    import open_clip

    monkeypatch.setattr(open_clip, "list_pretrained", lambda: [("ViT-B-32", "openai")])
    monkeypatch.setattr(doctor, "cached_tag", lambda tag: tmp_path)
    said = list(doctor.network_lines())
    assert "open_clip ViT-B-32 openai (--backbone vit-b32)" in said


def test_named_weights_of_a_repository_in_the_cache_are_found(monkeypatch):
    monkeypatch.setattr(doctor, "weights_here", lambda entry: entry.name == "bioclip" and "x")
    assert "hf-hub:imageomics/bioclip (--backbone bioclip)" in list(doctor.network_lines())


def test_the_hub_is_asked_only_with_its_flag(asked, monkeypatch):
    def refuse(url, what):
        raise WeightsError(f"cannot get {what}: no answer\nmore")

    monkeypatch.setattr(doctor, "require_network", refuse)
    assert "the hub" not in asked()
    assert "the hub: cannot get an answer: no answer\n" in asked("--hub")


def test_field_sets_under_the_root_are_counted(tmp_path, asked):
    """A folder in CoOp's layout of Flowers, as small as can be."""
    import json

    folder = tmp_path / "oxford_flowers"
    (folder / "jpg").mkdir(parents=True)
    items = []
    for i in range(6):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(folder / "jpg" / f"{i}.jpg")
        items.append([f"{i}.jpg", i % 2, ("rose", "lily")[i % 2]])
    split = {"train": items[:4], "val": [], "test": items[4:]}
    (folder / "split_zhou_OxfordFlowers.json").write_text(json.dumps(split))
    assert f"--dataset coop --data-root {folder}" in asked("--data-root", tmp_path)
