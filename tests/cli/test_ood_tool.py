"""tools/ood.py: what it writes, what it says, and that every image counts once or is named."""

import csv
import doctest
import json
import re
import shlex

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import CLASSES, MAINS, make_photos

from plp.checkpoints.checkpoint import load_checkpoint
from plp.checkpoints.run_places import config_and_run
from plp.cli import ood as ood_cli
from plp.cli.options import run_tool
from plp.evaluation import ood_metrics


def write_noise(folder, count, seed=0):
    """Write noise images straight into a folder."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = generator.integers(0, 256, (36, 44, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"noise{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two sets: a flat folder, and a tree with a class that is in-distribution by name."""
    root = tmp_path_factory.mktemp("ood")
    flat = write_noise(root / "flat", 7)
    (flat / "readme.txt").write_text("no image")
    write_noise(flat / ".hidden", 2)
    tree = make_photos(root / "tree", {"Cat": 4, "deep/dog": 5})
    return {"noise": flat, "pets": tree}


@pytest.fixture
def ood(tool, tiny_config, trained, photos, sets, tmp_path):
    """Run the tool; what a test leaves out is the trained run and the two sets."""

    def run(*flags, sets=sets, out=tmp_path / "out", data=photos, checkpoint=trained):
        pairs = [f"{name}={root}" for name, root in sets.items()]
        rest = ("--device", "cpu", "--dataset", "folder", "--data-root", data, *flags)
        where = () if out is None else ("--out", out)
        return tool("ood", tiny_config, checkpoint, *rest, *where, "--ood", *pairs)

    return run


def read(folder):
    return json.loads((folder / "ood.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(tiny_config, trained, photos, sets, tmp_path_factory):
    """The folder of one complete run with everything switched on, and what it printed."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    pairs = [f"{name}={root}" for name, root in sets.items()]
    argv = [
        str(tiny_config), str(trained), "--device", "cpu", "--dataset", "folder",
        "--data-root", str(photos), "--out", str(folder), "--near", "pets", "--export-logits",
        "--ood", *pairs,
    ]  # fmt: skip
    assert run_tool(MAINS["ood"], argv) == 0
    return folder


def test_numbers_are_those_of_the_scores_written(finished):
    result, arrays = read(finished), np.load(finished / "scores.npz")
    assert {*result["scores"]} >= {
        "MCM", "LocalMCM", "GlobalLocalMCM", "MSP", "MaxLogit", "Energy", "Entropy",
        "zero_shot.MCM", "zero_shot.MSP",
    }  # fmt: skip
    assert "zero_shot.LocalMCM" not in result["scores"], "the reference sees no patches"
    for name, entry in result["scores"].items():
        for one in ("noise", "pets"):
            pair = (torch.from_numpy(arrays[f"{name}/{part}"]) for part in ("id", one))
            expected = ood_metrics(*pair)._asdict()
            assert entry["sets"][one] == pytest.approx(expected, abs=1e-4)
        assert entry["sets"]["noise"]["num_id"] == 18
        assert entry["sets"]["noise"]["num_ood"] == 7
        assert entry["sets"]["pets"]["num_ood"] == 9
        near, far = entry["sets"]["pets"], entry["sets"]["noise"]
        for key in ("auroc", "fpr95_id", "fpr95_ood", "aupr_in", "aupr_out"):
            average = {group: found[key] for group, found in entry["average"].items()}
            mean = (near[key] + far[key]) / 2
            expected = {"near": near[key], "far": far[key], "all": mean}
            assert average == pytest.approx(expected, abs=2e-4)


def test_what_the_result_says(finished):
    result = read(finished)
    assert (result["kind"], result["schema_version"]) == ("ood", 2)
    assert result["ood_sets"]["noise"]["images"] == 7, "hidden folders and texts are no images"
    assert result["ood_sets"]["noise"]["group"] == "far"
    assert result["ood_sets"]["pets"]["group"] == "near"
    assert result["ood_sets"]["pets"]["in_distribution_classes"] == ["Cat"]
    assert result["ood_sets"]["noise"]["in_distribution_classes"] == []
    assert result["scores"]["MCM"]["temperature"] == 1.0
    assert result["scores"]["MSP"]["logit_scale"] == pytest.approx(100, rel=0.01)
    assert "temperature" not in result["scores"]["MaxLogit"]
    assert result["scores"]["LocalMCM"]["dense"] == "local"
    assert result["scores"]["zero_shot.MCM"]["reference"] == "zero_shot"
    saved = load_checkpoint(result["checkpoint"]).info
    assert result["backbone_fingerprint"] == saved["fingerprint"]


def test_accuracy_is_that_of_the_test_tool(finished, trained):
    tested = json.loads((trained / "result.json").read_text(encoding="utf-8"))
    inside = read(finished)["in_distribution"]
    assert inside["accuracy"] == pytest.approx(tested["accuracy"], abs=1e-3)
    assert inside["images"] == tested["num_test_images"]
    bins = inside["calibration"]["fused"]["bins"]
    gaps = sum(one["images"] * abs(one["accuracy"] - one["confidence"]) for one in bins)
    assert inside["calibration"]["fused"]["ece"] == pytest.approx(100 * gaps / 18, abs=1e-3)


def test_exports_carry_what_other_toolkits_start_from(finished, photos):
    inside, noise = (np.load(finished / f"export_{name}.npz") for name in ("id", "noise"))
    scores = np.load(finished / "scores.npz")
    logits = torch.from_numpy(inside["logits"])
    assert logits.shape == (18, 3)
    assert inside["feat"].shape[0] == 18
    assert sorted(set(inside["label"])) == [0, 1, 2]
    assert set(noise["label"]) == {-1}
    assert inside["class_names"].tolist() == list(CLASSES)
    assert all((photos / path).is_file() for path in inside["paths"])
    assert np.array_equal(inside["pred"], logits.argmax(-1))
    right = 100 * (inside["pred"] == inside["label"]).mean()
    assert read(finished)["in_distribution"]["accuracy"]["fused"] == pytest.approx(right, abs=1e-3)
    np.testing.assert_allclose(scores["MSP/id"], -logits.softmax(-1).amax(-1), rtol=1e-5)
    np.testing.assert_allclose(scores["Energy/id"], -logits.logsumexp(-1), rtol=1e-5)
    assert scores["paths/noise"].tolist() == noise["paths"].tolist()


def test_tables_and_figures(finished):
    result = read(finished)
    rows = list(csv.DictReader((finished / "table.csv").open(encoding="utf-8")))
    assert len(rows) == len(result["scores"]) * (2 + 3)
    row = next(r for r in rows if (r["score"], r["set"]) == ("MCM", "noise"))
    assert float(row["fpr95_ood"]) == result["scores"]["MCM"]["sets"]["noise"]["fpr95_ood"]
    assert row["group"] == "far"
    text = (finished / "table.md").read_text(encoding="utf-8")
    found = result["scores"]["GlobalLocalMCM"]["sets"]["pets"]
    assert f"{found['fpr95_id']:.1f} / {found['auroc']:.1f}" in text
    assert "They are different numbers" in text
    figures = {path.name for path in finished.glob("*.png")}
    names = {f"histogram_{name}.png" for name in result["scores"]}
    assert figures == {"reliability.png", *names}
    for name in figures:
        with Image.open(finished / name) as image:
            assert min(image.size) > 300


def test_it_tells_numbers_and_shared_classes(ood):
    ended = ood("--scores", "MCM")
    assert ended.status == 0, ended.err
    assert "18 test images, accuracy" in ended.out
    assert "pets: classes that are in-distribution classes too: Cat. Nothing is left out" in (
        ended.out
    )
    assert "AUROC  FPR95(ID)  FPR95(OOD)" in ended.out


def test_a_set_in_coops_layout_gives_its_test_images(ood, tmp_path):
    root = make_photos(tmp_path / "birds", {"owl": 4, "jay": 4})
    parts = {
        part: [[f"{name}/{i:03d}.png", label, name] for label, name in enumerate(("owl", "jay"))]
        for i, part in enumerate(("train", "test"))
    }
    (root / "split_zhou_Birds.json").write_text(json.dumps(parts))
    (root / "split_other_Birds.json").write_text(json.dumps(parts))
    ambiguous = ood("--scores", "MCM", sets={"birds": root}).told()
    assert "several split files" in ambiguous
    ended = ood("--scores", "MCM", sets={"birds": root / "split_zhou_Birds.json"})
    assert ended.status == 0, ended.err
    scores = np.load(tmp_path / "out" / "scores.npz")
    assert scores["paths/birds"].tolist() == ["owl/001.png", "jay/001.png"]


def test_near_and_far_by_a_file(tool, tiny_config, trained, photos, sets, tmp_path):
    def run(*flags):
        data = ("--dataset", "folder", "--data-root", photos, "--device", "cpu")
        what = ("--scores", "MCM", "--out", tmp_path / "out", "--ood", file, f"more={noise}")
        return tool("ood", tiny_config, trained, *data, *what, *flags)

    file, pets, noise = tmp_path / "sets.py", str(sets["pets"]), str(sets["noise"])
    file.write_text(f"ood = dict(near=dict(pets={pets!r}), far=dict(noise='flat'))")
    assert "noise is not there: tried" in run().told(), "photos are elsewhere"
    file.write_text(f"ood = dict(near=dict(pets={pets!r}), far=dict(noise={noise!r}))")
    ended = run("--near", "more")
    assert ended.status == 0, ended.err
    groups = {name: one["group"] for name, one in read(tmp_path / "out")["ood_sets"].items()}
    assert groups == {"pets": "near", "noise": "far", "more": "near"}


def test_temperature_reaches_the_scores(ood, tmp_path):
    assert ood("--scores", "MCM", "--temperature", "0.01").status == 0
    result = read(tmp_path / "out")
    assert result["scores"]["MCM"]["temperature"] == 0.01
    assert result["scores"]["zero_shot.MCM"]["temperature"] == 0.01


@pytest.fixture
def with_corrupt(tmp_path):
    """Sets of which one has an image in the middle that is none, and test images likewise."""
    noise = write_noise(tmp_path / "noise", 7)
    (noise / "noise03.png").write_bytes(b"no image")
    return noise


@pytest.mark.usefixtures("every_set_is_large")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_stops_the_run_and_is_named(ood, with_corrupt, tmp_path, workers):
    options = ("--cfg-options", f"data.num_workers={workers}", "data.eval_batch_size=2")
    message = ood("--scores", "MCM", *options, sets={"noise": with_corrupt}).told()
    assert "noise03.png' cannot be read as an image: not an image that PIL knows" in message
    assert "image 4 of 7" in message
    assert "--on-error skip" in message
    assert not (tmp_path / "out" / "ood.json").exists()


def test_the_config_may_say_that_images_are_skipped(ood, with_corrupt, tmp_path):
    flags = ("--scores", "MCM", "--cfg-options", "data.on_error=skip")
    ended = ood(*flags, sets={"noise": with_corrupt})
    assert ended.status == 0, ended.err
    assert read(tmp_path / "out")["ood_sets"]["noise"]["images"] == 6
    assert read(tmp_path / "out")["on_error"] == "skip"


@pytest.mark.slow
def test_a_skipped_image_is_named_and_never_counted(ood, with_corrupt, tmp_path):
    flags = ("--scores", "MCM", "Energy", "--on-error", "skip", "--export-logits")
    small = ("--cfg-options", "data.eval_batch_size=1")  # a batch with nothing readable in it
    ended = ood(*flags, *small, sets={"noise": with_corrupt})
    assert ended.status == 0, ended.err
    assert "left out: " in ended.out
    assert "noise: 1 unreadable images left out" in ended.out
    skipped = tmp_path / "out"
    found = read(skipped)["ood_sets"]["noise"]
    assert found["images"] == 6
    assert len(found["unreadable"]) == 1
    assert "noise03.png" in found["unreadable"][0]
    assert read(skipped)["scores"]["MCM"]["sets"]["noise"]["num_ood"] == 6
    (with_corrupt / "noise03.png").unlink()
    whole = tmp_path / "whole"
    assert ood(*flags, sets={"noise": with_corrupt}, out=whole).status == 0
    assert read(whole)["ood_sets"]["noise"]["unreadable"] == []
    for file in ("scores.npz", "export_noise.npz"):
        one, other = np.load(skipped / file), np.load(whole / file)
        for key in other:
            if other[key].dtype.kind == "f":
                np.testing.assert_allclose(one[key], other[key], rtol=1e-4, atol=1e-6)
            else:
                assert np.array_equal(one[key], other[key]), key


def test_a_corrupt_test_image_is_not_counted_in_accuracy(ood, trained, photos, tmp_path):
    data = make_photos(tmp_path / photos.name, dict.fromkeys(CLASSES, 12))
    paths = np.load(first_scores(ood, tmp_path))["paths/id"]
    (data / paths[5]).write_bytes(b"")
    ended = ood("--scores", "MCM", "--on-error", "skip", data=data, out=tmp_path / "two")
    assert ended.status == 0, ended.err
    inside = read(tmp_path / "two")["in_distribution"]
    assert inside["images"] == 17
    assert "the file is empty" in inside["unreadable"][0]
    assert inside["calibration"]["fused"]["bins"]
    assert sum(one["images"] for one in inside["calibration"]["fused"]["bins"]) == 17
    correct = inside["accuracy"]["fused"] * 17 / 100
    assert correct == pytest.approx(round(correct), abs=1e-3)


def first_scores(ood, tmp_path):
    assert ood("--scores", "MCM", out=tmp_path / "one").status == 0
    return tmp_path / "one" / "scores.npz"


def test_a_set_without_a_readable_image(ood, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    message = ood("--scores", "MCM", "--on-error", "skip", sets={"bad": folder}).told()
    assert "none of the 1 images can be read" in message
    assert "a.png" in message


@pytest.mark.slow
def test_nothing_is_overwritten(ood, trained):
    for name in ("ood", "ood_2"):
        ended = ood("--scores", "MCM", out=None)
        assert f"written to {trained / name}\n" in ended.out
        assert (trained / name / "ood.json").is_file()
    assert "ood holds ood.json already" in ood("--scores", "MCM", out=trained / "ood").told()


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--scores", "MCN"), ["score 'MCN' is not registered", "Did you mean 'MCM'?"]),
        (("--near", "sky"), ["--near among noise, pets, got sky"]),
        (("--temperature", "0"), ["expected a temperature above 0, got 0.0"]),
        (("--temperature", "nan"), ["expected a temperature above 0, got nan"]),
        (("--pooled", "text"), ["expected a branch among global, local, got 'text'"]),
    ],
)
def test_wrong_flags(ood, flags, parts):
    message = ood(*flags).told()
    for part in parts:
        assert part in message


def test_wrong_sets(ood, sets, tmp_path, tool, tiny_config, trained):
    assert "no such folder" in ood(sets={"x": tmp_path / "no"}).told()
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    assert "no image in" in ood(sets={"x": tmp_path / "empty"}).told()
    assert "other than 'id'" in ood(sets={"id": sets["noise"]}).told()
    assert "other than 'id'" in ood(sets={"a/b": sets["noise"]}).told()
    pairs = [("plain",), (f"x={sets['noise']}", f"x={sets['pets']}")]
    messages = [tool("ood", tiny_config, trained, "--ood", *pair).told() for pair in pairs]
    assert "expected NAME=ROOT, such as dtd=data/dtd, got 'plain'" in messages[0]
    assert "each name once, got 'x' twice" in messages[1]


def test_links_that_lead_back_end(ood, tmp_path):
    folder = write_noise(tmp_path / "round" / "inner", 2).parent
    (folder / "inner" / "back").symlink_to(folder, target_is_directory=True)
    assert ood("--scores", "MCM", sets={"round": folder}).status == 0
    assert read(tmp_path / "out")["ood_sets"]["round"]["images"] == 2


def test_examples_of_the_page(finished, root):
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(
        str(root / "docs" / "out_of_distribution.md"), module_relative=False, encoding="utf-8",
        optionflags=options, globs={"folder": finished},
    )  # fmt: skip
    assert result.attempted > 20
    assert result.failed == 0


def test_commands_of_the_page(root):
    page = root / "docs" / "out_of_distribution.md"
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^python tools/ood\.py (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        arguments = ood_cli.parser().parse_args(shlex.split(command, comments=True))
        config, _ = config_and_run(arguments.run)
        assert config is None or (root / config).is_file()
        assert {*arguments.near} <= {pair.split("=")[0] for pair in arguments.ood}


def test_mixed_precision_scores_in_float32(ood, tmp_path):
    flags = ("--amp", "bf16", "--export-logits", "--scores", "GlobalLocalMCM", "MSP")
    assert ood(*flags).status == 0
    scores = np.load(tmp_path / "out" / "scores.npz")
    assert {scores[key].dtype.name for key in scores if not key.startswith("paths/")} == {"float32"}
    assert np.load(tmp_path / "out" / "export_id.npz")["feat"].dtype == np.float32
