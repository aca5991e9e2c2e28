"""A tiny SigLIP through every command: squashed to a wide input, its probabilities of a sigmoid."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import CLASSES, MAINS, Ended, make_photos, read_result
from tiny_siglip import BIAS, SCALE, SIZE, write_siglip

import plp
from plp.checkpoints.checkpoint import load_checkpoint
from plp.cli import export, predict, visualize
from plp.cli.options import run_tool

CONFIG = """\
_base_ = {base!r}
model = dict(
    backbone=dict(_delete_=True, type="OpenCLIPBackbone", arch={arch!r}, pretrained=None),
    branches=dict(local=dict(score_scale="paper", selector=dict(k=3))),
    {more}
)
data = dict(shots=3, batch_size=6, num_workers=0, drop_last=False, augment={augment!r})
optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_epochs=2, val_interval=1)
report = {report}
shot_recipes = dict(_delete_=True)
"""


def run(main, *argv, data=False):
    return run_tool(main, [str(one) for one in argv], **({"prints_data": True} if data else {}))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="module")
def train(root, model, photos, tmp_path_factory):
    """Train, and return the work directory."""

    def trained(more="", augment="cpu", report=False, base="sotglp/vitb16_16shot.py", arch=model):
        folder = tmp_path_factory.mktemp("run")
        config = folder / "siglip.py"
        config.write_text(
            CONFIG.format(
                base=str(root / "configs" / base), arch=f"local-dir:{arch}", more=more,
                augment=augment, report=report,
            )
        )  # fmt: skip
        work = folder / "work"
        data = ("--dataset", "folder", "--data-root", photos, "--device", "cpu")
        return run(MAINS["train"], config, *data, "--work-dir", work), work

    return trained


@pytest.fixture(scope="module")
def sigmoid(train):
    status, work = train('probability="sigmoid",', augment="device", report=True)
    assert status == 0
    return work


@pytest.fixture(scope="module")
def softmax(train):
    status, work = train()
    assert status == 0
    return work


def test_what_was_done_is_in_the_result(sigmoid, softmax):
    one, two = read_result(sigmoid), read_result(softmax)
    squash = f"Squash(size={SIZE}, interpolation=bilinear)"
    for result in (one, two):
        assert result["transforms"]["eval"] == squash
        assert result["transforms"]["train"].startswith(f"FewShotTrain(size={SIZE}")
    assert one["config"]["model"]["probability"] == "sigmoid"
    assert "probability" not in two["config"]["model"]
    saved = load_checkpoint(sigmoid).validation_scores
    assert {"MaxSigmoid", "JointEnergy", "MCM"} < set(saved)


def test_predictions_are_the_library_s_formula(sigmoid, photos):
    clf = plp.load(sigmoid, device="cpu", recall=0.5)
    assert (clf.probability, clf.score) == ("sigmoid", "MaxSigmoid")
    paths = sorted(photos.rglob("*.png"))[::5]
    found = clf.predict(paths, top_k=3)
    images = torch.stack([clf.transform(Image.open(path)) for path in paths])
    assert images.shape[1:] == (3, *SIZE)
    by_hand = np.asarray(Image.open(paths[0]).resize(SIZE[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(images[0].permute(1, 2, 0).numpy(), by_hand)
    with torch.no_grad():
        evidence = clf.learner.evidence(images)
    mean = (evidence["global"].scores + evidence["local"].scores) / 2
    expected = 1 / (1 + (-(SCALE * mean + BIAS)).exp())
    for one, row in zip(found, expected, strict=True):
        assert one.label == CLASSES[row.argmax()]
        assert one.probabilities == pytest.approx(row.sort(descending=True).values, abs=1e-5)
        assert one.ood_score == pytest.approx(-float(row.max()), abs=1e-5)
        assert one.accepted == (one.ood_score <= clf.rejection.threshold)


def test_a_run_of_the_softmax_is_asked_for_the_sigmoid(softmax, sigmoid, photos, capsys):
    capsys.readouterr()
    flags = (photos / "ant", "--device", "cpu", "--format", "jsonl", "--recall", "0.5")
    assert run(predict.main, softmax, *flags, "--probability", "sigmoid", data=True) == 0
    ended = Ended(0, *capsys.readouterr())
    assert "each class by itself (sigmoid): they need not add up to 1" in ended.err
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert {row["probability"] for row in rows} == {"sigmoid"}
    assert {row["score"] for row in rows} == {"MaxSigmoid"}
    sums = [sum(row["probabilities"]) for row in rows]
    assert max(abs(one - 1) for one in sums) > 0.01
    assert run(predict.main, softmax, *flags, data=True) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all("probability" not in row for row in rows), "as it always was"
    assert all(sum(row["probabilities"]) == pytest.approx(1) for row in rows)
    assert run(predict.main, sigmoid, *flags, "--probability", "softmax", data=True) == 0
    assert "probability" not in json.loads(capsys.readouterr().out.splitlines()[0])


def test_tests_follow(sigmoid, tmp_path, capsys):
    out = tmp_path / "test.json"
    assert run(MAINS["test"], sigmoid, "--device", "cpu", "--out", out) == 0
    again = json.loads(out.read_text())
    first = read_result(sigmoid)
    assert again["accuracy"] == pytest.approx(first["accuracy"])
    assert again["config"]["model"]["probability"] == "sigmoid"


@pytest.mark.slow
def test_out_of_distribution_scores_follow(sigmoid, tmp_path):
    far = make_photos(tmp_path / "far", {"dog": 6})
    out = tmp_path / "ood"
    argv = ("--device", "cpu", "--out", out, "--export-logits", "--ood", f"far={far}")
    assert run(MAINS["ood"], sigmoid, *argv) == 0
    result = json.loads((out / "ood.json").read_text())
    told = json.dumps(result)
    assert "MaxSigmoid" in told
    assert "zero_shot.JointEnergy" in told
    arrays = np.load(out / "export_far.npz")
    assert (arrays["logit_bias"], round(float(arrays["logit_scale"]), 3)) == (BIAS, SCALE)


@pytest.mark.slow
def test_an_exported_file_follows(sigmoid, photos, tmp_path):
    file = tmp_path / "program.pt2"
    images = (photos / "bee" / "000.png", photos / "cat" / "001.png")
    argv = ("--device", "cpu", "--recall", "0.5", "--out", file, "--check", *images)
    from unchecked import as_installed

    with as_installed():
        assert run(export.main, sigmoid, *argv) == 0
    about = json.loads((tmp_path / "program.pt2.json").read_text())
    assert about["outputs"]["probabilities"]["of"] == "sigmoid"
    assert about["outputs"]["probabilities"]["sum_to_one"] is False
    assert about["input"]["shape"] == ["batch", 3, *SIZE]
    assert about["preprocessing"]["resize"] == {"sides": "both", "size": list(SIZE)}
    assert about["preprocessing"]["crop"] == list(SIZE)
    clf = plp.load(sigmoid, device="cpu", recall=0.5)
    program = torch.export.load(file).module()
    found = program(torch.stack([clf.transform(Image.open(path)) for path in images]))
    for row, one in zip(found["probabilities"], clf.predict(images, top_k=3), strict=True):
        assert row.sort(descending=True).values.tolist() == pytest.approx(
            one.probabilities, abs=1e-4
        )


def test_pictures_have_the_grid_of_a_wide_image(sigmoid, photos, tmp_path):
    clf = plp.load(sigmoid, device="cpu")
    why = clf.explain(photos / "ant" / "000.png")
    assert why.grid == (2, 4)
    assert (why.crop.width, why.crop.height) == SIZE[::-1]
    out = tmp_path / "pictures"
    assert run(visualize.main, sigmoid, photos / "ant" / "000.png", "--device", "cpu",
               "--out", out) == 0  # fmt: skip
    assert (out / "000.png").exists()


def test_the_report_says_it(sigmoid):
    page = (sigmoid / "report.html").read_text(encoding="utf-8")
    assert "of each class by itself (sigmoid)" in page


def test_where_it_means_nothing_it_is_refused(train, tmp_path, capsys):
    plain = write_siglip(tmp_path / "plain", biased=False)
    capsys.readouterr()
    status, _ = train('probability="sigmoid",', arch=plain)
    ended = Ended(status, *capsys.readouterr())
    assert (
        "probability='sigmoid' needs a model that was trained with a sigmoid loss" in ended.told()
    )
