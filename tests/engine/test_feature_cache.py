"""Features on disk: no number of a run depends on them, and nothing is encoded twice."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from PIL import Image
from processes import context as processes
from representatives import slow_but
from tiny_runs import read_result

from plp import files
from plp.backbones import OpenCLIPBackbone
from plp.checkpoints.checkpoint import load_checkpoint
from plp.cli.options import run_tool
from plp.cli.train import main
from plp.datasets import feature_store, images, readable
from plp.features import encoding
from plp.features.cache import cache_folder
from plp.testing.clip_weights import TINY, write_clip_weights

SHORT = "train_cfg.update(max_epochs=2)\n"  # every view of two is seen
PLAIN = SHORT + "data['train_transform'] = dict(_delete_=True, type='ClipEval')\n"
MEMORY = "data.update(views={}, cache_features=True)\n"
KINDS = {  # lines of the config, features of a run (12 training, 6 validation, 18 test images)
    "plain": (PLAIN, 36),
    "plain views": (PLAIN + "data['views'] = 3\n", 36),
    "random views": (SHORT + "data['views'] = 2\n", 48),
    "random": (SHORT, 24),
    "in memory": (PLAIN + MEMORY.format(1), 36),
    "random in memory": (SHORT + MEMORY.format(2), 48),
}
EXACT = ("random", "in memory", "random in memory")  # encoded in the same batches without a cache


def told(out):
    """Return what the line about features says: how many, from the cache, encoded."""
    (found,) = re.findall(r"features of (\d+) images: (\d+) from the cache .+, (\d+) encoded", out)
    return tuple(map(int, found))


def assert_same_numbers(folder, other, exact=True):
    """Compare bit for bit, or to the rounding of a tower that met its images in other batches."""
    one, two = load_checkpoint(folder).state, load_checkpoint(other).state
    tolerance = 0.0 if exact else 1e-5
    torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)
    for key in ("accuracy", "per_class_accuracy", "steps"):
        assert read_result(folder)[key] == read_result(other)[key]
    rows = [(path / "curves.jsonl").read_text().splitlines() for path in (folder, other)]
    assert len(rows[0]) == len(rows[1])
    for row, expected in zip(*rows, strict=True):
        assert json.loads(row) == pytest.approx(json.loads(expected), rel=tolerance, abs=tolerance)


@pytest.fixture
def seen(monkeypatch):
    """Count the images that go through the tower, and those that are decoded."""
    counts = {"encoded": 0, "decoded": 0}
    encode_image, decode_file = OpenCLIPBackbone.encode_image, images.decode_file

    def encode(backbone, pixels, streams=()):
        counts["encoded"] += len(pixels)
        return encode_image(backbone, pixels, streams)

    def read(*arguments, **keywords):
        counts["decoded"] += 1
        return decode_file(*arguments, **keywords)

    monkeypatch.setattr(OpenCLIPBackbone, "encode_image", encode)
    for module in (images, readable):
        monkeypatch.setattr(module, "decode_file", read)
    return counts


@pytest.fixture(scope="module")
def configs(config_with):
    return {kind: config_with(more) for kind, (more, _) in KINDS.items()}


@pytest.fixture
def cached(train_tool, configs, tmp_path):
    """Train with a cache; return what was told of it, and the output."""

    def run(*options, name="cached", config=configs["plain"], flags=(), **keywords):
        options = (f"data.feature_cache={tmp_path / 'cache'}", *options)
        work_dir = tmp_path / name
        shutil.rmtree(work_dir, ignore_errors=True)
        ended = train_tool(
            *flags, "--cfg-options", *options, config=config, work_dir=work_dir, **keywords
        )
        assert ended.status == 0, ended.err
        return told(ended.out), ended

    return run


def test_encoding_is_told_before_it_begins_and_on_its_way(cached, monkeypatch):
    monkeypatch.setattr(encoding, "TOLD_EVERY", 0.0)
    out = cached("data.eval_batch_size=8")[1].out
    assert out.index("encoding 36 images (kept on disk)") < out.index(
        "encoded 8 of at most 12 images"
    )
    assert out.index("encoded 18 of at most 18 images") < out.index("features of 36 images")
    again = cached(name="again")[1].out
    assert "kept on disk" not in again


@pytest.mark.usefixtures("every_set_is_large")
def test_loaders_that_read_ahead(cached, tmp_path):
    assert cached("data.eval_batch_size=4", name="one")[0] == (36, 0, 36)
    shutil.rmtree(tmp_path / "cache")
    ahead = ("data.eval_batch_size=4", "data.num_workers=2")
    assert cached(*ahead, name="ahead")[0] == (36, 0, 36)
    assert_same_numbers(tmp_path / "ahead", tmp_path / "one")


@pytest.mark.parametrize("kind", slow_but(("plain", "random"), KINDS))
def test_the_numbers_are_those_without_a_cache(kind, cached, configs, train_tool, seen, tmp_path):
    config, total = configs[kind], KINDS[kind][1]
    assert train_tool(config=config, work_dir=tmp_path / "without").status == 0
    assert cached(config=config, name="first")[0] == (total, 0, total)
    seen.update(encoded=0, decoded=0)
    assert cached(config=config, name="second")[0] == (total, total, 0)
    trained = 12 * 2 if kind == "random" else 0  # in two epochs
    assert seen == {"encoded": trained, "decoded": trained + (12 if kind == "random" else 0)}
    assert_same_numbers(tmp_path / "second", tmp_path / "first")
    assert_same_numbers(tmp_path / "first", tmp_path / "without", exact=kind in EXACT)


def test_testing_a_checkpoint_reads_the_features(cached, configs, tool, photos, seen, tmp_path):
    cached()
    seen.update(encoded=0, decoded=0)
    ended = tool(
        "test", configs["plain"], tmp_path / "cached", "--dataset", "folder", "--data-root", photos,
        "--cfg-options", f"data.feature_cache={tmp_path / 'cache'}", "--out", tmp_path / "out.json",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert told(ended.out) == (18, 18, 0)
    assert seen == {"encoded": 0, "decoded": 0}
    accuracy = json.loads((tmp_path / "out.json").read_text())["accuracy"]
    assert accuracy == read_result(tmp_path / "cached")["accuracy"]


class TestWhatIsShared:
    def test_shots_and_seeds_share_what_is_deterministic(self, cached, photos):
        cached()
        pool = len(list(photos.rglob("*.png")))
        (_, _, second), _ = cached(flags=("--seed", 2))
        (_, _, third), _ = cached("data.shots=2", flags=("--seed", 1))
        assert second <= pool - 36
        assert third == 0

    @pytest.mark.slow
    def test_random_views_are_their_seed_s(self, cached, configs):
        random = {"config": configs["random views"]}
        assert cached(**random)[0] == (48, 0, 48)
        assert cached(**random)[0] == (48, 48, 0)
        assert cached("data.views=3", **random)[0] == (60, 48, 12)
        total, known, _ = cached("data.views=3", flags=("--seed", 2), **random)[0]
        assert total == 60
        assert 18 <= known <= 24  # test images, and those drawn for validation again

    @pytest.mark.parametrize(
        "option",
        [
            pytest.param("model.branches.local.stream=value", marks=pytest.mark.slow),
            pytest.param("model.precision=bf16", marks=pytest.mark.slow),
            pytest.param("model.backbone.alias_first_block=False", marks=pytest.mark.slow),
            pytest.param("model.backbone.image_size=48", marks=pytest.mark.slow),
        ],
    )
    def test_another_tower_makes_other_features(self, cached, option):
        cached()
        assert cached(option)[0] == (36, 0, 36)
        assert cached(option)[0] == (36, 36, 0)
        assert cached()[0] == (36, 36, 0)

    def test_other_weights_make_other_features(self, cached, tmp_path):
        cached()
        weights = write_clip_weights(tmp_path / "other.pt", TINY, seed=1)
        assert cached(f"model.backbone.pretrained={weights}")[0] == (36, 0, 36)

    @pytest.mark.slow
    def test_another_transform_makes_other_features(self, cached):
        cached()
        assert cached("data.eval_transform.type=Squash")[0] == (36, 12, 24)

    def test_a_changed_file_is_encoded_anew(self, cached, photos, tmp_path):
        data = tmp_path / "photos"
        shutil.copytree(photos, data)
        cached(data=data)
        for path in sorted(data.rglob("*.png")):
            with Image.open(path) as image:
                image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
            break
        # One image is another; it is in one of the parts.
        assert cached(data=data)[0] == (36, 35, 1)

    @pytest.mark.slow
    def test_names_of_files_do_not_matter(self, cached, photos, tmp_path):
        cached()
        shutil.copytree(photos, tmp_path / "moved")
        assert cached(data=tmp_path / "moved")[0] == (36, 36, 0)


class TestMishaps:
    def test_a_damaged_image_is_named(self, cached, train_tool, configs, photos, tmp_path):
        data = tmp_path / "photos"
        shutil.copytree(photos, data)
        cached(data=data)
        paths = sorted(data.rglob("*.png"))
        paths[0].write_bytes(paths[0].read_bytes()[:200])
        option = f"data.feature_cache={tmp_path / 'cache'}"
        told = train_tool(
            "--cfg-options", option, config=configs["plain"], data=data, work_dir=tmp_path / "new"
        ).told()
        assert "1 of 1 images cannot be read" in told
        assert paths[0].name in told

    @pytest.mark.slow
    def test_a_folder_that_cannot_be_written(self, train_tool, configs, tmp_path):
        assert train_tool(config=configs["plain"], work_dir=tmp_path / "without").status == 0
        (tmp_path / "file").write_text("")
        ended = train_tool(
            "--cfg-options", f"data.feature_cache={tmp_path / 'file'}", config=configs["plain"]
        )
        assert ended.status == 0, ended.err
        assert f"feature cache {tmp_path / 'file'} cannot be written" in ended.out
        assert "data.feature_cache" in ended.out
        assert_same_numbers(tmp_path / "work", tmp_path / "without")  # there was no cache

    @pytest.mark.parametrize("kind", slow_but(("plain",), ("plain", "in memory")))
    def test_a_disk_that_gets_full(self, kind, cached, configs, train_tool, monkeypatch, tmp_path):
        assert train_tool(config=configs[kind], work_dir=tmp_path / "without").status == 0
        writes = iter(range(100))

        def write(*arguments):
            if next(writes) == 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return files.write_bytes(*arguments)

        monkeypatch.setattr(feature_store, "write_bytes", write)
        counts, ended = cached(config=configs[kind])
        assert counts == (36, 0, 30)  # the validation images did not fit, the rest did
        assert ended.out.count("No space left on device") == 1
        exact = kind in EXACT
        assert_same_numbers(tmp_path / "cached", tmp_path / "without", exact)
        assert cached(config=configs[kind])[0] == (36, 30, 6)
        assert_same_numbers(tmp_path / "cached", tmp_path / "without", exact)

    @pytest.mark.slow
    def test_a_cut_off_shard_is_made_anew(self, cached, tmp_path):
        cached(name="first")
        shards = sorted((tmp_path / "cache").rglob("*.safetensors"))
        assert len(shards) == 4
        os.truncate(shards[1], shards[1].stat().st_size // 2)
        with pytest.warns(UserWarning, match="damaged and ignored"):
            (total, known, encoded), _ = cached(name="second")
        assert total == 36 == known + encoded
        assert encoded in (2, 6, 12, 16)
        assert_same_numbers(tmp_path / "first", tmp_path / "second")
        assert cached()[0] == (36, 36, 0)

    @pytest.mark.parametrize("from_end", slow_but((2,), (2, 900)))
    def test_a_shard_with_a_flipped_bit_is_made_anew(self, cached, tmp_path, from_end):
        cached(name="first")
        shard = sorted((tmp_path / "cache").rglob("*.safetensors"))[1]
        content = bytearray(shard.read_bytes())
        content[-from_end] ^= 1 << 6
        shard.write_bytes(content)
        (total, known, encoded), ended = cached(name="second")
        assert total == 36 == known + encoded
        assert encoded in (2, 6, 12, 16)
        assert ended.out.count("does not match its digest") == 1
        assert_same_numbers(tmp_path / "first", tmp_path / "second")
        counts, ended = cached()
        assert counts == (36, 36, 0)
        assert "digest" not in ended.out

    @pytest.mark.slow
    @pytest.mark.parametrize("moment", [(1, "half"), (3, "half"), (3, "whole")])
    def test_killed_while_encoding_and_resumed(self, moment, cached, configs, photos, tmp_path):
        cached(name="unbroken")
        shutil.rmtree(tmp_path / "cache")
        argv = [
            configs["plain"], "--dataset", "folder", "--data-root", photos, "--device", "cpu",
            "--work-dir", tmp_path / "killed", "--cfg-options",
            f"data.feature_cache={tmp_path / 'cache'}",
        ]  # fmt: skip
        run = processes.Process(target=train_killed, args=([str(one) for one in argv], *moment))
        run.start()
        run.join()
        assert run.exitcode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "result.json").exists()
        assert run_tool(main, [*map(str, argv[:7]), "--resume", *map(str, argv[7:])]) == 0
        assert_same_numbers(tmp_path / "killed", tmp_path / "unbroken")


def train_killed(argv, number, how):
    replace, writes = os.replace, iter(range(1, 100))

    def rename(temporary, path):
        last = str(path).endswith(".safetensors") and next(writes) == number
        if last and how == "half":
            os.truncate(temporary, os.path.getsize(temporary) // 2)
        else:
            replace(temporary, path)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    files.os.replace = rename
    run_tool(main, argv)


@pytest.mark.slow
def test_two_runs_at_once(cached, configs, photos, tmp_path, root):
    """Two fresh processes fill one cache; what each made of it is the same."""
    runs = []
    for name in ("one", "two"):
        argv = [
            sys.executable, root / "tools" / "train.py",
            configs["plain"], "--dataset", "folder", "--data-root", photos, "--device", "cpu",
            "--work-dir", tmp_path / name, "--cfg-options",
            f"data.feature_cache={tmp_path / 'cache'}",
        ]  # fmt: skip
        runs.append(
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    encoded = 0
    for run in runs:
        out, _ = run.communicate(timeout=300)
        assert run.returncode == 0, out
        encoded += told(out)[2]
    assert encoded == 36, "an image was encoded twice"
    assert_same_numbers(tmp_path / "one", tmp_path / "two")
    assert cached()[0] == (36, 36, 0)


class TestOption:
    @pytest.mark.parametrize("wrong", ["3", "1.5", "[a]"])
    def test_wrong(self, train_tool, wrong):
        ended = train_tool("--cfg-options", f"data.feature_cache={wrong}")
        assert "expected data.feature_cache to be a folder, True, False or None" in ended.told()

    def test_none(self):
        assert cache_folder(None) is None
        assert cache_folder(False) is None

    def test_true_is_a_folder_of_plp_s_caches(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PLP_CACHE_DIR", str(tmp_path))
        assert cache_folder(True) == tmp_path / "features"
        monkeypatch.delenv("PLP_CACHE_DIR")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert cache_folder(True) == tmp_path / ".cache/plp/features"
        assert cache_folder("~/mine") == tmp_path / "mine"

    def test_a_run_may_be_resumed_with_another(self, cached, configs, photos, tmp_path):
        cached(name="whole")
        shutil.copytree(tmp_path / "whole", tmp_path / "again")
        argv = [configs["plain"], "--dataset", "folder", "--data-root", photos, "--device", "cpu"]
        argv += ["--work-dir", tmp_path / "again", "--resume"]
        assert run_tool(main, [str(one) for one in argv]) == 0
        assert_same_numbers(tmp_path / "again", tmp_path / "whole")
