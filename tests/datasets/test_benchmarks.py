"""The field's datasets with split files: whole generated trees, and what can be wrong with one."""

import shutil

import pytest
from image_trees import SPLITS_ROOT, grow, grow_split, rows_of, write_split

from plp.config.load import load_config
from plp.datasets import BENCHMARKS, build_source, normalise_dataset_name, sample, source_names
from plp.datasets.benchmarks import Counts, templates
from plp.datasets.published_lists import list_digest
from plp.errors import ConfigError, DataError, UnknownComponentError
from plp.registry import DATASETS

WITH_SPLIT = [one for one in BENCHMARKS.values() if one.split]
AT_HAND = [one for one in WITH_SPLIT if (SPLITS_ROOT / one.split.file).is_file()]
names = {"ids": lambda one: one.name}


@pytest.mark.data
@pytest.mark.skipif(not AT_HAND, reason="no published split files (PLP_SPLITS_ROOT)")
@pytest.mark.parametrize("facts", AT_HAND, **names)
@pytest.mark.filterwarnings("ignore:.*fewer than")
@pytest.mark.slow
def test_a_whole_tree_of_each_published_split(facts, tmp_path):
    base = tmp_path / facts.folder
    grow_split(base, base / facts.images, SPLITS_ROOT / facts.split.file)
    try:
        splits = build_source(facts.name, tmp_path).splits()
        assert tuple(map(len, splits[:3])) == facts.counts
        assert len(splits.class_names) == facts.classes
        assert splits.notes == ()
        assert splits.name == facts.name
        items = [item for part in splits[:3] for item in part]
        assert all((splits.root / item.path).is_file() for item in items[::7])
        assert len({item.path for item in items}) == sum(facts.counts)
        rows = rows_of(SPLITS_ROOT / facts.split.file)
        assert [[*item] for item in splits.test] == [row[:2] for row in rows["test"]]
        title = facts.split.file.removeprefix("split_zhou_").removesuffix(".json")
        published = rows_of(SPLITS_ROOT / "draws_seed1.json")[title]
        for sampler, row in published["seed1_shot16"].items():
            assert sample(splits, 16, 1, sampler).split_hash == row["sha256"]
    finally:
        shutil.rmtree(base)


def small(tmp_path, facts=BENCHMARKS["eurosat"], classes=("Forest", "River")):
    """A dataset in CoOp's layout of a few images."""
    base = tmp_path / facts.folder
    write_split(base / facts.split.file, classes)
    grow(base / facts.images, [f"{name}/{i}.jpg" for name in classes for i in range(4)])
    return base


@pytest.mark.parametrize("facts", WITH_SPLIT, **names)
def test_each_set_has_its_folder_and_its_file(facts, tmp_path):
    small(tmp_path, facts)
    splits = build_source(facts.name, tmp_path).splits()
    assert splits.root == tmp_path / facts.folder / facts.images
    assert [len(part) for part in splits[:3]] == [4, 2, 2]
    (note,) = splits.notes
    assert f"{facts.name}: not the published set (4 train images, published " in note
    assert f"2 classes, published {facts.classes}" in note
    assert "not comparable" in note


def test_a_split_that_was_drawn_anew_is_told(tmp_path, monkeypatch):
    base = small(tmp_path)
    monkeypatch.setitem(
        BENCHMARKS, "eurosat", BENCHMARKS["eurosat"]._replace(classes=2, counts=Counts(4, 2, 2))
    )
    (note,) = build_source("eurosat", tmp_path).splits().notes
    assert "not the published split, though it has as many images" in note
    assert "drive.google.com" in note
    whole = build_source("coop", base, name="eurosat").splits()
    split = BENCHMARKS["eurosat"].split._replace(digest=list_digest(whole)[:16])
    monkeypatch.setitem(BENCHMARKS, "eurosat", BENCHMARKS["eurosat"]._replace(split=split))
    assert build_source("eurosat", tmp_path).splits().notes == ()


def test_no_split_file(tmp_path):
    base = small(tmp_path)
    (base / "split_zhou_EuroSAT.json").rename(base / "split_mine_EuroSAT.json")
    with pytest.raises(
        DataError, match=r"no split_zhou_EuroSAT.json in .*eurosat'.*google"
    ) as told:
        build_source("eurosat", tmp_path).splits()
    assert "--cfg-options dataset.split=split_mine_EuroSAT.json" in str(told.value)
    source = build_source("eurosat", tmp_path, split="split_mine_EuroSAT.json")
    assert source.splits().name == "eurosat"


def test_no_image_folder(tmp_path):
    base = small(tmp_path)
    (base / "2750").rename(base / "EuroSAT_RGB")
    with pytest.raises(DataError, match=r"no image folder 2750/ in .*'EuroSAT_RGB'.*Rename it"):
        build_source("eurosat", tmp_path).splits()


@pytest.mark.parametrize("low", ["eurosat", "eurosat/2750", "eurosat/2750/Forest"])
def test_a_root_that_is_too_low(tmp_path, low):
    small(tmp_path)
    with pytest.raises(DataError, match="is too low") as told:
        build_source("eurosat", tmp_path / low)
    assert str(told.value).endswith(f"--data-root {tmp_path}")


def test_a_root_that_is_too_high(tmp_path):
    small(tmp_path / "data")
    with pytest.raises(DataError, match=r"one level too high.*eurosat/ is in") as told:
        build_source("eurosat", tmp_path)
    assert str(told.value).endswith(f"--data-root {tmp_path / 'data'}")


def test_a_root_without_the_set(tmp_path):
    (tmp_path / "dtd").mkdir()
    with pytest.raises(DataError, match=r"no folder eurosat/ .* which has 'dtd'.*docs/datasets.md"):
        build_source("eurosat", tmp_path)
    with pytest.raises(DataError, match=r"no such folder: .*Expected the one above eurosat/"):
        build_source("eurosat", tmp_path / "nowhere")


def test_a_link_serves_as_the_folder(tmp_path):
    base = small(tmp_path / "elsewhere")
    (tmp_path / "eurosat").symlink_to(base.rename(base.with_name("EuroSAT")))
    assert len(build_source("eurosat", tmp_path).splits().train) == 4


def test_parts_that_disagree_about_a_class(tmp_path):
    base = small(tmp_path)
    file = base / "split_zhou_EuroSAT.json"
    file.write_text(
        file.read_text().replace('"Forest/1.jpg", 0, "Forest"', '"Forest/1.jpg", 0, "Wood"')
    )
    with pytest.raises(
        DataError, match=r"test calls label 0 'Wood'.*elsewhere label 0 is 'Forest'"
    ):
        build_source("eurosat", tmp_path).splits()


def test_a_name_that_is_not_the_source_s(tmp_path):

    with pytest.raises(UnknownComponentError, match=r"among caltech101, .*got 'imagenet'"):
        DATASETS.build(dict(type="PublishedSplit", name="imagenet", root=str(tmp_path)))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_one_spelling(name):
    assert normalise_dataset_name(name) == name
    assert BENCHMARKS[name].name == name
    with pytest.raises(ConfigError, match=f"dataset {name!r} needs the folder.*--data-root"):
        build_source(name)


@pytest.mark.parametrize(
    ("asked", "name"),
    [("EuroSAT", "eurosat"), ("Flowers102", "oxford_flowers"), ("cars", "stanford_cars")],
)
def test_another_spelling_is_told_the_one(asked, name):
    with pytest.raises(UnknownComponentError, match=f"Did you mean {name!r}"):
        build_source(asked, ".")


def test_the_templates_of_the_field():
    assert {name: text for name, (text,) in templates().items()} == {
        "oxford_pets": "a photo of a {}, a type of pet.",
        "oxford_flowers": "a photo of a {}, a type of flower.",
        "fgvc_aircraft": "a photo of a {}, a type of aircraft.",
        "dtd": "{} texture.",
        "eurosat": "a centered satellite photo of {}.",
        "food101": "a photo of {}, a type of food.",
        "ucf101": "a photo of a person doing {}.",
    }


@pytest.mark.parametrize("method", ["sotglp", "gallop", "tip_adapter", "zeroshot"])
def test_recipes_are_of_data_sets_by_their_names(root, method):
    name = "vitb16_16shot_dataset" if method == "zeroshot" else "vitb16_16shot"
    recipes = load_config(root / f"configs/{method}/{name}.py").recipes
    assert set(recipes) <= {*source_names()}
    if method in ("sotglp", "tip_adapter"):
        eleven = {one.name for one in BENCHMARKS.values() if one.source != "ImageNetShift"}
        assert len(eleven) == 11
        assert set(recipes) >= eleven
