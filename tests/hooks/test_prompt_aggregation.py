"""The mean of what a run learned over its epochs: by hand, after an interruption, refused."""

import pytest
import torch
from stop_hook import StoppedError
from tiny_runs import CLASSES, make_photos

from plp.config.choices import Choices
from plp.engine.train import train
from plp.errors import ConfigError
from plp.hooks.prompt_aggregation import aggregation_weights

EPOCHS = 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("few") / "insects", dict.fromkeys(CLASSES, 8))


@pytest.fixture
def run(root, tiny_options, photos):
    base = tiny_options | {
        "data.num_workers": 0, "data.batch_size": 6, "save_seconds": 0.0, "report": False,
        "train_cfg.max_epochs": EPOCHS, "train_cfg.val_interval": EPOCHS,
        "hooks.aggregation.mean": 2, "hooks.aggregation.std": 1,
        "model.tuners.prompts.image_depth": 2, "model.tuners.prompts.text_depth": 2,
    }  # fmt: skip

    def start(folder, more=None, **keywords):
        choices = Choices("folder", str(photos), shots=2, options=base | (more or {}))
        path = root / "configs/promptsrc/vitb16_16shot.py"
        return train(path, choices, work_dir=folder, device="cpu", **keywords)

    return start


@pytest.mark.slow
def test_an_interrupted_run_has_the_same_mean(run, tmp_path):
    whole = run(tmp_path / "whole")
    stop = {
        "custom_imports": dict(imports=["stop_hook"]),
        "custom_hooks": [dict(type="StopHook", epoch=2)],
    }
    with pytest.raises(StoppedError):
        run(tmp_path / "cut", stop)
    resumed = run(tmp_path / "cut", resume=True)
    assert resumed.result["resumed"]
    assert resumed.result["accuracy"] == whole.result["accuracy"]
    first, second = (torch.load(tmp_path / one / "state.pth") for one in ("whole", "cut"))
    assert first["prompt_aggregation"]
    for name, value in first["prompt_aggregation"].items():
        assert torch.equal(value, second["prompt_aggregation"][name])
        assert torch.equal(first["state_dict"][name], value.float())  # what is tested and saved


def test_the_best_epoch_cannot_be_asked_for(run, tmp_path):
    with pytest.raises(ConfigError, match=r"weighted mean of all epochs.*hooks\.aggregation=None"):
        run(tmp_path, {"selection": "val"})


def test_weights_far_from_the_mean_do_not_vanish():
    weights = aggregation_weights(3, mean=1000, std=1)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.argmax() == 2


def test_a_width_of_nothing_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match=r"std \(in epochs\) to be a finite number > 0"):
        run(tmp_path, {"hooks.aggregation.std": 0})
