"""Downloads: torchvision fetches, plp arranges; nothing half-made, nothing written over."""

import shutil
import tarfile
import urllib.error
import zipfile
from pathlib import Path

import pytest
import torchvision
from image_trees import grow

from plp.datasets import BENCHMARKS
from plp.datasets.download import download
from plp.errors import DataError, UnknownComponentError

FETCHED = {name: one.fetched for name, one in BENCHMARKS.items() if one.fetched}


@pytest.fixture
def fake(monkeypatch):
    """Replace a class of torchvision by one that writes files below its root."""

    def install(name, *paths, error=None):
        asked = []

        def fetch(root, download):
            asked.append((root, download))
            grow(Path(root), paths)
            if error is not None:
                raise error

        monkeypatch.setattr(torchvision.datasets, FETCHED[name].type, fetch)
        return asked

    return install


def tree(root):
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", FETCHED)
def test_arranged_as_coop_has_it(name, fake, tmp_path):
    facts = BENCHMARKS[name]
    inner = FETCHED[name].folder
    asked = fake(name, f"{inner}/{facts.images}/a/1.jpg", f"{inner}/list.txt", f"{inner}/x.tar.gz")
    done = download(name, tmp_path)
    assert asked == [(str(tmp_path / f".download_{name}"), True)]
    assert done.folder == tmp_path / facts.folder
    assert tree(tmp_path) == [f"{facts.folder}/{facts.images}/a/1.jpg", f"{facts.folder}/list.txt"]
    assert ("drive.google.com" in done.missing) == (facts.split is not None)


def test_what_the_user_has_stays(fake, tmp_path):
    fake("dtd", "dtd/dtd/images/a.jpg", "dtd/dtd/labels/new.txt", "dtd/dtd/imdb/i.mat")
    own = grow(tmp_path / "dtd", ["labels/mine.txt", "split_zhou_DescribableTextures.json"])
    done = download("dtd", tmp_path)
    assert done.entries == ("imdb", "images")
    assert done.missing == ""
    assert tree(own) == [
        "images/a.jpg", "imdb/i.mat", "labels/mine.txt", "split_zhou_DescribableTextures.json",
    ]  # fmt: skip


def test_images_are_never_written_over(fake, tmp_path):
    asked = fake("dtd", "dtd/dtd/images/a.jpg")
    grow(tmp_path / "dtd/images", ["mine.jpg"])
    with pytest.raises(DataError, match=r"images' is there already.*data.py check dtd"):
        download("dtd", tmp_path)
    assert asked == []
    assert tree(tmp_path) == ["dtd/images/mine.jpg"]


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("Name or service not known"),
        RuntimeError("File not found or corrupted."),
        EOFError("Compressed file ended before the end-of-stream marker was reached"),
    ],
)
def test_a_download_that_fails_leaves_nothing(error, fake, tmp_path):
    fake("eurosat", "eurosat/2750/Forest/1.jpg", error=error)
    with pytest.raises(DataError, match=r"eurosat could not be downloaded: .*Nothing was changed"):
        download("eurosat", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(fake, tmp_path):
    fake("eurosat", "eurosat/2750/Forest/1.jpg", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        download("eurosat", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_download_is_running(fake, tmp_path):
    fake("eurosat", "eurosat/2750/Forest/1.jpg")
    (tmp_path / ".download_eurosat").mkdir()
    with pytest.raises(DataError, match=r"another download of eurosat is running, or one was"):
        download("eurosat", tmp_path)
    assert (tmp_path / ".download_eurosat").is_dir()


def test_a_layout_that_torchvision_changed(fake, tmp_path):
    fake("eurosat", "EuroSAT_RGB/Forest/1.jpg")
    with pytest.raises(DataError, match=r"torchvision left no 2750/ in what it fetched"):
        download("eurosat", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagenet", "it needs an account"),
        ("stanford_cars", "links are dead"),
        ("ucf101", "UCF-101-midframes.zip"),
        ("imagenet_r", "imagenet-r.tar"),
        ("inaturalist", "iNaturalist.tar.gz"),
    ],
)
def test_what_torchvision_cannot_get(name, message, tmp_path):
    with pytest.raises(DataError, match=f"{name} cannot be downloaded by plp: .*{message}"):
        download(name, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_unknown_name(tmp_path):
    with pytest.raises(UnknownComponentError, match="expected a dataset among caltech101"):
        download("cifar10", tmp_path)


# ------------------------------------------------- torchvision's own classes, archives at hand


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """Let torchvision find archives of this test's making wherever it looks on the network."""
    shelf = tmp_path / "archives"
    shelf.mkdir()

    def put(name, *paths):
        inside = grow(tmp_path / "inside" / name, paths)
        if name.endswith(".zip"):
            with zipfile.ZipFile(shelf / name, "w") as file:
                for path in paths:
                    file.write(inside / path, path)
        else:
            with tarfile.open(shelf / name, "w:gz") as file:
                for path in paths:
                    file.add(inside / path, path)

    def fetch(url, root, filename=None, md5=None, max_redirect_hops=3):
        name = filename or Path(url).name
        Path(root).mkdir(parents=True, exist_ok=True)
        shutil.copy(shelf / name, Path(root) / name)

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", fetch)
    return put


def test_eurosat_by_torchvision(archives, tmp_path):
    archives("EuroSAT.zip", "2750/Forest/Forest_1.jpg", "2750/River/River_1.jpg")
    download("eurosat", tmp_path / "data")
    assert tree(tmp_path / "data") == [
        "eurosat/2750/Forest/Forest_1.jpg", "eurosat/2750/River/River_1.jpg",
    ]  # fmt: skip


def test_dtd_by_torchvision(archives, tmp_path, monkeypatch):
    archives("dtd-r1.0.1.tar.gz", "dtd/images/banded/b_1.jpg", "dtd/labels/train1.txt")
    monkeypatch.setattr(torchvision.datasets.DTD, "__init__", _download_only)
    download("dtd", tmp_path / "data")
    assert tree(tmp_path / "data") == ["dtd/images/banded/b_1.jpg", "dtd/labels/train1.txt"]


def _download_only(self, root, download):
    """DTD's own download, without a look at its lists."""
    self.root = root
    self._base_folder = Path(root) / "dtd"
    self._data_folder = self._base_folder / "dtd"
    self._download()


def test_no_network(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torchvision.datasets.utils.urllib.request, "urlopen", refuse)
    with pytest.raises(DataError, match=r"downloaded: .*not known.*phelber.*eurosat/2750/"):
        download("eurosat", tmp_path)
    assert list(tmp_path.iterdir()) == []


def _member(name, **attributes):
    member = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("../../escaped.txt"),
        _member("dtd/images/link", type=tarfile.SYMTYPE, linkname="/etc"),
        _member("dtd/images/up", type=tarfile.SYMTYPE, linkname="../../../.."),
        _member("dtd/images/hard", type=tarfile.LNKTYPE, linkname="/etc/hostname"),
        _member("dtd/images/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    ],
    ids=lambda member: member.name,
)
def test_an_archive_unpacks_into_its_folder_only(member, archives, tmp_path, monkeypatch):
    archives("dtd-r1.0.1.tar.gz", "dtd/images/banded/b_1.jpg")
    with tarfile.open(tmp_path / "archives" / "dtd-r1.0.1.tar.gz", "w:gz") as file:
        file.addfile(member)
    monkeypatch.setattr(torchvision.datasets.DTD, "__init__", _download_only)
    before = tarfile.TarFile.__dict__.get("extraction_filter")
    with pytest.raises(DataError, match=r"dtd could not be downloaded: .*Nothing was changed"):
        download("dtd", tmp_path / "data")
    assert tarfile.TarFile.__dict__.get("extraction_filter") is before
    assert list((tmp_path / "data").iterdir()) == []
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_python_without_the_filter_is_refused(archives, tmp_path, monkeypatch):
    archives("dtd-r1.0.1.tar.gz", "dtd/images/banded/b_1.jpg")
    monkeypatch.setattr(torchvision.datasets.DTD, "__init__", _download_only)
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(DataError, match=r"Expected 3\.10\.12, 3\.11\.4"):
        download("dtd", tmp_path / "data")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b" + b"x" * 50])
def test_a_damaged_archive(content, archives, tmp_path, monkeypatch):
    archives("dtd-r1.0.1.tar.gz", "dtd/images/banded/b_1.jpg")
    (tmp_path / "archives" / "dtd-r1.0.1.tar.gz").write_bytes(content)
    monkeypatch.setattr(torchvision.datasets.DTD, "__init__", _download_only)
    with pytest.raises(DataError, match="dtd could not be downloaded: "):
        download("dtd", tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
