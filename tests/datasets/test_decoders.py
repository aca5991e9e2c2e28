"""Small sets are decoded in the process itself, large ones by processes forked from it."""

import multiprocessing
import sys

import pytest
import torch
from processes import context as processes

from plp.datasets import ImageDataset, Item, Textile, build_loader
from plp.datasets.decoders import SMALL, decoders, start_method
from plp.engine.processes import environment
from plp.transforms import ClipEval, FewShotTrain


@pytest.fixture
def photos(tmp_path):
    """Files of 7 MB, which take 0.2 s each by the rule."""
    for i in range(20):
        with open(tmp_path / f"{i}.jpg", "wb") as file:
            file.truncate(7_000_000)
    return tmp_path


def dataset(root, count):
    return ImageDataset([Item(f"{i}.jpg", 0) for i in range(count)], root, ClipEval(32))


def test_size_of_files_and_number_of_images_and_looks_decide(photos, tmp_path):
    assert decoders(dataset(photos, 9), 2) == 0
    assert decoders(dataset(photos, 12), 2) == 2
    assert decoders(dataset(photos, 9), 3, looks=2) == 3
    assert decoders(dataset(tmp_path / "none", 1900), 2) == 0
    assert decoders(dataset(tmp_path / "none", 2100), 2) == 2
    assert decoders(dataset(photos, 20), 0) == 0


def test_images_in_memory_cost_no_file(photos):
    images = dataset(photos, 20)
    images.decoded = dict.fromkeys(range(15))
    assert decoders(images, 2) == 0


def test_other_data_sets_get_what_is_asked_for():
    assert decoders([1, 2, 3], 2) == 2


def method_in_a_worker(pipe):
    """What a process of a comparison starts children by: it has been spawned itself."""
    multiprocessing.set_start_method("spawn", force=True)
    textile = Textile().splits()
    images = ImageDataset(textile.train[:6], textile.root, ClipEval(32))
    loader = build_loader(images, 2, shuffle=False, num_workers=1).loader
    first = next(iter(loader))
    pipe.send((loader.multiprocessing_context.get_start_method(), len(first["images"])))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a fork may not be safe")
def test_loaders_of_a_spawned_process_fork(tmp_path):
    assert start_method() == "fork"
    here, there = processes.Pipe()
    child = processes.Process(target=method_in_a_worker, args=(there,))
    child.start()
    child.join(60)
    child.kill()
    assert here.recv() == ("fork", 2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere mmengine chooses")
def test_a_run_leaves_the_start_method_of_others_as_it_was(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: "spawn")
    assert environment("cpu") == {
        "dist_cfg": {"backend": "gloo"},
        "mp_cfg": {"mp_start_method": "spawn"},
    }


@pytest.mark.parametrize("transform", [FewShotTrain(32), ClipEval(32)])
def test_pixels_do_not_depend_on_who_decodes(transform):
    textile = Textile().splits()
    images = ImageDataset(textile.train[:6], textile.root, transform, seed=3)
    batches = [
        [b["images"] for b in build_loader(images, 4, shuffle=True, num_workers=n).loader]
        for n in (decoders(images, 2), 2)
    ]
    assert decoders(images, 2) == 0 < SMALL
    assert all(torch.equal(one, other) for one, other in zip(*batches, strict=True))
