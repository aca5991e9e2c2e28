"""Runs on an image tower of a folder: found again where it was, and where the user says it is."""

import pytest
import timm
import torch
from timm.models import save_for_hf
from tiny_runs import CLASSES, make_photos

import plp
from plp.config.choices import Choices
from plp.engine.evaluate import evaluate_checkpoint
from plp.engine.train import train
from plp.errors import CheckpointError, WeightsError
from plp.inference.recorded import recorded_config


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos") / "insects", dict.fromkeys(CLASSES, 12))


@pytest.fixture
def of_folder(photos, root, tmp_path):
    """A run of a tower in a folder: a function that trains it, and the folder."""
    tower = tmp_path / "tower"
    torch.manual_seed(0)
    save_for_hf(
        timm.create_model("test_vit", img_size=32, num_classes=0),
        str(tower),
        safe_serialization=True,
    )
    config = root / "configs/linear_probe/lite_16shot.py"
    section = dict(type="ImageOnlyBackbone", arch=f"timm:{tower}")
    options = {"model.backbone": section, "data.num_workers": 0, "save_seconds": 0.0}
    choices = Choices("folder", str(photos), shots=4, options=options)
    train(config, choices, work_dir=tmp_path / "run", device="cpu")
    return tmp_path / "run", tower


def test_a_folder_that_has_not_moved_is_as_in_training(of_folder, caplog):
    run, _ = of_folder
    own = recorded_config(run, Choices())
    evaluate_checkpoint(own, run, device="cpu")
    assert "not as in training" not in caplog.text


def test_a_folder_that_has_moved_is_found_where_the_user_says(of_folder, tmp_path, photos, caplog):
    run, tower = of_folder
    photo = str(next(photos.rglob("*.png"), None) or next(photos.rglob("*.jpg")))
    before = plp.load(run, device="cpu").predict(photo)[0].probability
    moved = tower.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"--pretrained FOLDER .*\.pretrained=FOLDER"):
        plp.load(run, device="cpu")
    for place in (moved, moved / "model.safetensors"):
        found = plp.load(run, device="cpu", pretrained=place).predict(photo)[0].probability
        assert found == before
    with pytest.raises(WeightsError, match=r"(?s)no folder '.*tower' here.*--pretrained FOLDER"):
        plp.load(run, device="cpu", trust_header=True)
    with pytest.raises(WeightsError, match=r"gone: expected a folder with .*it is not there"):
        plp.load(run, device="cpu", pretrained=tmp_path / "gone")
    options = {"model.backbone.pretrained": str(moved)}
    again = Choices(options=options)
    evaluate_checkpoint(recorded_config(run, again), run, again, device="cpu")
    assert "not as in training" not in caplog.text
    save_for_hf(
        timm.create_model("test_vit", img_size=32, num_classes=0),
        str(moved),
        safe_serialization=True,
    )
    with pytest.raises(CheckpointError, match="trained on other backbone weights"):
        plp.load(run, device="cpu", pretrained=moved)
