"""A model of ImageNet's thousand classes, tested on ImageNet and on its shifted copies."""

import json

import pytest
from image_trees import grow
from tiny_runs import read_result, write_config

from plp.datasets import BENCHMARKS
from plp.datasets.imagenet_classes import clip_names, synsets

pytestmark = pytest.mark.slow

TWO_HUNDRED = tuple(range(3, 1000, 5))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """ImageNet, V2 and A: one image per class, and all images alike."""
    root = tmp_path_factory.mktemp("data")
    shown = [(one, part) for one in synsets() for part in ("train/{}/0", "train/{}/1", "val/{}/0")]
    grow(root / "imagenet/images", [f"{part.format(one)}.JPEG" for one, part in shown])
    folders = {"imagenetv2": range(1000), "imagenet_a": [synsets()[i] for i in TWO_HUNDRED]}
    for name, classes in folders.items():
        facts = BENCHMARKS[name]
        grow(root / facts.folder / facts.images, [f"{one}/0.jpg" for one in classes])
    return root


@pytest.fixture(scope="module")
def config(root, tiny_backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "zero.py"
    write_config(path, root / "configs/zeroshot/vitb16_16shot.py", tiny_backbone)
    text = path.read_text().replace("max_epochs=4", "max_epochs=0")
    path.write_text(text.replace("eval_batch_size=16", "eval_batch_size=250"))
    return path


def test_a_thousand_classes_and_two_hundred_of_them(tool, config, data, tmp_path):
    flags = ("--data-root", data, "--shots", "1", "--device", "cpu")
    work = tmp_path / "work"
    ended = tool("train", config, "--dataset", "imagenet", *flags, "--work-dir", work)
    assert ended.status == 0, ended.err
    result = read_result(work)
    assert result["num_test_images"] == 1000
    assert result["accuracy"]["fused"] == pytest.approx(0.1), "one prediction for all images"
    assert len(result["per_class_accuracy"]) == 1000

    out = tmp_path / "v2.json"
    ended = tool("test", config, work, "--dataset", "imagenetv2", *flags, "--out", out)
    assert ended.status == 0, ended.err
    assert json.loads(out.read_text())["accuracy"] == result["accuracy"]

    out = tmp_path / "a.json"
    flags = (*flags, "--dataset", "imagenet_a", "--out", out)
    assert "1000 other classes than the 200" in tool("test", config, work, *flags).told()
    ended = tool("test", config, work, *flags, "--classes", "subset")
    assert ended.status == 0, ended.err
    found = json.loads(out.read_text())
    assert found["num_test_images"] == 200
    assert found["accuracy"]["fused"] == pytest.approx(0.5), "one of the two hundred"
    assert found["class_names"] == [clip_names()[i] for i in TWO_HUNDRED]

    flags = ("--dataset", "imagenetv2", "--data-root", data, "--work-dir", tmp_path / "x")
    ended = tool("train", config, *flags)
    assert "imagenetv2 is for testing only, there are no shots to draw" in ended.told()
