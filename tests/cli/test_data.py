"""tools/data.py: what it prints and how it ends."""

import subprocess
import sys

import pytest
import torchvision
from image_trees import grow, write_split
from PIL import Image

from plp.cli import data
from plp.cli.options import run_tool
from plp.config.choices import Choices
from plp.datasets import BENCHMARKS, OOD_BENCHMARKS
from plp.datasets.benchmarks import Counts
from plp.engine.setup import set_up
from plp.errors import DataError


@pytest.fixture
def run(capsys):
    def call(*argv):
        try:
            status = run_tool(data.main, [str(one) for one in argv])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return call


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A data root with a small EuroSAT that passes for the published one."""
    facts = BENCHMARKS["eurosat"]
    split = facts.split._replace(digest=None)
    small = facts._replace(classes=2, counts=Counts(4, 2, 2), split=split)
    monkeypatch.setitem(BENCHMARKS, "eurosat", small)
    write_split(tmp_path / "eurosat" / split.file, ("Forest", "River"))
    files = [f"{name}/{i}.jpg" for name in ("Forest", "River") for i in range(4)]
    grow(tmp_path / "eurosat/2750", files)
    return tmp_path


def test_list(run):
    status, out, _ = run("list")
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert status == 0
    assert names == [*BENCHMARKS, *OOD_BENCHMARKS]
    assert "5640" in out.splitlines()[-1]


def test_a_set_that_is_whole(run, root):
    status, out, _ = run("check", "eurosat", "--root", root)
    assert status == 0
    assert out.splitlines()[0] == "eurosat: ok (train 4 of 4, val 2 of 2, test 2 of 2)"
    assert f"  images: {root / 'eurosat/2750'}" in out


def test_a_set_that_is_named_and_wrong_ends_with_status_1(run, root):
    (root / "eurosat/2750/River/3.jpg").unlink()
    status, out, _ = run("check", "eurosat", "--root", root)
    assert status == 1
    assert "eurosat: files missing (train 3 of 4, val 2 of 2, test 2 of 2)" in out
    assert "1 of 8 images are missing" in out
    status, out, _ = run("check", "dtd", "--root", root)
    assert status == 1
    assert "dtd: not found" in out
    assert "expected: 47 classes, train 2820, val 1128, test 1692" in out
    assert "Images: python tools/data.py download dtd --root DIR" in out


def test_all_sets_in_a_table(run, root):
    grow(root / "SUN", ["a.jpg"])
    status, out, _ = run("check", "--root", root)
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["eurosat"].split() == ["eurosat", "ok", "4/2/2", "4/2/2"]
    assert rows["sun"].split()[-2:] == ["1", "10000"]
    assert rows["imagenet"].split() == ["imagenet", "not", "found", "-", "1281167/-/50000"]
    assert rows["imagenet_a"].split()[-2:] == ["-", "-/-/7500"]
    assert len(rows) == len(BENCHMARKS) + len(OOD_BENCHMARKS) + 2


def test_images_are_read_on_demand(run, root):
    victim = root / "eurosat/2750/River/3.jpg"
    victim.unlink()
    victim.write_bytes(b"")
    assert run("check", "eurosat", "--root", root)[0] == 0
    status, out, _ = run("check", "eurosat", "--read", "--root", root)
    assert status == 1
    assert "3.jpg' cannot be read as an image: the file is empty" in out


def test_all_kinds_of_faults_are_told_at_once(run, root):
    for name, write in (("3.jpg", None), ("2.jpg", b"")):
        victim = root / "eurosat/2750/River" / name
        victim.unlink()
        if write is not None:
            victim.write_bytes(write)
    status, out, _ = run("check", "eurosat", "--read", "--root", root)
    assert status == 1
    assert "1 of 8 images are missing" in out
    assert "1 of 7 images cannot be read" in out


def test_a_folder_tells_conflicts_beside_what_cannot_be_read(run, root):
    grow(root / "photos", ["ant/1.jpg", "ant/2.jpg", "bee/3.jpg", "bee/4.jpg"])
    photos = root / "photos"
    for i, path in enumerate(sorted(photos.rglob("*.jpg"))):
        path.unlink()
        Image.new("RGB", (8, 8), (i, 50 * i, 9)).save(path)
    (photos / "bee/3.jpg").write_bytes((photos / "ant/1.jpg").read_bytes())
    (photos / "bee/4.jpg").write_bytes(b"")
    status, out, _ = run("check", "folder", "--read", "--root", photos)
    assert status == 1
    assert "1 of 4 images cannot be read" in out
    assert "training refuses an image in two classes" in out
    with pytest.raises(DataError) as error:
        set_up("coop", Choices(dataset="folder", data_root=str(photos), shots=1), "cpu")
    assert "Expected one class for each image" in str(error.value)
    assert "images cannot be read" in str(error.value)


def test_a_root_of_nothing(run, tmp_path):
    status, out, _ = run("check", "eurosat", "--root", tmp_path / "nowhere")
    assert status == 1
    assert "no such folder" in out
    status, _, err = run("check", "--root", tmp_path / "nowhere")
    assert status == 2
    assert "no such folder" in err


def test_a_root_that_is_too_high_or_too_low_is_told_in_the_table(run, root):
    data = root / "top/data"
    data.mkdir(parents=True)
    (root / "eurosat").rename(data / "eurosat")
    for wrong in (data.parent, data / "eurosat"):
        status, out, _ = run("check", "--root", wrong)
        assert status == 1
        assert f"Under another root, --root {data}: eurosat" in out


def test_download(run, tmp_path, monkeypatch):
    def fetch(folder, download):
        grow(tmp_path / ".download_dtd", ["dtd/dtd/images/banded/1.jpg"])

    monkeypatch.setattr(torchvision.datasets, "DTD", fetch)
    status, out, _ = run("download", "dtd", "--root", tmp_path)
    assert status == 0
    assert out.splitlines()[0] == f"dtd: images in {tmp_path / 'dtd'}"
    assert "terms of use: research" in out
    assert "still needed: split_zhou_DescribableTextures.json into" in out


def test_what_cannot_be_downloaded_keeps_nothing_from_the_rest(run, tmp_path, monkeypatch):
    def fetch(folder, download):
        grow(tmp_path / ".download_dtd", ["dtd/dtd/images/banded/1.jpg"])

    monkeypatch.setattr(torchvision.datasets, "DTD", fetch)
    status, out, err = run("download", "imagenet", "dtd", "stanford_cars", "--root", tmp_path)
    assert status == 2
    assert "dtd: images in" in out
    assert err.startswith("error: imagenet cannot be downloaded by plp: it needs an account")
    assert "stanford_cars cannot be downloaded by plp: the authors' page and its links" in err


@pytest.mark.parametrize("command", ["check", "download"])
def test_an_unknown_name(run, tmp_path, command):
    status, _, err = run(command, "eurosatt", "--root", tmp_path)
    assert status == 2
    assert "expected a dataset among caltech101" in err


@pytest.mark.slow
def test_the_tool_itself(request, root):
    file = request.config.rootpath / "tools/data.py"
    tool = [sys.executable, str(file), "check", "sun", "--root", str(root)]
    ended = subprocess.run(tool, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert ended.stdout.startswith("sun: not found")
    assert ended.stderr == ""
