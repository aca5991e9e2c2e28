import json
import random
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from image_trees import SPLITS_ROOT
from sklearn.model_selection import StratifiedShuffleSplit

from plp.datasets import Item, Splits, sample, sample_exact, sample_stratified
from plp.datasets.sampling import SAMPLERS, split_hash
from plp.errors import ConfigError, DataError

COUNTS = {"frog": 7, "cat": 40, "dog": 16}


def part(name: str, counts: dict[str, int], order: str = "shuffled") -> tuple[Item, ...]:
    labels = {cls: label for label, cls in enumerate(sorted(COUNTS))}
    items = [
        Item(f"{name}/{cls}_{i}.jpg", labels[cls]) for cls, n in counts.items() for i in range(n)
    ]
    if order == "shuffled":
        random.Random(0).shuffle(items)
    return tuple(items)


def pets(train=COUNTS, val=COUNTS, test=COUNTS) -> Splits:
    names = tuple(sorted(COUNTS))
    return Splits(part("train", train), part("val", val), part("test", test), names, "pets", Path())


def classes_in_order(items):
    return list(dict.fromkeys(item.label for item in items))


@pytest.mark.parametrize("shots", [1, 4, 7])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_exact_rule(shots, seed):
    splits = pets()
    generator = random.Random(seed)
    expected = []
    for items, k in ((splits.train, shots), (splits.val, min(shots, 4))):
        for label in classes_in_order(items):
            expected += generator.sample([item for item in items if item.label == label], k)
    draw = sample_exact(splits, shots, seed)
    assert [*draw.train, *draw.val] == expected
    assert draw.test == splits.test
    assert draw.notes == ()
    assert (draw.shots, draw.seed, draw.sampler) == (shots, seed, "exact")
    assert draw.split_hash == split_hash(draw.train)


@pytest.mark.parametrize("shots", [1, 4, 16])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:pets")
def test_the_stratified_rule(shots, seed):
    splits = pets()
    order = classes_in_order(splits.train)
    labels = [order.index(item.label) for item in splits.train]
    rule = StratifiedShuffleSplit(n_splits=1, train_size=3 * shots, random_state=seed)
    expected, _ = next(rule.split(labels, labels))
    draw = sample_stratified(splits, shots, seed)
    assert list(draw.train) == [splits.train[i] for i in expected]
    counts = Counter(splits.class_names[item.label] for item in draw.train)
    assert sum(counts.values()) == 3 * shots
    assert counts["cat"] > counts["frog"]


@pytest.mark.filterwarnings("ignore:pets")
def test_the_draws_stay_the_same_in_every_version():
    draws = {
        (sampler, shots): sample(pets(), shots, 1, sampler).split_hash[:16]
        for sampler in ("exact", "stratified")
        for shots in (1, 4)
    }
    assert draws == {
        ("exact", 1): "52e6d08ae61cf4f8",
        ("exact", 4): "c621a4a240b9f53c",
        ("stratified", 1): "3050fe1b335e18f6",
        ("stratified", 4): "72879c25a8454d1e",
    }


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
@pytest.mark.filterwarnings("ignore:pets")
class TestBothSamplers:
    def test_more_shots_than_images_use_the_whole_list(self, sampler):
        for shots in (40, 100):
            draw = sample(pets(), shots, 1, sampler)
            assert sorted(draw.train) == sorted(pets().train)

    def test_the_global_generators_are_left_alone(self, sampler, monkeypatch):
        splits = pets()
        expected = sample(splits, 4, 1, sampler)
        for name in ("seed", "sample", "shuffle", "choice", "choices", "random"):
            monkeypatch.delattr(random, name)  # the module's functions are the global generator's
        np.random.seed(99)
        before = np.random.get_state()[1].copy()
        assert sample(splits, 4, 1, sampler) == expected
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    def test_seeds_differ_and_repeat(self, sampler):
        hashes = [sample(pets(), 4, seed, sampler).split_hash for seed in (0, 1, 2, 0)]
        assert hashes[0] == hashes[3]
        assert len(set(hashes)) == 3

    def test_nothing_is_in_two_parts(self, sampler):
        draw = sample(pets(val={}), 4, 1, sampler)
        lists = (draw.train, draw.val, draw.test)
        assert all(lists)
        assert len({item.path for part in lists for item in part}) == sum(map(len, lists))

    def test_validation_images_from_the_left_over(self, sampler):
        splits = pets(val={})
        draw = sample(splits, 4, 1, sampler)
        assert set(draw.val) <= set(splits.train) - set(draw.train)
        assert any("training images not used as shots" in note for note in draw.notes)

    def test_leaks_are_refused(self, sampler):
        splits = pets()
        leaky = splits._replace(test=splits.test + splits.train[:2])
        with pytest.raises(DataError, match="2 images are in train and in test"):
            sample(leaky, 1, 1, sampler)
        with pytest.raises(DataError, match="in val and in test"):
            sample(splits._replace(test=splits.test + splits.val[:1]), 1, 1, sampler)

    def test_a_class_without_images_is_named(self, sampler):
        with pytest.raises(DataError, match="no train image of class 'cat'"):
            sample(pets(train={"frog": 3, "dog": 3}), 1, 1, sampler)

    @pytest.mark.parametrize("shots", [0, -1, True])
    def test_shots_must_be_a_number(self, sampler, shots):
        with pytest.raises(ConfigError, match="shots"):
            sample(pets(), shots, 1, sampler)


def test_a_short_class_is_warned_about_with_its_count():
    with pytest.warns(UserWarning, match="fewer than 16 training images: 'dog 13'"):
        draw = sample_exact(pets(train={"frog": 20, "cat": 30, "dog": 13}), 16, 1)
    assert Counter(item.label for item in draw.train) == {0: 16, 1: 13, 2: 16}
    assert any("dog 13" in note for note in draw.notes)


def test_where_nothing_is_left_no_note_says_where_it_came_from():
    with pytest.warns(UserWarning, match="validation images"):
        draw = sample_exact(pets(train={"frog": 1, "cat": 1, "dog": 1}, val={}), 1, 1)
    assert draw.val == ()
    assert not any("that are no shots" in note for note in draw.notes)


def test_fewer_validation_images_are_stated():
    with pytest.warns(UserWarning, match="fewer than 4 validation images: 'dog 1', 'frog 0'"):
        draw = sample_exact(pets(train={"frog": 4, "cat": 30, "dog": 5}, val={}), 4, 1)
    assert Counter(item.label for item in draw.val) == {0: 4, 1: 1}


def test_one_image_a_class_can_be_trained_on():
    one = dict.fromkeys(COUNTS, 1)
    with pytest.warns(UserWarning, match="fewer than"):
        draw = sample_exact(pets(train=one, val={}), 16, 1)
    assert (len(draw.train), len(draw.val)) == (3, 0)


def test_what_cannot_be_stratified_is_said():
    with pytest.raises(DataError, match=r"stratified sampler cannot draw 3 of 11.*sampler='exact'"):
        sample_stratified(pets(train={"frog": 1, "cat": 5, "dog": 5}), 1, 1)


def test_unknown_sampler():
    with pytest.raises(ConfigError, match="'exact', 'stratified', got 'balanced'"):
        sample(pets(), 1, 1, "balanced")


def published_draws():
    file = SPLITS_ROOT / "draws_seed1.json"
    if not file.is_file():
        return []
    return [
        pytest.param(
            name, int(key.rsplit("shot", 1)[1]), sampler, row, id=f"{name}-{key}-{sampler}"
        )
        for name, draws in json.loads(file.read_text()).items()
        for key, samplers in draws.items()
        for sampler, row in samplers.items()
    ]


@cache
def read_published(name: str) -> Splits:
    rows = json.loads((SPLITS_ROOT / f"split_zhou_{name}.json").read_text())
    names = {label: cls for _, label, cls in rows["train"]}
    lists = (tuple(Item(p, n) for p, n, _ in rows[key]) for key in ("train", "val", "test"))
    return Splits(*lists, tuple(names[i] for i in range(len(names))), name, SPLITS_ROOT)


@pytest.mark.data
@pytest.mark.skipif(not published_draws(), reason="no published split files (PLP_SPLITS_ROOT)")
@pytest.mark.parametrize(("name", "shots", "sampler", "row"), published_draws())
@pytest.mark.filterwarnings("ignore:.*fewer than")
def test_published_draws(name, shots, sampler, row):
    draw = sample(read_published(name), shots, 1, sampler)
    assert [item.path for item in draw.train[:3]] == row["first"]
    assert len(draw.train) == row["count"]
    assert draw.split_hash == row["sha256"]
