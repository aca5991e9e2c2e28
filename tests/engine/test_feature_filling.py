"""Processes that fill one store together: each image once, nobody waits without need or for ever.

The tower is a stub that writes down what it is asked for.
"""

import logging
import os
import signal
import sys
import threading
from collections import Counter

import pytest
import torch
from processes import context as processes
from unchecked import as_installed

from plp.datasets import FeatureStore, ImageDataset, Item
from plp.datasets import claims as claiming
from plp.features import filling as feature_filling
from plp.features.cache import CachedViews
from plp.features.filling import fill_stores
from plp.structures import ImageFeatures
from plp.transforms import ClipEval

KEYS = tuple(f"key {i}" for i in range(24))
BATCH = 4


def views_of(folder, keys=KEYS, views=1):
    """Return views whose keys are given; there are no images."""
    items = [Item(str(i), 0) for i in range(len(keys) // views)]
    images = ImageDataset(items, folder, ClipEval(8))
    return CachedViews(images, FeatureStore(folder, {}), tuple(keys), views, False)


class Tower:
    """Stands for `encode`: makes numbers of keys, and appends the keys to a file."""

    def __init__(self, cached, at_first=lambda: None):
        self.cached = cached
        self.at_first = at_first

    def __call__(self, learner, images, batches, *_):
        for number, batch in enumerate(batches):
            if number == 0:
                self.at_first()
            keys = list(map(self.cached.key_of, batch))
            with open(encoded_file(self.cached.store), "a") as file:
                file.write("".join(f"{key}\n" for key in keys))
            yield ImageFeatures(numbers_of(keys), {}, (1, 1))


def numbers_of(keys):
    return torch.tensor([[float(sum(str(key).encode()))] for key in keys])


def encoded_file(store):
    return store.folder / "encoded.txt"


def times_encoded(store):
    """Return how often each key was encoded."""
    return Counter(encoded_file(store).read_text().splitlines())


def check_filled(folder, keys=KEYS):
    store = FeatureStore(folder, {})
    assert torch.equal(store.read(keys).pooled, numbers_of(keys))
    assert times_encoded(store) == Counter(keys)


def fill(folder, keys=KEYS, *, looked=None, first=None, pipe=None, views=1, more=()):
    """Fill a store in this process; leave with 130 after Ctrl-C.

    Args:
        folder: Of the store.
        keys: Of the views.
        looked: Barrier to wait at when all has been found missing.
        first: Barrier to wait at when the first batch is claimed.
        pipe: Gets what the log says.
        views: Of an image.
        more: Keys of another part.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    cached = views_of(folder, keys, views)
    parts = {"train": cached} | ({"test": views_of(folder, more)} if more else {})
    at_first = first.wait if first else lambda: None
    towers = {id(one.images): Tower(one, at_first) for one in parts.values()}
    feature_filling.encode = lambda _, images, *rest: towers[id(images)](_, images, *rest)
    if pipe is not None:
        feature_filling.TOLD_AFTER, feature_filling.POLL = 0.0, 0.01
        feature_filling.logger.setLevel(logging.INFO)
        feature_filling.logger.handlers = [PipeHandler(pipe)]
    if looked:
        looked.wait()
    try:
        assert set(fill_stores(parts, None, BATCH, 0)) == set(parts)
    except KeyboardInterrupt:
        sys.exit(130)


class PipeHandler(logging.Handler):
    """Sends messages to another process."""

    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def emit(self, record):
        self.pipe.send(record.getMessage())


def hold(folder, keys, pipe):
    """Claim keys as one does who encodes them, and never come to an end."""
    cached = views_of(folder)
    cached.store.prepare()
    with cached.store.claims() as claims:
        pipe.send([claims.take(key) for key in keys])
        threading.Event().wait()


@pytest.fixture
def started():
    """Start processes; none outlives the test."""
    running = []

    def start(target, *args, **kwargs):
        running.append(processes.Process(target=target, args=args, kwargs=kwargs))
        running[-1].start()
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.join()


@pytest.fixture
def holder(started, tmp_path):
    """Another process that encodes the first six images for ever."""
    here, there = processes.Pipe()
    process = started(hold, tmp_path, KEYS[:6], there)
    assert all(here.recv())
    return process


@pytest.fixture
def impatient(monkeypatch):
    """Fail where this process waits for another."""

    def wait(*_):
        raise AssertionError("waits")

    monkeypatch.setattr(feature_filling._Patience, "wait", wait)


@pytest.fixture
def fill_here(monkeypatch, tmp_path):
    """Fill a store in this process."""

    def run(keys=KEYS, views=1):
        cached = views_of(tmp_path, keys, views)
        monkeypatch.setattr(feature_filling, "encode", Tower(cached))
        with as_installed():  # no learner is needed
            return fill_stores({"train": cached}, None, BATCH, 0)

    return run


def end(process):
    process.join()
    return process.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 2])
def test_those_that_start_together_share_the_work_out(started, tmp_path, views):
    """None goes on before each has claimed a batch: they encode at the same time."""
    looked, first = processes.Barrier(3), processes.Barrier(3)
    options = dict(looked=looked, first=first, views=views)
    running = [started(fill, tmp_path, **options) for _ in range(3)]
    assert [end(process) for process in running] == [0, 0, 0]
    check_filled(tmp_path)


def test_lists_that_overlap(started, tmp_path):
    looked = processes.Barrier(3)
    lists = KEYS[:15], KEYS[9:], KEYS[::-1]
    running = [started(fill, tmp_path, keys, looked=looked) for keys in lists]
    assert [end(process) for process in running] == [0, 0, 0]
    check_filled(tmp_path)


def wait_until_told(pipe):
    """Wait until a process says that it waits."""
    while not (line := pipe.recv()).startswith("waiting"):
        pass
    return line


def test_what_a_killed_process_had_is_encoded_by_the_one_that_waits(holder, started, tmp_path):
    here, there = processes.Pipe()
    waiting = started(fill, tmp_path, pipe=there)
    there.close()
    line = wait_until_told(here)
    store = FeatureStore(tmp_path, {})
    assert line.startswith("waiting for 6 images that another process is encoding")
    assert str(store.folder) in line
    assert [key for key in KEYS if key not in store] == list(KEYS[:6]), "the rest comes first"
    holder.kill()
    assert end(waiting) == 0
    check_filled(tmp_path)
    later = []
    while here.poll():
        try:
            later.append(here.recv())
        except EOFError:
            break
    assert [line.split()[0] for line in later] == ["features"], "it is told once"


def test_ctrl_c_while_waiting(holder, started, tmp_path):
    here, there = processes.Pipe()
    waiting = started(fill, tmp_path, pipe=there)
    wait_until_told(here)
    os.kill(waiting.pid, signal.SIGINT)
    assert end(waiting) == 130
    assert holder.is_alive()


def test_other_parts_come_before_waiting(holder, started, tmp_path):
    here, there = processes.Pipe()
    started(fill, tmp_path, KEYS[:8], more=KEYS[8:], pipe=there)
    wait_until_told(here)
    store = FeatureStore(tmp_path, {})
    assert [key for key in KEYS if key not in store] == list(KEYS[:6])


def test_nobody_waits_for_images_he_has(holder, impatient, fill_here, tmp_path):
    FeatureStore(tmp_path, {}).add(KEYS[:8], ImageFeatures(numbers_of(KEYS[:8]), {}, (1, 1)))
    assert fill_here(KEYS[:8])
    assert not encoded_file(FeatureStore(tmp_path, {})).exists()


def test_nobody_waits_for_images_he_does_not_want(holder, impatient, fill_here, tmp_path):
    assert fill_here(KEYS[6:])
    check_filled(tmp_path, KEYS[6:])


def test_a_short_wait_is_not_told(caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(feature_filling.time, "sleep", lambda _: None)
    patience = feature_filling._Patience()
    with caplog.at_level(logging.INFO, logger="plp"):
        for _ in range(9):
            patience.wait(3, tmp_path)
        assert not caplog.messages
        for _ in range(30):
            patience.wait(3, tmp_path)
    assert len(caplog.messages) == 1


def test_one_that_was_stopped_is_not_waited_for_for_ever(
    holder, fill_here, monkeypatch, caplog, tmp_path
):
    monkeypatch.setattr(feature_filling, "LONGEST", 0.3)
    with caplog.at_level(logging.WARNING, logger="plp"):
        assert fill_here()
    (told,) = caplog.messages
    assert told.startswith("another process has had 6 images for")
    check_filled(tmp_path)


def test_patience_starts_anew_whenever_something_gets_done(monkeypatch, tmp_path):
    monkeypatch.setattr(feature_filling.time, "sleep", lambda _: None)
    patience = feature_filling._Patience()
    for left in range(20, 0, -1):
        for _ in range(int(0.9 * feature_filling.LONGEST / feature_filling.POLL)):
            patience.wait(left, tmp_path)
    assert not patience.is_over


def test_without_locks_all_is_encoded(holder, impatient, fill_here, monkeypatch, tmp_path):
    def lockf(*_):
        raise OSError("no locks here")

    monkeypatch.setattr(claiming.fcntl, "lockf", lockf)
    assert fill_here()
    check_filled(tmp_path)


def test_threads_do_not_wait_for_each_other(impatient, monkeypatch, tmp_path):
    both, whole = threading.Barrier(2), []
    cached = [views_of(tmp_path) for _ in range(2)]
    monkeypatch.setattr(feature_filling, "encode", Tower(cached[0], both.wait))

    def run(one):
        whole.append(fill_stores({"train": one}, None, BATCH, 0))

    with as_installed():
        threads = [threading.Thread(target=run, args=(one,)) for one in cached]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all("train" in one for one in whole)
    assert len(whole) == 2


def test_two_parts_of_a_run_share_a_store(impatient, monkeypatch, tmp_path):
    part = views_of(tmp_path)
    monkeypatch.setattr(feature_filling, "encode", Tower(part))
    with as_installed():
        assert set(fill_stores({"train": part, "test": part}, None, BATCH, 0)) == {"train", "test"}
    check_filled(tmp_path)


def test_a_file_that_cannot_be_read_for_a_moment_moves_nobody_elses_features(fill_here, tmp_path):
    keys = ("a", None, "c")
    assert not fill_here(keys), "a part without a key is not whole"
    store = FeatureStore(tmp_path, {})
    assert torch.equal(store.read(["a", "c"]).pooled, numbers_of(["a", "c"]))
