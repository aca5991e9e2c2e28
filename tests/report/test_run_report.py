"""The report of a run: what it says, what it does without, and that it never breaks a run."""

import json
import re
import shutil
import sys
from importlib import metadata

import pytest
from reading import check
from tiny_runs import read_result

from plp.report import finished_run as engine_report
from plp.report import run_report, specialisation
from plp.report.leave import NAME

SECTIONS = [
    "result", "classes", "confusion", "calibration", "scores", "prompts", "curves", "settings",
    "reproduce",
]  # fmt: skip


def page_of(folder):
    return check((folder / NAME).read_text(encoding="utf-8"))


def test_the_report_says_what_the_result_says(reported, hard_photos):
    page, result = page_of(reported), read_result(reported)
    assert set(result["class_names"]) == {path.name for path in hard_photos.iterdir()}
    assert page.ids == SECTIONS
    assert f"{result['accuracy']['fused']:.1f} %" in page.text
    for name in result["class_names"]:
        share = f"{result['per_class_accuracy'][name]:.1f}"
        assert f"{name} {share}" in page.text, "the name is text, whatever is in it"
    for key in ("split_hash", "backbone_fingerprint", "device", "command"):
        assert result[key] in page.text
    assert f"torch {metadata.version('torch')}" in page.text
    for note in result["notes"]:
        assert note in page.text
    config = json.dumps(result["config"], indent=2, ensure_ascii=False, default=str)
    assert " ".join(config.split()) in page.text


def test_classes_come_the_worst_first(reported):
    page, classes = page_of(reported), read_result(reported)["per_class_accuracy"]
    order = sorted(classes, key=classes.get)
    places = [page.text.index(f"{name} {classes[name]:.1f}") for name in order]
    assert places == sorted(places)


def test_images_are_small_and_told(reported):
    page = page_of(reported)
    thumbs = [one for one in page.images if "taken for" in one["alt"]]
    others = [one for one in page.images if one not in thumbs]
    assert 0 < len(thumbs) <= 24
    assert all(max(int(one["width"]), int(one["height"])) <= 96 for one in thumbs)
    assert all(one["src"].startswith("data:image/jpeg;base64,") for one in thumbs)
    kinds = [one["alt"].split()[0] for one in others]
    assert kinds == ["Reliability", "Histograms", "Support,", "Support,", "Losses"]
    assert (reported / NAME).stat().st_size < 2 * 2**20


def test_the_run_tells_of_it_and_leaves_nothing_else(train_tool, config_with, tmp_path):
    ended = train_tool(config=config_with("report = True\n"))
    assert ended.status == 0, ended.err
    assert re.search(r"report: \S*report.html \(\d+\.\d s\)", ended.out)
    names = {path.name for path in (tmp_path / "work").iterdir() if path.is_file()}
    assert NAME in names
    assert not [name for name in names if name.endswith(".tmp")]
    before = read_result(tmp_path / "work")
    again = train_tool("--resume", config=config_with("report = False\n"))
    assert again.status == 0, again.err
    assert (tmp_path / "work" / NAME).is_file(), "resuming a finished run keeps it"
    assert read_result(tmp_path / "work")["accuracy"] == before["accuracy"]


def test_a_report_that_fails_is_told_and_the_run_is_whole(
    train_tool, config_with, monkeypatch, tmp_path
):
    def fail(*_):
        raise RuntimeError("no ink\nand more")

    monkeypatch.setattr(run_report, "calibration", fail)
    ended = train_tool(config=config_with("report = True\n"))
    assert ended.status == 0, ended.err
    assert "no report: RuntimeError: no ink\n" in ended.out
    assert "and more" not in ended.out
    assert read_result(tmp_path / "work")["accuracy"]
    assert not (tmp_path / "work" / NAME).exists()


@pytest.mark.parametrize("value", ["yes", 1])
def test_report_is_true_or_false(train_tool, value):
    message = train_tool("--cfg-options", f"report={value}").told()
    assert f"expected report to be True or False, got {value!r}" in message


@pytest.fixture
def no_matplotlib(monkeypatch):
    """As where matplotlib is not installed, for the report (mmengine's Runner has its own)."""
    write = engine_report.run_report

    def without(run):
        with monkeypatch.context() as patch:
            for name in ("matplotlib.figure", "matplotlib.colors", "matplotlib.ticker"):
                patch.setitem(sys.modules, name, None)
            return write(run)

    monkeypatch.setattr(engine_report, "run_report", without)


@pytest.mark.usefixtures("no_matplotlib")
def test_without_matplotlib_there_are_tables_and_a_hint(run_of):
    page = page_of(run_of("sotglp", "train_cfg['max_epochs'] = 1\n"))
    assert page.ids == SECTIONS
    assert "pip install matplotlib" in page.text
    assert all("taken for" in one["alt"] for one in page.images), "thumbnails need none"
    assert "ECE, 15 bins of equal width" in page.text


@pytest.mark.parametrize(
    ("method", "epochs", "told"),
    [
        ("zeroshot", 0, "Nothing was learned by gradient: there are no curves."),
        ("coop", 1, "This method compares whole images only"),
    ],
)
def test_methods_without_patches_or_training_say_so(run_of, method, epochs, told):
    page = page_of(run_of(method, f"train_cfg['max_epochs'] = {epochs}\n"))
    assert told in page.text
    assert "compares whole images only" in page.text
    assert page.ids == SECTIONS


def test_an_image_that_is_gone_by_now_leaves_a_box(run_of, hard_photos, tmp_path, monkeypatch):
    data = tmp_path / "photos"
    shutil.copytree(hard_photos, data)

    def lose(*keywords):
        shutil.rmtree(data)
        return keep(*keywords)

    keep = engine_report.keep
    monkeypatch.setattr(engine_report, "keep", lose)
    page = page_of(run_of("sotglp", "train_cfg['max_epochs'] = 1\n", data))
    assert "cannot be read" in page.text
    assert "None of the test images looked at could be read." in page.text


def test_a_transform_that_does_not_tell_where_it_looks(run_of, monkeypatch):
    """Then nothing can be drawn onto images: no figure, and the reason; the rest stands."""
    explain = specialisation.explain
    monkeypatch.setattr(
        specialisation, "explain", lambda *a, **k: explain(*a, **k)._replace(crop=None)
    )
    page = page_of(run_of("sotglp", "train_cfg['max_epochs'] = 1\n"))
    assert "does not tell where it looks" in page.text
    assert "mass moved from the uniform plan" in page.text
