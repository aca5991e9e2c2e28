"""docs/backbones.md: it is what its rows say, of all architectures, and a row can be measured."""

import json
import re
import subprocess
import sys

import open_clip
import pytest
import torch
from torch import nn

METHODS = {
    "SOT-GLP", "GalLoP", "PLOT", "LoCoOp", "CoOp", "KgCoOp", "CoCoOp", "CLIP-Adapter",
    "Tip-Adapter", "Tip-Adapter-F", "TaskRes", "linear probe",
}  # fmt: skip
MOST_REFUSED = 4


@pytest.fixture
def scripts(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))


@pytest.fixture(scope="module")
def stored(root):
    return json.loads((root / "docs/results/backbones.json").read_text())


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs/backbones.md").read_text()


def test_the_page_is_what_the_rows_say(root, scripts, page):
    from _coverage_rows import page_of

    assert page == page_of(root / "docs/results/backbones.json")


def test_every_architecture_was_measured_to_the_end(stored):
    if open_clip.__version__ != stored["open_clip"]:
        pytest.skip(f"open_clip {open_clip.__version__}; the rows are of {stored['open_clip']}")
    assert [row["arch"] for row in stored["rows"]] == open_clip.list_models()
    assert all(row["finished"] for row in stored["rows"])
    refused = [row for row in stored["rows"] if row.get("refused")]
    assert len(refused) <= MOST_REFUSED


def test_what_is_not_refused_does_zero_shot_and_learns_prompts(stored):
    for row in stored["rows"]:
        if not row.get("refused"):
            assert row["zero_shot"] < 1e-4, row["arch"]
            assert row["ClassContext"] == row["methods"]["CoOp"] == "yes", row["arch"]
            assert set(row["methods"]) == METHODS, row["arch"]
            assert row["step"]["seconds"] > 0, row["arch"]


def test_transformers_have_three_streams_and_maps_have_tokens(stored):
    """Hybrid and convolutional towers by the names of their classes, whatever the table says."""
    maps = ("ConvNeXt", "FastVit", "SwinTransformer")
    for row in stored["rows"]:
        expected = ["tokens", "value", "vv"]
        if any(name in row["image"] for name in maps):
            expected = ["tokens"]
        elif "ResNet" in row["image"]:
            expected = ["tokens", "value"]
        assert row["streams"] == expected, row["arch"]


def test_the_counts_are_those_of_the_rows(stored, page):
    rows = stored["rows"]
    assert (
        f"- {len(rows)} of the {len(rows)} architectures of open_clip {stored['open_clip']}" in page
    )
    of_hub = sum("CLIP |" not in line for line in lines_of(page))
    assert of_hub == sum(row["tokenizer"]["stand_in"] for row in rows) > 40
    assert f"took the place of: {of_hub}." in page
    cut = sum("(cut)" in line for line in lines_of(page))
    assert cut == sum(row["cut"] for row in rows)
    assert all(row["cut"] for row in rows if row["parameters"] > 2e9)
    assert re.search(rf"cut to four blocks per tower: {cut}[.,]", page)
    for streams, told in {"tokens value vv": r"`tokens`, `value` and `vv` on (\d+)",
                          "tokens value": r"`tokens` and `value` on (\d+)"}.items():  # fmt: skip
        assert sum(f"| {streams} |" in line for line in lines_of(page)) == int(
            re.search(told, page)[1]
        )


def test_families_beyond_open_clip(stored):
    hub, images = (
        [row for row in stored["others"] if row["backbone"] == name]
        for name in ("TransformersBackbone", "ImageOnlyBackbone")
    )
    assert len(hub) >= 7
    for row in hub:
        assert set(row["methods"]) == METHODS
        assert not any(cell.startswith("no:") for cell in row["methods"].values()), row["family"]
    assert images
    for row in images:
        done = {name for name, cell in row["methods"].items() if not cell.startswith("no:")}
        assert done >= {"Tip-Adapter", "linear probe"}, row["family"]


def lines_of(page):
    """The lines of architectures, without heads."""
    tables = page.partition("## Architectures")[2].partition("## Beyond")[0]
    return re.findall(r"^\| (?!architecture|---).*$", tables, re.M)


def test_a_line_per_architecture(stored, page):
    found = [line.split(" | ")[0].removeprefix("| ") for line in lines_of(page)]
    assert sorted(found) == sorted(row["arch"] for row in stored["rows"])


def test_a_page_of_rows_cut_off_says_so(scripts, stored):
    from _coverage_page import page

    whole, *_ = stored["rows"]
    late = {"arch": "b", "family": "F", "finished": False, "early": "stopped after 9 s"}
    refused = {"arch": "c", "family": "F", "finished": True, "refused": "no pooled feature"}
    text = page([whole, late, refused], [], [whole["arch"], "b", "c", "d"], "1", "here")
    assert "3 of the 4 architectures of open_clip 1 were measured, 1 of them are refused" in text
    assert "- not measured to the end: 1 (b)." in text
    assert "- not measured: 1 (d)." in text
    assert "- refused: c, no pooled feature." in text


def test_every_architecture_has_a_family(scripts, stored):
    from _coverage_arch import family

    assert {row["arch"]: family(row["arch"]) for row in stored["rows"]} == {
        row["arch"]: row["family"] for row in stored["rows"]
    }


class Towers(nn.Module):
    """Six blocks in each tower, a batch norm, and parameters of every kind."""

    def __init__(self):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(2.5))
        self.class_embedding = nn.Parameter(torch.randn(8))
        self.visual = nn.Module()
        self.visual.trunk = nn.Module()
        self.visual.trunk.blocks = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(nn.LayerNorm(8) for _ in range(6))
        self.table = nn.Embedding(2000, 8)


def test_weights_are_seeded_and_none_is_left_as_it_was_allocated(scripts):
    from _coverage_build import WithoutInit, fill

    with WithoutInit():
        first, second = Towers(), Towers()
    for model in (first, second):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(torch.nan)
            model.logit_scale.fill_(2.5)
        fill(model)
    for name, parameter in first.named_parameters():
        assert parameter.isfinite().all(), name
        torch.testing.assert_close(parameter, second.get_parameter(name), rtol=0, atol=0)
    assert first.logit_scale == 2.5
    assert float(first.table.weight.detach().std()) == pytest.approx(8**-0.5, rel=0.1)
    gains = first.transformer.resblocks[0].weight
    assert float(gains.detach().mean()) == pytest.approx(1, abs=0.1)


def test_large_towers_keep_their_first_blocks(scripts):
    from _coverage_build import Built

    build = Built(lambda: Towers(), largest=1000, blocks=4)
    model = build()
    assert build.was_cut
    assert build.parameters == sum(p.numel() for p in Towers().parameters())
    assert len(model.visual.trunk.blocks) == len(model.transformer.resblocks) == 4
    assert isinstance(model.visual.trunk.blocks, nn.Sequential)
    assert len(Built(lambda: Towers(), largest=1e9, blocks=4)().transformer.resblocks) == 6


def test_initialisers_do_not_run(scripts):
    from _coverage_build import WithoutInit

    with WithoutInit():
        weight = nn.Parameter(torch.full((3, 3), 5.0))
        nn.init.trunc_normal_(weight)
        nn.init.kaiming_uniform_(weight)
        nn.init.zeros_(bias := nn.Parameter(torch.ones(3)))
    assert (weight == 5).all()
    assert (bias == 0).all()  # constants are cheap, and matter


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_small_architecture_is_measured(root, tmp_path, stored):
    arch = "ViT-S-32-alt"
    rows, page = tmp_path / "rows.json", tmp_path / "page.md"
    flags = ["--archs", arch, "--rows", rows, "--page", page, "--home", tmp_path / "home"]
    script = root / "benchmarks/coverage.py"
    done = subprocess.run(
        [sys.executable, script, *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = json.loads(rows.read_text())["rows"]
    (committed,) = (row for row in stored["rows"] if row["arch"] == arch)
    same = ("finished", "parameters", "streams", "image", "text", "methods", "ClassContext")
    assert {key: row[key] for key in same} == {key: committed[key] for key in same}
    assert row["zero_shot"] < 1e-4
    assert f"| {arch} | 43 |" in page.read_text()


@pytest.mark.slow
def test_an_unknown_architecture_is_named(root, tmp_path):
    flags = ["--archs", "ViT-S-33", "--rows", tmp_path / "rows", "--home", tmp_path / "home"]
    done = subprocess.run(
        [sys.executable, root / "benchmarks/coverage.py", *flags], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("not in open_clip.list_models(): ViT-S-33\n")
