"""Decoded images in memory, and crops resized on the device: what a run sees with and without."""

import pytest
import torch
from tiny_runs import make_photos

from plp.datasets import Folder, View, sample
from plp.engine.build import build_learner
from plp.engine.crop_dataset import CropDataset
from plp.engine.data import DataOptions, build_loaders
from plp.errors import ConfigError


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    root = make_photos(tmp_path_factory.mktemp("data") / "insects", dict(ant=6, bee=6))
    return sample(Folder(root).splits(), 2, seed=1)


@pytest.fixture(scope="module")
def learner(root, tiny_options):
    return build_learner(root / "configs/coop/vitb16_16shot.py", ("ant", "bee"), tiny_options)


def epochs(few, learner, count=3, **options):
    """Batches of the first epochs."""
    given = DataOptions(batch_size=2, num_workers=0, verify=False, **options)
    loader = build_loaders(few, given, learner, seed=5, parts=("train",)).train
    batches = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        batches += list(loader)
    return batches, loader.dataset


def test_the_cache_changes_no_pixel_and_reads_each_file_once(few, learner, monkeypatch):
    plain, _ = epochs(few, learner)
    reads = []
    from plp.datasets import images as module

    read = module.read_image
    monkeypatch.setattr(module, "read_image", lambda *a, **k: reads.append(a) or read(*a, **k))
    cached, dataset = epochs(few, learner, image_cache=1)
    assert len(reads) == len(dataset) == 4
    for one, other in zip(cached, plain, strict=True):
        assert torch.equal(one["images"], other["images"])
        assert torch.equal(one["labels"], other["labels"])
    reads.clear()
    epochs(few, learner)
    assert len(reads) == 3 * 4


def test_the_limit_holds_in_all_workers_together(few, learner):
    options = DataOptions(num_workers=2, image_cache=3, verify=False)
    loaders = build_loaders(few, options, learner, seed=5)
    assert loaders.train.dataset.cache_bytes == 3 * 2**20 // 2
    assert loaders.test.dataset.cache_bytes == 0


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
        (dict(image_cache=-1), "data.image_cache to be a whole number from 0 up, got -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            DataOptions.of(Config(dict(data=options)))
