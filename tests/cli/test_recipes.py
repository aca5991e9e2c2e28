"""Recipes by dataset and by number of shots are applied and told; options win over them."""

import json

import pytest
from tiny_runs import CLASSES, make_photos, read_result

DTD = {
    "optim_wrapper.optimizer.lr": 0.002,
    "data.batch_size": 128,
    "model.branches.local.prompt.num_prompts": 4,
    "model.references.zero_shot.prompt.templates": ["{} texture."],
}


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    """A dataset in CoOp's layout that calls itself the Describable Textures."""
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
        assert f"recipe of dtd, 4 shots: {key} = {wanted}" in ended.out
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


# ------------------------------------------------------------------------------------ shot_recipes

EPOCHS, BATCH = "train_cfg.max_epochs", "data.batch_size"
BY_SHOTS = """
train_cfg = dict(max_epochs=2, val_interval=2)
shot_recipes = {
    "_delete_": True,
    "1": {"train_cfg.max_epochs": 5, "data.batch_size": 2},
    "4": {"train_cfg.max_epochs": 3},
}
"""


@pytest.fixture(scope="module")
def by_shots(config_with):
    """A config with a recipe for one shot, and one for two to four."""
    return config_with(BY_SHOTS)


@pytest.fixture
def settled(tool, photos):
    """Print the config of a run on the photos, and read it."""

    def of(config, *flags, data=photos):
        source = ("folder", "--data-root", data)
        ended = tool("print_config", config, "--dataset", *source, *flags)
        assert ended.status == 0, ended.err
        return json.loads(ended.out)

    return of


@pytest.mark.parametrize(
    ("shots", "epochs", "batch"),
    [(1, 5, 2), (2, 3, 5), (3, 3, 5), (4, 3, 5), (5, 2, 5), (16, 2, 5)],
)
def test_the_recipe_of_the_next_larger_number_of_shots(settled, by_shots, shots, epochs, batch):
    """Between two sizes the larger one's; above the largest, what the config says."""
    config = settled(by_shots, "--shots", shots)
    assert (value(config, EPOCHS), value(config, BATCH)) == (epochs, batch)
    assert "shot_recipes" not in config


def test_without_the_flag_the_shots_of_the_config_count(settled, by_shots):
    assert value(settled(by_shots), EPOCHS) == 3  # data.shots is 4
    assert value(settled(by_shots, "--cfg-options", "data.shots=1"), EPOCHS) == 5


def test_sizes_are_numbers_whatever_their_order(settled, config_with):
    config = config_with(
        "shot_recipes = {'_delete_': True, '16': {'data.batch_size': 16},"
        " '2': {'data.batch_size': 2}, '4': {'data.batch_size': 4}}\n"
    )
    found = [value(settled(config, "--shots", shots), BATCH) for shots in (1, 2, 3, 4, 9, 16, 17)]
    assert found == [2, 2, 4, 4, 16, 16, 5]


def test_shot_recipe_is_told_and_trained(train_tool, by_shots, tmp_path):
    ended = train_tool("--shots", 1, config=by_shots)
    assert ended.status == 0, ended.err
    result = read_result(tmp_path / "work")
    assert result["recipe"] == {EPOCHS: 5, BATCH: 2}
    assert (result["epochs"], result["steps"]) == (5, 10)  # three images, two a step
    for key, wanted in result["recipe"].items():
        assert f": {key} = {wanted}" in ended.out


def test_above_the_largest_size_nothing_is_told(train_tool, by_shots, tmp_path):
    ended = train_tool("--shots", 5, "--cfg-options", f"{EPOCHS}=1", config=by_shots)
    assert ended.status == 0, ended.err
    assert read_result(tmp_path / "work")["recipe"] == {}
    assert "recipe" not in ended.out


def test_options_win_over_the_shot_recipe(settled, by_shots, train_tool, tmp_path):
    config = settled(by_shots, "--shots", 1, "--cfg-options", f"{EPOCHS}=1")
    assert (value(config, EPOCHS), value(config, BATCH)) == (1, 2)
    train_tool("--shots", 1, "--cfg-options", f"{EPOCHS}=1", config=by_shots)
    assert read_result(tmp_path / "work")["recipe"] == {BATCH: 2}


def test_the_data_set_wins_over_the_number_of_shots(tool, config_with, textures):
    config = config_with(
        BY_SHOTS + "recipes = dict(dtd={'train_cfg.max_epochs': 7,"
        " 'shots': {'2': {'data.batch_size': 9}}})\n"
    )
    found = {}
    for shots in (1, 2, 4, 8):
        flags = ("--dataset", "coop", "--data-root", textures, "--shots", shots)
        ended = tool("print_config", config, *flags)
        assert ended.status == 0, ended.err
        settled = json.loads(ended.out)
        found[shots] = value(settled, EPOCHS), value(settled, BATCH)
    assert found == {1: (7, 9), 2: (7, 9), 4: (7, 128), 8: (7, 128)}  # 128: SOT-GLP's own for DTD


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        ("{'few': {}}", r"expected shot_recipes by numbers of shots, such as '4', got ['few']"),
        ("{'-1': {}}", "got ['-1']"),
        ("{'4': 3}", "expected shot_recipes.4 to be a dict, got 3"),
        ("{'4': {'data.shots.x': 1}}", "do not fit the config"),
        ("[1, 2]", "expected 'shot_recipes' to be a dict"),
    ],
)
def test_shot_recipes_that_are_none_are_refused(tool, config_with, photos, recipes, message):
    recipes = recipes.replace("{", "{'_delete_': True, ", 1)
    config = config_with(f"shot_recipes = {recipes}\n")
    ended = tool("print_config", config, "--dataset", "folder", "--data-root", photos)
    assert message in ended.told()
