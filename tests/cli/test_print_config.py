import json

import pytest
from tiny_runs import read_result


@pytest.mark.parametrize(
    "name",
    ["lite_16shot", "vitb16_16shot", "vitb16_16shot_noproj", "vitb16_16shot_paper",
     "vitb16_16shot_published", "vitb16_16shot_published_noproj"],
)  # fmt: skip
def test_output_is_a_config_that_gives_itself(tool, root, tmp_path, name):
    printed = tool("print_config", root / "configs" / "sotglp" / f"{name}.py", "--shots", 2)
    assert printed.status == 0, printed.err
    path = tmp_path / "printed.json"
    path.write_text(printed.out, encoding="utf-8")
    again = tool("print_config", path)
    assert json.loads(again.out) == json.loads(printed.out)
    assert json.loads(printed.out)["data"]["shots"] == 2


def test_output_trains_the_same(tool, tiny_config, photos, trained, tmp_path):
    data = ("--dataset", "folder", "--data-root", photos)
    path = tmp_path / "printed.json"
    path.write_text(tool("print_config", tiny_config, *data).out, encoding="utf-8")
    ended = tool("train", path, "--work-dir", tmp_path / "run", "--device", "cpu")
    assert ended.status == 0, ended.err
    for key in ("config", "accuracy", "per_class_accuracy", "split_hash"):
        assert read_result(tmp_path / "run")[key] == read_result(trained)[key]


def test_flags_and_options_are_in_it(tool, tiny_config, photos):
    flags = ("--dataset", "folder", "--data-root", photos, "--seed", 7, "--amp", "bf16")
    more = ("--cfg-options", "data.batch_size=3", "model.branches.local.selector.k=5")
    config = json.loads(tool("print_config", tiny_config, *flags, *more).out)
    assert config["dataset"] == {"type": "Folder", "root": str(photos)}
    assert (config["randomness"]["seed"], config["model"]["precision"]) == (7, "bf16")
    assert config["data"]["batch_size"] == 3
    assert config["model"]["branches"]["local"]["selector"] == {"type": "SharedTopK", "k": 5}
    assert "recipes" not in config


def test_a_method_of_texts_is_refused_on_images_alone(tool):
    told = tool("print_config", "coop", "--backbone", "dinov2-s14").told()
    assert "branch 'global' compares images with texts" in told
    assert "dinov2-s14 has none. Use a method without texts (linear_probe; tip_adapter" in told
    ended = tool("print_config", "linear_probe", "--backbone", "dinov2-s14")
    assert json.loads(ended.out)["model"]["backbone"]["type"] == "ImageOnlyBackbone"
