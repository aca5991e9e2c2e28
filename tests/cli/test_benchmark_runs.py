"""The field's datasets by name, in every tool: recipes, roots, keywords, broken images."""

import json

import pytest
from image_trees import write_split
from tiny_runs import CLASSES, make_photos, read_result

from plp.config.load import Choices, choose, load_config
from plp.datasets import BENCHMARKS
from plp.errors import ConfigError
from plp.sweeps.compare.sources import find_datasets

RECIPE = {
    "optim_wrapper.optimizer.lr": 0.001,
    "data.batch_size": 10,
    "model.branches.local.prompt.num_prompts": 4,
    "model.references.zero_shot.prompt.templates": ["a centered satellite photo of {}."],
}


def make_root(root, name="eurosat", per_class=8, tests=1):
    """A data root with one of the field's sets, of three classes."""
    facts = BENCHMARKS[name]
    base = root / facts.folder
    make_photos(base / facts.images, dict.fromkeys(CLASSES, per_class))
    for path in (base / facts.images).glob("*/*.png"):
        path.rename(path.with_name(f"{int(path.stem)}.jpg"))  # PIL goes by content
    write_split(base / facts.split.file, CLASSES, per_class, tests)
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def flags(data):
    return ("--dataset", "eurosat", "--data-root", data)


@pytest.fixture
def run(train_tool, flags, tmp_path):
    def train(*more, data=flags):
        options = ("--cfg-options", "train_cfg.max_epochs=1", "data.num_workers=0", *more)
        return train_tool("--shots", "2", *options, data=data), tmp_path / "work"

    return train


def test_train_and_test_by_name(run, tool, tiny_config, flags, data, tmp_path):
    ended, work = run()
    assert ended.status == 0, ended.err
    result = read_result(work)
    assert (result["dataset"], result["recipe"]) == ("eurosat", RECIPE)
    wanted = {"type": "PublishedSplit", "name": "eurosat", "root": str(data.resolve())}
    assert result["config"]["dataset"] == wanted
    assert "eurosat: not the published set (18 train images, published 13500; " in ended.out
    again = tool(
        "test", tiny_config, work, *flags, "--shots", "2", "--device", "cpu",
        "--out", tmp_path / "test.json",
    )  # fmt: skip
    assert again.status == 0, again.err
    tested = json.loads((tmp_path / "test.json").read_text())
    assert tested["accuracy"] == result["accuracy"]


def test_keywords_of_a_data_set_reach_it(run, data):
    file = data / "eurosat" / "split_mine.json"
    write_split(file, CLASSES[:2], 8)
    ended, work = run("dataset.split=split_mine.json")
    assert ended.status == 0, ended.err
    result = read_result(work)
    assert result["class_names"] == list(CLASSES[:2])
    assert result["config"]["dataset"]["split"] == "split_mine.json"
    file.unlink()
    ended, _ = run("dataset.pool=trainval")
    assert "PublishedSplit takes no keyword 'pool'" in ended.told()


def test_a_wrong_root_is_told(run, data):
    ended, _ = run(data=("--dataset", "eurosat", "--data-root", data / "eurosat"))
    assert f"is too low, it is eurosat/ or in it. Give the folder above: --data-root {data}" in (
        ended.told()
    )
    ended, _ = run(data=("--dataset", "eurosat", "--data-root", data.parent))
    assert "one level too high" in ended.told()
    ended, _ = run(data=("--dataset", "dtd", "--data-root", data))
    assert "no folder dtd/ in the data root" in ended.told()


def test_comparisons_by_name(data, tmp_path):
    eurosat = BENCHMARKS["eurosat"]
    own = data / eurosat.folder
    assert [tuple(one) for one in find_datasets([f"eurosat={data}"])] == [
        ("eurosat", "eurosat", str(data))
    ]
    assert [tuple(one) for one in find_datasets([f"eurosat={own}"])] == [
        ("eurosat", "coop", str(own))
    ], "the dataset's own folder, as with any other name"
    (tmp_path / "imagenetv2").mkdir()
    with pytest.raises(ConfigError, match=r"'imagenetv2' is for testing only.*compare on imagenet"):
        find_datasets([f"imagenetv2={tmp_path}"])


def test_the_recipe_of_a_shifted_copy_is_that_of_the_original(root, tmp_path):
    for name in ("imagenet", "imagenetv2"):
        (tmp_path / name).mkdir()
    config = load_config(root / "configs/sotglp/vitb16_16shot.py")
    settled, source, recipe = choose(config, Choices("imagenetv2", str(tmp_path)))
    assert (source.name, source.test_only) == ("imagenetv2", True)
    assert recipe == choose(config, Choices("imagenet", str(tmp_path)))[2]
    assert recipe["train_cfg.max_epochs"] == settled.train_cfg.max_epochs == 50


# --------------------------------------------------------------------------- images that are broken


@pytest.fixture
def broken(tmp_path):
    """A dataset of which a test image in the middle is cut off."""
    data = make_root(tmp_path / "data", per_class=9, tests=5)
    victim = data / "eurosat/2750" / CLASSES[1] / "3.jpg"
    victim.write_bytes(victim.read_bytes()[:100])
    return ("--dataset", "eurosat", "--data-root", data), victim, 5 * len(CLASSES)


def test_a_broken_test_image_stops_the_run(run, broken):
    flags, victim, total = broken
    ended, work = run(data=flags)
    assert f"1 of {6 + 3 + total} images cannot be read" in ended.told()
    assert victim.name in ended.err
    assert not (work / "result.json").exists()


def test_a_broken_test_image_is_left_out_and_counted(run, broken, tool, tiny_config, tmp_path):
    flags, victim, total = broken
    ended, work = run("data.on_error=skip", data=flags)
    assert ended.status == 0, ended.err
    result = read_result(work)
    assert result["num_test_images"] == result["images"]["test"] == total - 1
    (note,) = [note for note in result["notes"] if "cannot be read" in note]
    assert f"1 of {total} test images cannot be read and are left out" in note
    assert f"numbers are of the other {total - 1}" in note
    assert str(victim) in note
    assert note in ended.out
    again = tool(
        "test", tiny_config, work, *flags, "--shots", "2", "--device", "cpu",
        "--out", tmp_path / "test.json", "--cfg-options", "data.on_error=skip",
        "data.num_workers=0",
    )  # fmt: skip
    assert again.status == 0, again.err
    tested = json.loads((tmp_path / "test.json").read_text())
    assert tested["num_test_images"] == tested["images"]["test"] == total - 1


def test_features_on_disk_do_not_bring_it_back(run, broken, tmp_path):
    flags, _, total = broken
    cache = f"data.feature_cache={tmp_path / 'cache'}"
    ended, work = run("data.on_error=skip", cache, data=flags)
    assert ended.status == 0, ended.err
    assert read_result(work)["num_test_images"] == total - 1


@pytest.mark.usefixtures("every_set_is_large")
@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_breaks_in_the_middle(run, broken, workers):
    flags, victim, _ = broken
    ended, work = run("data.verify=False", f"data.num_workers={workers}", data=flags)
    assert victim.name in ended.told()
    assert not (work / "result.json").exists()


@pytest.mark.slow
def test_a_broken_shot_is_never_skipped(run, tmp_path):
    data = make_root(tmp_path / "data")
    for victim in (data / "eurosat/2750/ant").glob("*.jpg"):
        if victim.stem not in "01":  # not those to validate and to test on
            victim.write_bytes(b"")
    ended, _ = run("data.on_error=skip", data=("--dataset", "eurosat", "--data-root", data))
    assert "2 of 12 images cannot be read" in ended.told()
    assert "the file is empty" in ended.err


def test_no_test_image_can_be_read(run, tmp_path):
    data = make_root(tmp_path / "data")
    for victim in data.glob("eurosat/2750/*/1.jpg"):
        victim.unlink()
    ended, _ = run("data.on_error=skip", data=("--dataset", "eurosat", "--data-root", data))
    assert "none of the 3 test images can be read" in ended.told()


def test_what_on_error_takes(run):
    ended, _ = run("data.on_error=ignore")
    assert "expected data.on_error to be 'stop' or 'skip', got 'ignore'" in ended.told()
