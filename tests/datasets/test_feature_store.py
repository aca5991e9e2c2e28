import json
import os
import resource
import shutil
import signal
import warnings
from pathlib import Path

import pytest
import torch
from processes import context as processes

from plp import files
from plp.datasets import FeatureStore, StoredRows
from plp.errors import DataError
from plp.sealed_tensors import unpack
from plp.structures import ImageFeatures

SETTINGS = {"fingerprint": "ab12", "streams": ["vv"]}
KEYS = ("a", "b", "c")


def features_of(keys, patches=4, width=8):
    """Features that follow from the keys, so that a reader knows what is right."""
    seeds = [sum(key.encode()) for key in keys]
    rows = [torch.randn(patches, width, generator=torch.Generator().manual_seed(s)) for s in seeds]
    dense = torch.stack(rows)
    return ImageFeatures(dense.mean(1), {"vv": dense}, (2, patches // 2))


def assert_same(found, expected):
    assert found.grid == expected.grid
    assert found.dense.keys() == expected.dense.keys()
    pairs = [(found.pooled, expected.pooled)]
    pairs += [(found.dense[name], expected.dense[name]) for name in expected.dense]
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path, SETTINGS)


def shards(folder):
    return sorted(Path(folder).rglob("*.safetensors"))


def test_what_goes_in_comes_out(store, tmp_path):
    store.add(KEYS, features_of(KEYS))
    again = FeatureStore(tmp_path, SETTINGS)
    for one in (store, again):
        assert [key in one for key in (*KEYS, "d")] == [True, True, True, False]
        for asked in (KEYS, ("c",), ("b", "a", "b")):
            assert_same(one.read(asked), features_of(asked))


def test_shards_are_joined(store):
    store.add(["a", "b"], features_of(["a", "b"]))
    store.add(["c"], features_of(["c"]))
    rows = StoredRows(store, ["c", "a", "b"])
    assert len(rows) == 3
    assert_same(rows.gather(torch.tensor([2, 0, 1])), features_of(["b", "c", "a"]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_numbers_are_kept_exactly(store, dtype):
    grid = torch.randn(2, 6, 3, dtype=torch.float64).to(dtype)
    # Streams may share memory, and need not be contiguous.
    features = ImageFeatures(grid[:, 0], {"x": grid, "y": grid.transpose(0, 1)[:2]}, (2, 3))
    store.add(["a", "b"], features)
    assert_same(store.read(["a", "b"]), features)


def test_without_dense_streams(store):
    features = ImageFeatures(torch.randn(2, 5), {}, (7, 7))
    store.add(["a", "b"], features)
    assert_same(store.read(["a", "b"]), features)


@pytest.mark.parametrize(
    "other", [{"fingerprint": "ab13", "streams": ["vv"]}, {"fingerprint": "ab12", "streams": []}]
)
def test_other_settings_are_another_store(store, tmp_path, other):
    store.add(KEYS, features_of(KEYS))
    assert "a" not in FeatureStore(tmp_path, other)


def test_settings_can_be_read_by_a_person(store):
    store.prepare()
    read = json.loads((store.folder / "settings.json").read_text())
    assert read == {"format": 1, **SETTINGS}


def test_the_older_of_two_counts(store, tmp_path):
    store.add(["a", "b"], features_of(["a", "b"]))
    (old,) = shards(tmp_path)
    late = features_of(["c", "d"])._replace(grid=(2, 2))
    store.add(["a", "d"], late)
    assert_same(store.read(["a"]), features_of(["a"]))
    store.refresh()
    assert_same(store.read(["a"]), features_of(["a"]))
    os.utime(old, ns=(2**62, 2**62))
    store.refresh()
    assert_same(store.read(["a"]), features_of(["c"]))


def test_a_whole_shard_is_never_written_again(store, tmp_path):
    store.add(["a", "b"], features_of(["a", "b"]))
    (shard,) = shards(tmp_path)
    before = shard.read_bytes()
    other = FeatureStore(tmp_path, SETTINGS)
    other.add(["a", "b"], features_of(["c", "d"]))  # a process that rounds in another way
    assert shard.read_bytes() == before
    assert_same(other.read(["a"]), features_of(["a"]))


def test_keys_and_images_must_be_as_many(store, tmp_path):
    with pytest.raises(ValueError, match="expected 3 keys, got 2"):
        store.add(["a", "c"], features_of(["a", "b", "c"]))
    assert not shards(tmp_path)
    store.add([], features_of(["a"]).rows([]))
    assert not shards(tmp_path)


class TestDamage:
    @pytest.mark.parametrize("size", [0, 4, 60, 0.5, -1])
    def test_a_cut_off_shard_is_ignored_and_made_anew(self, store, tmp_path, size):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        whole = shard.stat().st_size
        os.truncate(shard, int(size * whole) if size == 0.5 else size % whole)
        with pytest.warns(UserWarning, match="damaged and ignored") as told:
            again = FeatureStore(tmp_path, SETTINGS)
        assert str(shard) in str(told[0].message)
        assert not any(key in again for key in KEYS)
        again.add(KEYS, features_of(KEYS))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again.refresh()
        assert_same(again.read(KEYS), features_of(KEYS))

    def test_another_process_mends_it(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        content = shard.read_bytes()
        shard.write_bytes(content[:60])
        with pytest.warns(UserWarning, match="damaged and ignored"):
            again = FeatureStore(tmp_path, SETTINGS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again.catch_up()  # told once
        shard.write_bytes(content)
        again.catch_up()
        assert_same(again.read(KEYS), features_of(KEYS))

    def test_the_folder_is_made_again(self, store, tmp_path):
        store.prepare()
        shutil.rmtree(store.folder)
        store.prepare()
        assert (store.folder / "settings.json").exists()

    def test_what_is_no_shard_is_ignored(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        (store.folder / "notes.safetensors").write_text("these are not features" * 10)
        with pytest.warns(UserWarning, match=r"notes\.safetensors"):
            again = FeatureStore(tmp_path, SETTINGS)
        assert_same(again.read(KEYS), features_of(KEYS))

    def test_deleted_while_in_use(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        shards(tmp_path)[0].unlink()
        with pytest.raises(DataError, match=r"lost .*\.safetensors.*start the run again"):
            store.read(KEYS)
        store.refresh()
        assert "a" not in store

    def test_cut_off_while_in_use(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        os.truncate(shard, shard.stat().st_size - 1)
        with pytest.raises(DataError, match="lost"):
            store.read(KEYS)

    def test_a_full_disk(self, store, tmp_path):
        store.add(["a"], features_of(["a"]))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                store.add(["b"], features_of(["b"], width=2000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "b" not in store
        assert [path.suffix for path in store.folder.iterdir()] == [".safetensors"]

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("")
        store = FeatureStore(tmp_path / "file", SETTINGS)
        assert "a" not in store
        with pytest.raises(OSError, match="file"):
            store.prepare()


def keys_of(batch):
    return [f"{batch}-{i}" for i in range(4)]


def write_for_ever(folder, start):
    store = FeatureStore(folder, SETTINGS)
    for batch in range(start, 100_000):
        store.add(keys_of(batch), features_of(keys_of(batch), width=4000))


def write_some(folder, order, barrier):
    store = FeatureStore(folder, SETTINGS)
    barrier.wait()
    for batch in order:
        store.add(keys_of(batch), features_of(keys_of(batch)))


def count_right(folder, batches, **sizes):
    """Count whole batches; what can be read has to be right."""
    store, count = FeatureStore(folder, SETTINGS), 0
    for batch in range(batches):
        if any(key in store for key in keys_of(batch)):
            assert_same(store.read(keys_of(batch)), features_of(keys_of(batch), **sizes))
            count += 1
    return count


@pytest.mark.filterwarnings("error")
def test_a_writer_killed_at_any_time_leaves_whole_features(tmp_path):
    written = 0
    for _ in range(8):
        writer = processes.Process(target=write_for_ever, args=(tmp_path, written))
        writer.start()
        while len(shards(tmp_path)) < written + 2:
            assert writer.is_alive()
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        count = count_right(tmp_path, written + 50, width=4000)
        assert count == len(shards(tmp_path)) >= written + 2
        written = count
    assert len(list(tmp_path.rglob("*.tmp"))) <= 8


def write_half(folder):
    def replace(temporary, _):
        os.truncate(temporary, os.path.getsize(temporary) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    files.os.replace = replace
    FeatureStore(folder, SETTINGS).add(KEYS, features_of(KEYS))


@pytest.mark.filterwarnings("error")
def test_half_a_shard_is_never_looked_at(store, tmp_path):
    writer = processes.Process(target=write_half, args=(tmp_path,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    assert len(list(store.folder.glob(".*.tmp"))) == 1
    store.refresh()
    assert not any(key in store for key in KEYS)


@pytest.mark.filterwarnings("error")
def test_two_writers_and_a_reader(tmp_path):
    barrier = processes.Barrier(3)
    orders = (range(30), [*range(15, 45), *range(5)])
    writers = [processes.Process(target=write_some, args=(tmp_path, o, barrier)) for o in orders]
    for writer in writers:
        writer.start()
    barrier.wait()
    counts = [0]
    while any(writer.is_alive() for writer in writers):
        counts.append(count_right(tmp_path, 45))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    counts.append(count_right(tmp_path, 45))
    assert counts == sorted(counts)
    assert counts[-1] == 45


def resident():
    """Bytes of memory this process takes up, files it has mapped included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_reading_all_keeps_nothing_in_memory(store):
    size = 2**22  # bytes of a batch
    for batch in range(24):
        features = ImageFeatures(torch.zeros(4, 8), {"vv": torch.zeros(4, 4, size // 64)}, (2, 2))
        store.add(keys_of(batch), features)
    before = resident()
    for batch in range(24):
        assert store.read(keys_of(batch)).dense["vv"].numel() * 4 == size
    assert resident() - before < 6 * size


def flipped(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


class TestFlippedBits:
    def test_a_flipped_bit_of_a_tensor_is_noticed(self, store, tmp_path, caplog):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        flipped(shard, 8 * shard.stat().st_size - 2)  # of an exponent
        again = FeatureStore(tmp_path, SETTINGS)
        again.verify(["z", None])
        assert "a" in again  # nobody has asked for it
        again.verify(["a", "z"])
        assert not any(key in again for key in KEYS)
        again.verify(KEYS)
        again.refresh()
        assert [record.message for record in caplog.records] == [
            f"1 of the feature cache's files in {store.folder} is damaged (the content does not "
            f"match its digest), such as {shard.name}: left out, and their images are encoded anew "
            "where they are needed. They may be deleted"
        ]
        again.add(KEYS, features_of(KEYS))
        assert_same(again.read(KEYS), features_of(KEYS))
        assert_same(FeatureStore(tmp_path, SETTINGS).read(KEYS), features_of(KEYS))
        assert shards(tmp_path) == [shard]

    def test_an_intact_shard_with_the_same_keys_takes_its_place(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        store.add(KEYS[:2], features_of(KEYS[:2]))
        first, second = sorted(shards(tmp_path), key=lambda path: path.stat().st_size)
        for shard in (second, first):
            os.utime(shard, ns=(0, int(shard == first)))  # the larger one is the older
        flipped(second, 8 * second.stat().st_size - 2)
        os.utime(second, ns=(0, 0))
        store.refresh()
        store.verify(KEYS)
        assert [key in store for key in KEYS] == [True, True, False]
        assert_same(store.read(KEYS[:2]), features_of(KEYS[:2]))

    def test_a_bit_that_flips_while_in_use_ends_the_run(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        flipped(shard, 8 * shard.stat().st_size - 2)
        with pytest.raises(DataError, match=r"does not match its digest.*start the run again"):
            store.read(KEYS)

    def test_every_flip_is_noticed_or_without_effect(self, store, tmp_path):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        bits, whole, noticed = 8 * shard.stat().st_size, shard.read_bytes(), 0
        for bit in range(0, bits, bits // 200):
            flipped(shard, bit)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                again = FeatureStore(tmp_path, SETTINGS)
                again.verify(KEYS)
            if all(key in again for key in KEYS):
                assert_same(again.read(KEYS), features_of(KEYS))
            else:
                assert said or not any(key in again for key in KEYS)
                noticed += 1
            shard.write_bytes(whole)
        assert noticed > 190

    def test_what_is_hashed_is_hashed_once(self, store, tmp_path, monkeypatch):
        store.add(KEYS, features_of(KEYS))
        (shard,) = shards(tmp_path)
        os.utime(shard)  # as if another process had written it
        read = []
        monkeypatch.setattr(
            "plp.datasets.shards.unpack", lambda path: read.append(path) or unpack(path)
        )
        for one in (store, FeatureStore(tmp_path, SETTINGS)):
            one.verify(KEYS)
            one.read(KEYS)
            one.read(["a"])
        assert read == [shard]
