"""The published recipe of a data set is applied by name and told; options win over it."""

import json

import pytest
from tiny_runs import CLASSES, make_photos, read_result

DTD = {
    "optim_wrapper.optimizer.lr": 0.002,
    "data.batch_size": 128,
    "model.branches.local.prompt.num_prompts": 4,
}


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    """A data set in CoOp's layout that calls itself the Describable Textures."""
    root = tmp_path_factory.mktemp("coop")
    make_photos(root / "images", dict.fromkeys(CLASSES, 6))
    rows = [[f"{name}/{i:03d}.png", c, name] for c, name in enumerate(CLASSES) for i in range(6)]
    parts = {
        part: [row for row in rows if int(row[0][-7:-4]) in numbers]
        for part, numbers in (("train", (0, 1)), ("val", (2, 3)), ("test", (4, 5)))
    }
    (root / "split_zhou_DescribableTextures.json").write_text(json.dumps(parts))
    return root


def value(config, dotted):
    for key in dotted.split("."):
        config = config[key]
    return config


def test_recipe_is_applied_and_told(train_tool, textures, tmp_path):
    data = ("--dataset", "coop", "--data-root", textures)
    ended = train_tool("--cfg-options", "train_cfg.max_epochs=1", data=data)
    assert ended.status == 0, ended.err
    result = read_result(tmp_path / "work")
    assert result["dataset"] == "dtd"
    assert result["recipe"] == DTD
    for key, wanted in DTD.items():
        assert value(result["config"], key) == wanted
        assert f"recipe of dtd: {key} = {wanted}" in ended.out
    assert result["learned_parameters"]["branches.local.prompt.context"] == [3, 4, 4, 128]


@pytest.mark.parametrize("key", DTD)
def test_options_win_over_the_recipe(tool, tiny_config, textures, key):
    data = ("--dataset", "coop", "--data-root", textures)
    ended = tool("print_config", tiny_config, *data, "--cfg-options", f"{key}=7")
    config = json.loads(ended.out)
    assert {k: value(config, k) for k in DTD} == {**DTD, key: 7}


def test_a_recipe_that_is_none_is_refused(tool, tiny_config, textures):
    data = ("--dataset", "coop", "--data-root", textures)
    ended = tool("print_config", tiny_config, *data, "--cfg-options", "recipes.dtd=fast")
    assert "expected recipes.dtd to be a dict, got 'fast'" in ended.told()


def test_other_names_have_no_recipe(trained):
    assert read_result(trained)["recipe"] == {}
