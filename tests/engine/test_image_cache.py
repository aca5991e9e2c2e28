"""Decoded images in memory, and crops resized on the device: what a run sees with and without."""

import logging
import multiprocessing

import pytest
import torch
from tiny_runs import make_photos

from plp.config.data_options import DataOptions
from plp.datasets import Folder, Item, View, decoded, images, readable, sample
from plp.engine.build import build_learner
from plp.engine.crop_dataset import CropDataset
from plp.engine.data import build_loaders
from plp.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    root = make_photos(tmp_path_factory.mktemp("data") / "insects", dict(ant=6, bee=6))
    return sample(Folder(root).splits(), 2, seed=1)


@pytest.fixture(scope="module")
def learner(root, tiny_options):
    return build_learner(root / "configs/coop/vitb16_16shot.py", ("ant", "bee"), tiny_options)


def epochs(few, learner, count=3, **options):
    """Batches of the first epochs."""
    given = DataOptions(**{"batch_size": 2, "num_workers": 0, "verify": False, **options})
    loader = build_loaders(few, given, learner, seed=5, parts=("train",)).train
    batches = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        batches += list(loader)
    return batches, loader.dataset


@pytest.fixture
def reads(monkeypatch):
    """Count the files that this process and its forks decode."""
    count, read = multiprocessing.Value("i", 0), images.decode_file

    def counting(*arguments, **keywords):
        with count.get_lock():
            count.value += 1
        return read(*arguments, **keywords)

    for module in (images, readable):
        monkeypatch.setattr(module, "decode_file", counting)
    return count


@pytest.mark.usefixtures("every_set_is_large")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("augment", ["cpu", "device"])
def test_the_cache_changes_no_pixel_and_reads_each_file_once(few, learner, reads, workers, augment):
    options = dict(num_workers=workers, batch_size=1, augment=augment)
    plain, _ = epochs(few, learner, count=6, **options)
    assert reads.value == 6 * 4
    reads.value = 0
    cached, _ = epochs(few, learner, count=6, image_cache=1, **options)
    assert reads.value == 4
    for one, other in zip(cached, plain, strict=True):
        assert torch.equal(one["labels"], other["labels"])
        one, other = one["images"], other["images"]
        if augment == "device":
            assert one.sizes == other.sizes
            one, other = one.pixels, other.pixels
        assert torch.equal(one, other)


def test_views_to_encode_are_decoded_once(few, learner, reads, tmp_path):
    for options in (dict(cache_features=True), dict(feature_cache=str(tmp_path))):
        reads.value = 0
        epochs(few, learner, views=3, image_cache=1, **options)
        assert reads.value == 4
    epochs(few, learner, views=3, image_cache=1, feature_cache=str(tmp_path))
    assert reads.value == 4, "all features are on disk"


def test_what_does_not_fit_is_said_and_read_each_epoch(few, learner, reads, monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("plp"), "propagate", True)
    caplog.set_level("INFO", "plp")
    decode = decoded.decode_images
    small = 3 * 3 * 40 * 50  # bytes of three images
    monkeypatch.setattr("plp.engine.data.decode_images", lambda *a: decode(*a[:2], small, *a[3:]))
    epochs(few, learner, image_cache=1)
    assert reads.value == 4 + 3
    assert "decoding 4 training images into memory, up to data.image_cache=1 MiB" in caplog.text
    assert "3 of 4 training images are in memory, the others will be" in caplog.text


def test_only_training_images_are_kept(few, learner, caplog):
    options = DataOptions(num_workers=2, image_cache=3, verify=False)
    loaders = build_loaders(few, options, learner, seed=5)
    assert len(loaders.train.dataset.decoded) == 4
    assert not loaders.val.dataset.decoded
    assert not loaders.test.dataset.decoded
    none = build_loaders(few, DataOptions(verify=False), learner, seed=5)
    assert not none.train.dataset.decoded


def test_all_unreadable_images_are_still_named(few, learner):
    broken = few._replace(train=(Item("none.png", 0), *few.train, Item("gone.png", 1)))
    with pytest.raises(DataError, match=r"2 of 6 images .*\n.*none.png.*\n.*gone.png"):
        build_loaders(broken, DataOptions(image_cache=1), learner, seed=5, parts=("train",))


def test_on_the_device_the_same_crops_are_seen(few, learner):
    plain, _ = epochs(few, learner)
    late, dataset = epochs(few, learner, augment="device")
    assert isinstance(dataset, CropDataset)
    for one, other in zip(late, plain, strict=True):
        assert torch.equal(one["labels"], other["labels"])
        assert torch.equal(one["indices"], other["indices"])
        one, other = (learner.data_preprocessor(batch, True)["images"] for batch in (one, other))
        found = one.resized(learner.backbone.image_size, learner.backbone.interpolation)
        error = (found.int() - other.int()).abs()
        assert error.float().mean() < 0.5
        losses = [learner(x, torch.tensor([0, 1]), mode="loss") for x in (one, other)]
        for name, loss in losses[0].items():
            assert torch.isclose(loss, losses[1][name], rtol=2e-2)


def test_a_view_is_the_same_whenever_it_is_asked_for(few, learner):
    _, dataset = epochs(few, learner, count=1, augment="device")
    first, again = dataset[View(1, 4)], dataset[View(1, 4)]
    assert torch.equal(first.region, again.region)
    other = dataset[View(1, 5)]
    assert (first.region.shape, first.flip) != (other.region.shape, other.flip)


def test_a_transform_of_unknown_crops_is_refused(few, learner):
    with pytest.raises(ConfigError, match=r"knows the crops of FewShotTrain, got .*ClipEval"):
        epochs(few, learner, augment="device", train_transform=dict(type="ClipEval"))


def test_bad_options_are_refused():
    from mmengine.config import Config

    for options, message in (
        (dict(augment="gpu"), "data.augment to be 'cpu' or 'device', got 'gpu'"),
        (dict(image_cache=-1), "data.image_cache to be an integer >= 0, got -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            DataOptions.of(Config(dict(data=options)))
