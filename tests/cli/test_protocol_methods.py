"""Every method of `configs/` in every protocol: it takes part, or is refused by name."""

import json
import re
from pathlib import Path

import pytest
from small_towers import fitting, nested
from tiny_runs import make_photos

from plp.cli import protocol
from plp.cli.options import run_tool
from plp.config.load import load_config
from plp.testing.clip_weights import TINY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
METHODS = sorted(path.parent.name for path in (ROOT / "configs").glob("*/vitb16_16shot.py"))
SETTINGS = """\
_base_ = {base!r}
model = dict(backbone=dict({backbone}), **{inside!r})
data = dict(batch_size=5, eval_batch_size=16, num_workers=0)
report = False
shot_recipes = dict(_delete_=True)
"""
LEARNS = "train_cfg = dict(max_epochs=1, val_interval=1)\n"


def takes_new_classes():
    """Read the last column of the table of methods, of a method's main config."""
    text = (ROOT / "configs/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(.*\| (yes|no)[^|]*\|$", text, re.M)
    return {name: word == "yes" for name, word in rows}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A dataset of five classes, one of three of them, one of other classes."""
    root = tmp_path_factory.mktemp("data")
    five = ("ant", "bee", "cat", "dog", "elk")
    make_photos(root / "animals", dict.fromkeys(five, 10))
    make_photos(root / "shifted", dict.fromkeys(five[:3], 4))
    make_photos(root / "trees", dict.fromkeys(("oak", "elm", "ash", "fir"), 4))
    return root


@pytest.fixture(scope="module")
def config_of(tiny_backbone, tmp_path_factory):
    """Write the CLIP config of a method for the tiny backbone, called as the method."""

    def write(name):
        base = ROOT / "configs" / name / "vitb16_16shot.py"
        keywords = ", ".join(f"{key}={value!r}" for key, value in tiny_backbone.items())
        learns = LEARNS if load_config(base).train_cfg.get("max_epochs", 1) else ""
        path = tmp_path_factory.mktemp("methods") / f"{name}.py"
        inside = nested(fitting(name, TINY.text_layers)).get("model", {})
        settings = SETTINGS.format(base=str(base), backbone=keywords, inside=inside)
        path.write_text(settings + learns)
        return path

    return write


@pytest.fixture(params=METHODS)
def run(request, config_of, data, tmp_path, capsys):
    """Run a protocol with one method; return its name, the status, what was said, the rows."""
    config = config_of(request.param)

    def call(name, *flags):
        out = tmp_path / name
        argv = [
            name, "--methods", config, "--datasets", f"animals={data / 'animals'}", "--shots", 2,
            "--seeds", 1, "--device", "cpu", "--jobs", 0, "--out", out,
        ]  # fmt: skip
        capsys.readouterr()
        status = run_tool(protocol.main, [str(one) for one in (*argv, *flags)])
        said = "".join(capsys.readouterr())
        file = out / ("results.json" if name == "few-shot" else "protocol.json")
        return status, said, json.loads(file.read_text()) if file.exists() else None

    call.method = request.param
    return call


def rows_of(found, kind):
    return [row for row in found["runs"] if row["kind"] == kind]


def test_the_table_of_methods_has_them_all():
    assert sorted(takes_new_classes()) == METHODS


def test_every_method_takes_part_or_is_refused(run, data):
    shift = ("--targets", f"shifted={data / 'shifted'}")
    others = ("--targets", f"trees={data / 'trees'}")
    ood = ("--ood", f"trees={data / 'trees'}", f"more={data / 'trees/oak'}", "--near", "more")

    status, said, found = run("few-shot")
    assert status == 0, said
    assert len(found["runs"]) == 1
    status, said, found = run("domain", *shift)
    assert status == 0, said
    assert [row["dataset"] for row in rows_of(found, "test")] == ["shifted"]
    status, said, found = run("ood", *ood)
    assert status == 0, said
    assert found["ood"][0]["groups"] == {"trees": "far", "more": "near"}
    assert set(found["ood"][0]["averages"]) == {"near", "far", "all"}

    new = takes_new_classes()[run.method]
    for name, flags, tested in (
        ("base-to-new", (), "animals-new"), ("cross-dataset", others, "trees"),
    ):  # fmt: skip
        status, said, found = run(name, *flags)
        if new:
            assert status == 0, said
            assert [row["dataset"] for row in rows_of(found, "test")] == [tested]
        else:
            assert status == 2, said
            assert f"{name} tests classes that no method has seen in training" in said
            assert f"{run.method}: " in said
            assert found is None, "refused before anything ran"
