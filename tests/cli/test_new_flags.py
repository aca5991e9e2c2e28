"""--epochs, --lr, --val and --test-fraction: what they set, and where they have no effect."""

import json

import pytest
from tiny_runs import make_photos, read_result

from plp.config.choices import Choices
from plp.errors import ConfigError


def config_of(tool, *argv):
    ended = tool("print_config", *argv)
    assert ended.status == 0, ended
    return json.loads(ended.out)


@pytest.mark.parametrize("method", ["sotglp", "coop", "tip_adapter_f", "coop/vitb16_16shot"])
def test_they_set_entries_of_any_method(method, tool):
    found = config_of(tool, method, "--epochs", 7, "--lr", 0.125, "--val")
    assert found["train_cfg"]["max_epochs"] == 7  # whatever the recipes of shots say
    assert found["optim_wrapper"]["optimizer"]["lr"] == 0.125
    assert found["selection"] == "val"


def test_a_run_with_all_of_them(train_tool, tmp_path):
    flags = ("--epochs", 2, "--lr", 0.01, "--val", "--test-fraction", 0.25)
    ended = train_tool(*flags)
    assert ended.status == 0, ended
    result = read_result(tmp_path / "work")
    assert result["epochs"] <= 2
    assert result["selection"] == "val"
    assert result["config"]["dataset"]["test_fraction"] == 0.25
    assert result["config"]["optim_wrapper"]["optimizer"]["lr"] == 0.01
    assert 0 < result["num_test_images"] < 18  # of 36
    for words in ("--epochs 2", "--lr 0.01", "--val", "--test-fraction 0.25"):
        assert words in result["command"]


@pytest.mark.parametrize("method", ["zeroshot", "linear_probe", "tip_adapter"])
@pytest.mark.parametrize("flags", [["--epochs", 5], ["--lr", 0.1], ["--val"]])
def test_a_method_that_trains_nothing_has_nothing_to_set(method, flags, tool):
    told = tool("print_config", method, *flags).told()
    assert f"{flags[0]}: " in told
    assert "trains nothing by gradient" in told
    assert "Leave it out" in told


def test_two_flags_for_one_entry(tool):
    argv = ("coop", "--epochs", 5, "--cfg-options")
    assert "leave one out" in tool("print_config", *argv, "train_cfg.max_epochs=6").told()
    assert config_of(tool, *argv, "train_cfg.max_epochs=5")["train_cfg"]["max_epochs"] == 5
    with pytest.raises(ConfigError, match=r"--test-fraction sets dataset\.test_fraction"):
        Choices(test_fraction=0.5, options={"dataset.test_fraction": 0.3}).entries()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--epochs", -1), "train_cfg.max_epochs"),
        (("--lr", "nan"), "optim_wrapper.optimizer.lr to be a finite number >= 0, got nan"),
        (
            ("--dataset", "dtd", "--data-root", ".", "--test-fraction", 0.3),
            "has a test split of its own",
        ),
    ],
)
def test_values_that_cannot_be(flags, said, tool):
    assert said in tool("print_config", "coop", *flags).told()


def test_compare_takes_them_too(tool, tiny_config, photos, tmp_path):
    ended = tool(
        "compare", "--methods", tiny_config, "--datasets", f"mine={photos}", "--shots", 2,
        "--seeds", 1, "--epochs", 1, "--lr", 0.02, "--test-fraction", 0.25, "--device", "cpu",
        "--jobs", 0, "--out", tmp_path / "out",
    )  # fmt: skip
    assert ended.status == 0, ended
    (file,) = (tmp_path / "out").rglob("result.json")
    config = read_result(file.parent)["config"]
    assert config["train_cfg"]["max_epochs"] == 1
    assert config["optim_wrapper"]["optimizer"]["lr"] == 0.02
    assert config["dataset"]["test_fraction"] == 0.25


def test_a_folder_with_a_test_part_says_that_the_fraction_has_no_effect(train_tool, tmp_path):
    photos = tmp_path / "photos"
    for part in ("train", "test"):
        make_photos(photos / part, dict(ant=4, bee=4))
    ended = train_tool("--epochs", 1, "--shots", 2, "--test-fraction", 0.25, data=photos)
    assert ended.status == 0, ended
    assert "dataset.test_fraction=0.25 (--test-fraction) has no effect" in ended.out
    assert read_result(tmp_path / "work")["num_test_images"] == 8
