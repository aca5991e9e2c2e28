import sys

import pytest

from plp.datasets import Coop, Folder, Textile, build_source, sample, source_names
from plp.datasets.base import DataSource, Item, Splits
from plp.errors import ConfigError, DataError, PlpError, UnknownComponentError
from plp.registry import DATASETS


def test_the_sources_by_their_names():
    names = source_names()
    assert {"coop": Coop, "folder": Folder, "textile": Textile}.items() <= names.items()


def test_a_source_of_a_user_s_own(tmp_path):
    class MyBirds(DataSource):
        name = "my_birds"

        def splits(self):
            train = tuple(Item(f"train/{i}.png", i) for i in range(2))
            test = tuple(Item(f"test/{i}.png", i) for i in range(2))
            return Splits(train, (), test, ("a", "b"), self.name, tmp_path)

    DATASETS.register_module(module=MyBirds)
    try:
        source = build_source("my_birds")
        assert source_names()["my_birds"] is MyBirds
        with pytest.warns(UserWarning, match="validation images"):
            assert len(sample(source.splits(), 1, seed=0).train) == 2
    finally:
        DATASETS.module_dict.pop("MyBirds")


def test_unknown_name():
    with pytest.raises(UnknownComponentError, match=r"'texile'.*mean 'textile'.*coop, dtd"):
        build_source("texile")


def test_a_root_too_few_or_too_many(tmp_path):
    with pytest.raises(ConfigError, match=r"'coop' needs the folder.*--data-root DIR"):
        build_source("coop")
    with pytest.raises(ConfigError, match="'textile' takes no --data-root"):
        build_source("textile", tmp_path)


def test_keywords_reach_the_source(tmp_path, make_images):
    make_images(tmp_path, {"a": 10, "b": 10})
    assert len(build_source("folder", tmp_path, test_fraction=0.2).splits().test) == 4
    with pytest.raises(ConfigError, match="no keyword 'test_part'"):
        build_source("folder", tmp_path, test_part=0.2)
    with pytest.raises(PlpError, match="no such folder"):
        build_source("folder", tmp_path / "nowhere")


def test_textile():
    pytest.importorskip("conformal_clip_data")
    splits = build_source("textile").splits()
    assert [len(part) for part in splits[:3]] == [400, 0, 1600]
    assert len(splits.class_names) == 3
    for part, counts in ((splits.train, (200, 100, 100)), (splits.test, (800, 400, 400))):
        assert tuple(sum(item.label == label for item in part) for label in range(3)) == counts
    assert all((splits.root / item.path).is_file() for item in splits.train)
    draw = sample(splits, 16, seed=1)
    assert (len(draw.train), len(draw.val)) == (48, 12)
    # The draw behind the first command of the README must never change.
    assert draw.split_hash == "ad6e0563cbe9e484a1091526854e8dcdc5aa23776b27f979ce62b1738130a853"


def test_textile_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "conformal_clip_data", None)
    with pytest.raises(DataError, match=r"pip install plp\[lite\]"):
        Textile().splits()
