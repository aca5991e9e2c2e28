"""Names in prompts: what is noted at the start of a run, and names files."""

import json

import pytest
from tiny_runs import make_photos, read_result

from plp.datasets.names_file import read_names
from plp.errors import ConfigError

pytest_plugins = ["tiny_runs"]

ODD = ("001.Bonsai", "n01440764", "Oak", "oak", "汽车")
NO_TRAINING = ("--cfg-options", "train_cfg.max_epochs=1", "train_cfg.val_interval=1")


@pytest.fixture
def odd_photos(tmp_path):
    return make_photos(tmp_path / "odd", dict.fromkeys(ODD, 12))


def names_notes(folder):
    return [note for note in read_result(folder)["notes"] if "cannot read or tell apart" in note]


def test_names_are_noted_once_with_counts_and_a_way_out(train_tool, odd_photos, tmp_path):
    ended = train_tool(*NO_TRAINING, data=odd_photos)
    assert ended.status == 0, ended.err
    (note,) = names_notes(tmp_path / "work")
    for part in (
        "1 of 5 are numbered names ('001.Bonsai')", "1 of 5 are WordNet ids ('n01440764')",
        "1 of 5 are in another script", "2 of 5 have the same tokens as another ('Oak', 'oak')",
        "data.class_names=FILE",
    ):  # fmt: skip
        assert part in note
    assert (ended.out + ended.err).count("cannot read or tell apart") == 1


def test_a_names_file_gives_the_names_of_prompts_and_results(
    train_tool, tool, odd_photos, tmp_path
):
    names = {"001.Bonsai": "bonsai", "n01440764": "tench", "oak": "small oak", "汽车": "car"}
    file = tmp_path / "names.json"
    file.write_text(json.dumps(names), encoding="utf-8")
    ended = train_tool(*NO_TRAINING, f"data.class_names={file}", data=odd_photos)
    assert ended.status == 0, ended.err
    result = read_result(tmp_path / "work")
    assert result["class_names"] == ["bonsai", "Oak", "tench", "small oak", "car"]
    assert names_notes(tmp_path / "work") == []
    file.unlink()  # what it said is in the checkpoint
    ended = tool("test", tmp_path / "work", "--device", "cpu")
    assert ended.status == 0, ended.err


def test_a_method_without_texts_is_told_nothing(tool, config_with, odd_photos, tmp_path):
    probe = "model['branches'] = {'_delete_': True, 'probe': dict(type='LinearProbe')}\n"
    config = config_with(probe + "train_cfg = dict(_delete_=True, max_epochs=0)\n")
    argv = ["--dataset", "folder", "--data-root", odd_photos, "--work-dir", tmp_path / "probe"]
    ended = tool("train", config, *argv, "--device", "cpu")
    assert ended.status == 0, ended.err
    assert names_notes(tmp_path / "probe") == []


@pytest.mark.parametrize(
    ("name", "text", "pairs"),
    [
        ("a.json", '{"x y": "oak tree"}', (("x y", "oak tree"),)),
        ("a.csv", "x,oak\ny,elm\n\n", (("x", "oak"), ("y", "elm"))),
        ("a.tsv", "x\t oak,  old \n", (("x", "oak, old"),)),
        ("a.csv", '\ufeffx,"oak, old"\n', (("x", "oak, old"),)),
    ],
)
def test_names_files_are_read(name, text, pairs, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_names(tmp_path / name) == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ('{"x": 3}', "texts that are not empty"),
        ('{"x": " "}', "texts that are not empty"),
        ('{"x": "a", "x": "b"}', "names 'x' twice"),
        ("x,oak,elm\n", "line 1 of .* has 3 columns, expected two"),
        ("x,oak\ny,\n", "line 2 of .* not empty"),
    ],
)
def test_bad_names_files_are_refused(text, message, tmp_path):
    (tmp_path / "names").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_names(tmp_path / "names")


def test_names_that_fit_no_class_are_refused(train_tool, tmp_path):
    (tmp_path / "names.csv").write_text("aunt,ant\n", encoding="utf-8")
    ended = train_tool("--cfg-options", f"data.class_names={tmp_path / 'names.csv'}")
    assert "has no class 'aunt'. Did you mean 'ant'?" in ended.told()
    ended = train_tool("--cfg-options", "data.class_names=nowhere.json")
    assert "nowhere.json" in ended.told()
