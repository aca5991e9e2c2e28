"""Files of a model whose probabilities are those of a sigmoid say what the formula says."""

import json

import onnxruntime
import pytest
import torch
from small_clip import CLASSES, classifier_of, pixels_of
from tiny_siglip import BIAS, SCALE, SIZE, write_siglip

import plp
from plp.export import export_onnx, export_program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clf(root, tmp_path_factory):
    folder = write_siglip(tmp_path_factory.mktemp("models") / "siglip")
    options = {
        "model.backbone.arch": f"local-dir:{folder}", "model.backbone.pretrained": None,
        "model.backbone.quick_gelu": None,
        "model.probability": "sigmoid", "model.branches.local.selector.k": 3,
    }  # fmt: skip
    return classifier_of(
        plp.build_learner(root / "configs/sotglp/vitb16_16shot.py", CLASSES, options)
    )


def of_onnx(path, pixels):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = ["probabilities", "ood_score", "accepted"]
    found = session.run(names, {"pixels": pixels.numpy()})
    return dict(zip(names, map(torch.from_numpy, found), strict=True))


def of_program(path, pixels):
    return torch.export.load(path).module()(pixels)


KINDS = {"onnx": (export_onnx, of_onnx), "pt2": (export_program, of_program)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_sigmoid_is_the_formula(clf, kind, tmp_path):
    export, run = KINDS[kind]
    made = export(clf, tmp_path / f"file.{kind}")
    assert made.checked.difference < 1e-4
    about = json.loads(made.description.read_text(encoding="utf-8"))
    assert about["outputs"]["probabilities"]["of"] == "sigmoid"
    assert about["outputs"]["probabilities"]["sum_to_one"] is False
    for images in (1, 5):
        pixels = pixels_of(images, SIZE)
        found = run(made.path, pixels)
        with torch.no_grad():
            logits = clf.learner.evidence(pixels)
        evidence = [logits[name].scores for name in ("global", "local")]
        expected = 1 / (1 + torch.exp(-(SCALE * sum(evidence) / 2 + BIAS)))
        torch.testing.assert_close(found["probabilities"], expected, atol=1e-4, rtol=1e-3)
        assert (found["probabilities"].sum(1) - 1).abs().max() > 0.01
        score = -expected.amax(1)
        torch.testing.assert_close(found["ood_score"], score, atol=1e-4, rtol=1e-3)
        assert torch.equal(found["accepted"], found["ood_score"] <= clf.rejection.threshold)
