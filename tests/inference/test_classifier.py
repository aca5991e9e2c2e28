"""A loaded classifier says what its learner says, to anyone who asks, in any form and order."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import CLASSES, read_result
from unchecked import as_installed

import plp
from plp.checkpoints.checkpoint import load_checkpoint
from plp.datasets import Folder, sample
from plp.errors import ConfigError, DataError
from plp.inference import Unreadable, choose_rejection
from plp.inference.trained_on import trained_on


def close(first, second):
    assert [one[:2] for one in first] == [one[:2] for one in second]
    for a, b in zip(first, second, strict=True):
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)
        assert a.ood_score == pytest.approx(b.ood_score, abs=1e-5)


def test_predictions_are_the_learners(clf, paths):
    with torch.no_grad():
        pixels = torch.stack([clf.transform(Image.open(path)) for path in paths])
        logits = clf.learner.logits(pixels)["logits"]
        evidence = clf.learner.evidence(pixels, patch_scores=True)
        mcm = evidence["global"].prompt_scores.mean(-1).softmax(-1).amax(-1)
        local = evidence["local"].patch_scores.softmax(-1).amax((1, 2))
    found = clf.predict(paths, top_k=3, batch_size=7)
    assert [one.name for one in found] == [str(path) for path in paths]
    for one, row, score in zip(found, logits.softmax(-1), -(mcm + local), strict=True):
        assert one.labels == tuple(CLASSES[i] for i in row.argsort(descending=True))
        assert one.probabilities == pytest.approx(
            row.sort(descending=True).values.tolist(), abs=1e-5
        )
        assert one.ood_score == pytest.approx(float(score), abs=1e-5)
        assert (one.label, one.probability) == (one.labels[0], one.probabilities[0])


def test_accuracy_is_the_tests(clf, photos, trained):
    """The pixels are those of the final test: same files, same numbers."""
    few = sample(Folder(photos).splits(), shots=4, seed=1)
    found = clf.predict([few.root / item.path for item in few.test])
    right = [CLASSES[i.label] == one.label for i, one in zip(few.test, found, strict=True)]
    accuracy = read_result(trained)["accuracy"]["fused"]
    assert 100 * sum(right) / len(right) == pytest.approx(accuracy, abs=1e-3)


def test_forms_of_an_image_agree(clf, paths):
    image = Image.open(paths[0])
    array = np.asarray(image)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    forms = [image, array, array / 255.0, tensor, tensor.float() / 255]
    expected = clf.predict(paths[0])[0]._replace(name="the image")
    for form in forms:
        assert clf.predict(form) == [expected]
    close(clf.predict(np.stack([array, array])), [
        expected._replace(name=f"image {i} of 2") for i in (1, 2)
    ])  # fmt: skip


def test_top_k_is_cut_at_the_classes(clf, paths):
    assert len(clf.predict(paths[0], top_k=1)[0].labels) == 1
    one = clf.predict(paths[0], top_k=99)[0]
    assert sorted(one.labels) == sorted(CLASSES)
    assert sum(one.probabilities) == pytest.approx(1, abs=1e-5)


def test_threads_get_the_same_numbers(clf, paths):
    alone = [clf.predict(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(clf.predict, paths * 3))
    assert together == alone * 3
    kinds = {one[0].label for one in alone}
    assert len(kinds) > 1, "the test would pass for a classifier that always says the same"


def test_texts_are_encoded_once(trained, paths, monkeypatch):
    from plp.backbones import OpenCLIPBackbone

    calls = []
    encode = OpenCLIPBackbone.encode_text
    monkeypatch.setattr(
        OpenCLIPBackbone, "encode_text", lambda self, *a: calls.append(1) or encode(self, *a)
    )
    clf = plp.load(trained, device="cpu")
    loaded = len(calls)
    assert loaded > 0
    clf.predict(paths, batch_size=5)
    clf.explain(paths[0])
    assert len(calls) == loaded


def test_unreadable_images_stop_predict_and_not_a_stream(clf, paths, tmp_path):
    bad = tmp_path / "bad.png"
    bad.touch()
    images = [paths[0], bad, paths[1], tmp_path / "gone.png"]
    with pytest.raises(DataError, match=r"bad\.png.*the file is empty"):
        clf.predict(images)
    found = list(clf.stream(images, batch_size=2))
    assert [type(one).__name__ for one in found] == ["Prediction", "Unreadable"] * 2
    close([found[0], found[2]], clf.predict(paths[:2]))
    only = list(clf.stream([bad, bad]))
    assert all(isinstance(one, Unreadable) and one.name == str(bad) for one in only)


def test_a_stream_may_be_left(clf, paths):
    stream = clf.stream(paths, batch_size=2)
    first = next(stream)
    stream.close()
    assert first.name == str(paths[0])


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "3"])
@pytest.mark.parametrize("key", ["top_k", "batch_size", "workers"])
def test_numbers_are_checked_before_anything_is_read(clf, key, number):
    with as_installed(), pytest.raises(ConfigError, match=f"expected {key} to be an integer"):
        clf.stream("missing.png", **{key: number})


def test_threshold_is_the_checkpoints(trained, paths):
    few = plp.load(trained, device="cpu").rejection
    assert few.threshold is None, "six validation images are too few for 95 %"
    assert "there are 6" in few.describe()
    clf = plp.load(trained, device="cpu", recall=0.8, score="MSP")
    saved = load_checkpoint(trained).validation_scores["MSP"]
    assert clf.rejection == choose_rejection("MSP", saved, 0.8)
    for one in clf.predict(paths):
        assert one.accepted == (one.ood_score <= clf.rejection.threshold)
        assert one.abstained == (not one.accepted)
    assert plp.load(trained, device="cpu").predict(paths[0])[0].accepted is None


def test_calibration_is_in_force_saved_and_loaded(trained, photos, paths, tmp_path):
    clf = plp.load(trained, device="cpu")
    found = clf.calibrate(photos)
    assert found == clf.rejection
    assert (found.images, found.recall) == (24, 0.95)  # 36 photos, 12 of them shots
    shots = trained_on(clf.info, paths)
    others = clf.predict([path for path in paths if path not in shots])
    scores = torch.tensor([one.ood_score for one in others])
    assert found.threshold == pytest.approx(float(scores.sort().values[23]), abs=1e-5)
    saved = clf.save(tmp_path / "calibrated.safetensors")
    again = plp.load(saved, device="cpu", trust_header=True)
    assert again.rejection == found
    assert again.predict(paths) == clf.predict(paths)
    wanted = [path for path in paths if path not in shots][:9]
    assert clf.calibrate(wanted, recall=0.9).images == 9
    with pytest.raises(DataError, match=r"gone\.png"):
        clf.calibrate([tmp_path / "gone.png"])
    with pytest.raises(DataError, match="no image in the folder"):
        clf.calibrate(tmp_path)


def test_unknown_score_is_named(trained):
    with pytest.raises(ConfigError, match=r"expected a score among .*GlobalLocalMCM.*got 'MCMM'"):
        plp.load(trained, device="cpu", score="MCMM")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees_with_cpu(trained, clf, paths):
    other = plp.load(trained, device="cuda")
    assert other.device.type == "cuda"
    for a, b in zip(other.predict(paths), clf.predict(paths), strict=True):
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-3)
