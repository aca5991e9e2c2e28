"""Near and far out-of-distribution sets by a file."""

import pytest

from plp.cli.ood import by_name
from plp.errors import ConfigError, DataError
from plp.ood.file import expand_ood, read_ood_file


@pytest.fixture
def data(tmp_path):
    """A data root of empty folders."""
    for name in ("imagenette", "imagewoof", "dtd", "oxford_flowers"):
        (tmp_path / "data" / name).mkdir(parents=True)
    return tmp_path / "data"


def write(tmp_path, text):
    path = tmp_path / "sets.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("inner", ["", "imagenette"])
def test_the_sets_of_the_results_page(root, data, inner):
    """Under the data root, or beside it where it is the dataset's own folder."""
    found = read_ood_file(root / "configs/_base_/ood/imagenette.py", data / inner)
    assert found.near == ("imagewoof",)
    assert by_name(found.sets) == {
        "imagewoof": str(data / "imagewoof"),
        "dtd": str(data / "dtd"),
        "flowers": str(data / "oxford_flowers"),
    }


def test_the_usual_four_of_imagenet(root, tmp_path):
    folders = {"inaturalist": "iNaturalist", "sun": "SUN", "places": "ood_data/Places",
               "textures": "dtd/images"}  # fmt: skip
    for folder in folders.values():
        (tmp_path / folder).mkdir(parents=True)
    found = read_ood_file(root / "configs/_base_/ood/imagenet.py", tmp_path)
    assert found.near == ()
    named = by_name(found.sets, str(tmp_path))
    assert named == {name: str(tmp_path / folder) for name, folder in folders.items()}


def test_files_and_sets_side_by_side(data, tmp_path, monkeypatch):
    file = write(tmp_path, "ood = dict(near=dict(dogs='imagewoof'))")
    found = expand_ood(["a=b.py", str(file), "sun"], ["a"], data)
    assert found.sets == ("a=b.py", f"dogs={data / 'imagewoof'}", "sun")
    assert found.near == ("a", "dogs")
    monkeypatch.chdir(data)
    assert read_ood_file(file).sets == ("dogs=imagewoof",), "without a root: the current folder"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"expected ood = dict\(near=.*got ood = None"),
        ("ood = dict()", "got ood = {}"),
        ("ood = dict(mid=dict(dtd='dtd'))", r"expected ood = .*'mid'"),
        ("ood = dict(far=['dtd'])", r"expected ood = .*\['dtd'\]"),
        ("ood = dict(far=dict(dtd=3))", "expected a folder for 'dtd', or None for one of inat.*3"),
        ("ood = dict(far=dict(dtd=None))", "expected a folder for 'dtd', .*got None"),
        ("ood = dict(", "sets.py cannot be read as a config: SyntaxError"),
    ],
)
def test_files_that_are_none(data, tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_ood_file(write(tmp_path, text), data)


def test_what_is_not_there(data, tmp_path):
    file = write(tmp_path, "ood = dict(far=dict(birds='birds'))")
    with pytest.raises(DataError, match=r"birds is not there: tried '.*data/birds', '.*/birds', "):
        read_ood_file(file, data)
    with pytest.raises(ConfigError, match=r"--ood: no file 'none.py'. Expected one with ood = "):
        expand_ood(["none.py"], (), data)
