"""`plp predict`: every image gets a line or is named, in every format, whole or not at all."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from processes import start
from tiny_runs import CLASSES, Ended

import plp
from plp.cli import predict as predict_cli
from plp.cli.options import run_tool
from plp.errors import Interrupted


@pytest.fixture
def predict(trained, capsys):
    """Run the tool on the trained run."""

    def run(*flags, checkpoint=trained):
        capsys.readouterr()
        argv = [str(checkpoint), *map(str, flags), "--device", "cpu"]
        return Ended(run_tool(predict_cli.main, argv, prints_data=True), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def expected(trained, photos):
    """What the Python door says about all photos."""
    paths = sorted(photos.rglob("*.png"))
    return plp.load(trained, device="cpu", recall=0.8).predict(paths, top_k=2)


FLAGS = ("--recall", "0.8", "--top-k", "2", "--batch-size", "7")


def test_json_lines(predict, photos, expected):
    ended = predict(photos, *FLAGS, "--format", "jsonl")
    assert ended.status == 0
    rows = [json.loads(line) for line in ended.out.splitlines()]
    for row, one in zip(rows, expected, strict=True):
        assert (row["image"], tuple(row["labels"])) == (one.name, one.labels)
        assert row["probabilities"] == pytest.approx(one.probabilities, abs=1e-5)
        assert row["ood_score"] == pytest.approx(one.ood_score, abs=1e-5)
        assert row["score"] == "GlobalLocalMCM"
        assert row["accepted"] == one.accepted == (row["ood_score"] <= row["threshold"])
    assert "at least 0.8 of in-distribution images, by 6 validation images" in ended.err
    assert "36 of 36 images classified" in ended.err


def test_csv(predict, photos, expected, tmp_path):
    ended = predict(photos / "bee", *FLAGS, "--format", "csv", "--out", tmp_path / "a" / "t.csv")
    assert (ended.status, ended.out) == (0, "")
    text = (tmp_path / "a" / "t.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    bees = [one for one in expected if "/bee/" in one.name]
    for row, one in zip(rows, bees, strict=True):
        assert (row["image"], row["label_1"], row["label_2"]) == (one.name, *one.labels)
        assert float(row["probability_1"]) == pytest.approx(one.probability, abs=1e-5)
        assert row["accepted"] == str(one.accepted).lower()
        assert row["error"] == ""
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["t.csv"]


def test_table(predict, photos, expected):
    ended = predict(f"{photos}/ant/*.png", *FLAGS)
    head, *lines = ended.out.splitlines()
    assert head.split() == ["image", "accepted", "OOD", "score", "classes"]
    ants = [one for one in expected if "/ant/" in one.name]
    for line, one in zip(lines, ants, strict=True):
        assert line.startswith(one.name)
        assert ("yes" if one.accepted else "no") in line.split()[1]
        assert line.endswith(
            ", ".join(f"{a} {100 * p:.1f} %" for a, p in zip(*one[1:3], strict=True))
        )


def test_a_calibrated_checkpoint_can_be_kept(predict, photos, tmp_path):
    file = tmp_path / "calibrated.safetensors"
    first = predict(photos / "ant", "--calibrate", photos, "--save", file)
    assert first.status == 0
    assert "--trust-header" in predict(photos / "ant", checkpoint=file).told()  # of any folder
    again = predict(photos / "ant", "--trust-header", checkpoint=file)
    assert again.out == first.out
    assert "by 24 validation images" in again.err
    assert "needs --calibrate FOLDER" in predict(photos, "--save", file).err


def test_too_few_validation_images_decide_nothing(predict, photos):
    ended = predict(photos / "ant")
    assert {line.split()[1] for line in ended.out.splitlines()[1:]} == {"-"}
    assert "there are 6" in ended.err
    calibrated = predict(photos / "ant", "--calibrate", photos)
    assert {line.split()[1] for line in calibrated.out.splitlines()[1:]} <= {"yes", "no"}
    assert "by 24 validation images" in calibrated.err


@pytest.fixture
def mixed(photos, tmp_path):
    """Readable and unreadable files under difficult names."""
    folder = tmp_path / "Ordner mit ü und 字"
    folder.mkdir()
    shutil.copy(photos / "ant" / "000.png", folder / "b good.png")
    (folder / "a empty.png").touch()
    (folder / "c cut.jpg").write_bytes((photos / "ant" / "000.png").read_bytes()[:200])
    (folder / 'd, "quoted".png').write_bytes(b"GIF89a")
    return folder


@pytest.mark.parametrize("form", ["table", "csv", "jsonl"])
def test_unreadable_images_are_named_at_the_end(predict, mixed, form):
    missing = mixed / "missing.png"
    ended = predict(mixed, missing, "--format", form)
    message = ended.told() if ended.err[:7] == "error: " else ended.err
    assert ended.status == 2
    assert "4 of 5 images could not be read:" in message
    for name in ("a empty.png", "c cut.jpg", 'd, "quoted".png', "missing.png"):
        assert name in message
        assert name.replace('"', "") in ended.out.replace('"', "").replace("\\", "")
    assert "1 of 5 images classified" in ended.err
    assert "Traceback" not in ended.err
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert [bool(row["error"]) for row in rows] == [True, False, True, True, True]
        assert rows[1]["label_1"] in CLASSES
    if form == "jsonl":
        rows = [json.loads(line) for line in ended.out.splitlines()]
        assert ["error" in row for row in rows] == [True, False, True, True, True]


def test_names_that_are_no_text(predict, photos, tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        shutil.copy(os.fsencode(photos / "ant" / "000.png"), raw)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for form in ("table", "csv", "jsonl"):
        ended = predict(tmp_path, "--format", form, "--out", tmp_path / f"o.{form}")
        assert ended.status == 0, ended.err
        assert "caf\ufffd.png" in (tmp_path / f"o.{form}").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("nothing*.png",), "no file matches the pattern"),
        (("x.png", "--recall", "1"), "expected a recall between 0 and 1"),
        (("x.png", "--top-k", "0"), "expected top_k to be an integer >= 1"),
        (("x.png", "--score", "MCMM"), "expected a score among"),
        (("x.png", "--pretrained", "no.pt"), "no.pt"),
        (("x.png", "--calibrate", "no"), "'no' cannot be read as an image: no such file"),
    ],
)
def test_wrong_flags(predict, flags, part):
    ended = predict(*flags)
    assert (ended.status, ended.out) == (2, "")
    assert part in ended.err.split("error: ")[1]
    assert "Traceback" not in ended.err


def test_wrong_checkpoints(predict, photos, tmp_path):
    assert "nothing at" in predict(photos, checkpoint=tmp_path).told()
    (tmp_path / "empty.safetensors").touch()
    assert "damaged" in predict(photos, checkpoint=tmp_path / "empty.safetensors").told()


def test_an_out_that_cannot_be_written(predict, photos, tmp_path):
    (tmp_path / "file").write_text("mine")
    message = predict(photos, "--out", tmp_path / "file" / "t.csv").err
    assert "error: " in message
    assert "Traceback" not in message
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_leaves_the_old_file(predict, photos, tmp_path, monkeypatch):
    out = tmp_path / "t.csv"
    out.write_text("old")

    def full(path, lines):
        next(iter(lines))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predict_cli, "_write", full)
    ended = predict(photos, "--out", out)
    assert ended.status == 2
    assert "the disk is full" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert out.read_text() == "old"


def test_interrupted(predict, photos, tmp_path, monkeypatch):
    def stop(path, lines):
        next(iter(lines))
        raise KeyboardInterrupt

    monkeypatch.setattr(predict_cli, "_write", stop)
    ended = predict(photos, "--out", tmp_path / "t.csv")
    assert ended.status == 130
    assert ended.err.splitlines()[-1] == Interrupted.USUAL
    assert list(tmp_path.iterdir()) == []


SLOWLY = """
import sys, time
from plp.cli.main import main
from plp.inference import reading
look_at = reading.look_at
reading.look_at = lambda *named: (time.sleep(0.5), look_at(*named))[1]
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_signal_leaves_nothing_behind(trained, photos, root, tmp_path):
    """Ctrl-C in a process of its own, in the middle of its work."""
    process = start(
        root, sys.executable, "-c", SLOWLY, "predict", trained, photos, "--device", "cpu",
        "--batch-size", "2", "--out", tmp_path / "t.csv", stderr=subprocess.PIPE,
    )  # fmt: skip
    line = ""
    while "nothing is accepted" not in line:
        line = process.stderr.readline()
        assert line, "it ended before it began"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, f"{Interrupted.USUAL}\n")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown(predict, photos, monkeypatch):
    monkeypatch.setattr(predict_cli, "_EVERY", 0.0)
    ended = predict(photos)
    assert "35 of 36 images, 0 s left" in ended.err


@pytest.mark.slow
def test_door_in_tools(root, trained, photos):
    argv = [sys.executable, "tools/predict.py", trained, photos / "ant", "--format", "jsonl"]
    done = subprocess.run(
        [*argv, "--device", "cpu"], cwd=root, capture_output=True, text=True, check=True
    )
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 12
