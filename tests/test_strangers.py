"""Names of strangers: nothing in them reaches a terminal, a formula, or another folder."""

import csv
import io
import json
import logging
import os
import sys

import pytest

from plp.cli.options import run_tool
from plp.datasets import Coop
from plp.datasets.base import Item, Splits, check_splits
from plp.datasets.folder import Folder
from plp.errors import DataError
from plp.printable import PlainFormatter, printable
from plp.results.csv_text import to_csv

CONTROLS = "a\x1b[31mred\x9b0m\x07\x7f\r\u202eb"


def test_no_control_character_reaches_the_terminal(capsys):
    def tool(_):
        print(f"a name: {CONTROLS}\n\tnext line")
        logging.getLogger("plp").warning("a log line: %s", CONTROLS)
        print(CONTROLS, file=sys.stderr)
        raise DataError(f"no such folder: {CONTROLS}")

    before = sys.stdout, sys.stderr
    assert run_tool(tool, []) == 2
    assert (sys.stdout, sys.stderr) == before
    shown = capsys.readouterr()
    assert "a name: a\\u001b[31mred\\u009b0m\\u0007\\u007f\\u000d\\u202eb\n\tnext line" in shown.out
    for text in (shown.out, shown.err):
        assert not set(text) & set("\x1b\x9b\x07\x7f\r\u202e")
    assert "error: no such folder: a\\u001b" in shown.err


def test_a_log_file_has_none_either():
    record = logging.LogRecord("plp", 20, "x.py", 1, "%s", (CONTROLS,), None)
    assert PlainFormatter("%(message)s").format(record).startswith("a\\u001b[31mred\\u009b")


def test_names_are_shown_in_one_line():
    assert printable(CONTROLS + "\n") == "a\\x1b[31mred\\x9b0m\\x07\\x7f\\r\\u202eb\\n"
    for plain in ("ürgüp", "日本語", "नमस्ते", "👩‍👩‍👧", "a b", "C:\\x"):
        assert printable(plain) == plain


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_csv_is_a_formula(sign):
    text = to_csv(("name", f"{sign}head"), [(f"{sign}cmd|' /C calc'!A0", -0.5), (f"{sign}1", "x")])
    rows = list(csv.reader(io.StringIO(text)))
    assert not rows[0][1].startswith(sign)
    assert not rows[1][0].startswith(sign)
    assert rows[1][1] == "-0.5"
    assert rows[2][0] in (f"{sign}1", printable(f"{sign}1"), f"'{printable(sign)}1")


def test_numbers_in_csv_stay_numbers():
    text = to_csv(("a",), [(-0.5,), ("-0.5",), ("+1e-05",), ("-inf",), (-3,)])
    assert text.splitlines() == ["a", "-0.5", "-0.5", "+1e-05", "-inf", "-3"]


def split_file(folder, first):
    """A dataset in CoOp's layout whose first training image is the given one."""
    (folder / "images").mkdir(parents=True)
    for name in ("a", "b", "c", "d"):
        (folder / "images" / f"{name}.png").touch()
    (folder / "outside.png").touch()
    rows = {"train": [[first, 0, "ant"], ["b.png", 1, "bee"]],
            "test": [["c.png", 0, "ant"], ["d.png", 1, "bee"]]}  # fmt: skip
    (folder / "split_x.json").write_text(json.dumps(rows))
    return folder


@pytest.mark.parametrize("path", ["/etc/hostname", "../outside.png", "x/../../outside.png", ".."])
def test_a_split_file_stays_in_the_image_folder(tmp_path, path):
    root = split_file(tmp_path / "set", path)
    with pytest.raises(DataError, match=r"split_x.json, train\[0\].*allow_outside=True") as refused:
        Coop(root, image_dir="images").splits()
    assert repr(path) in str(refused.value)
    found = Coop(root, image_dir="images", allow_outside=True).splits()
    assert found.train[0].path == path


@pytest.mark.parametrize("path", ["a.png", "./a.png", "x/../a.png", "a..png"])
def test_what_stays_inside_is_taken(tmp_path, path):
    assert Coop(split_file(tmp_path / "set", path), image_dir="images").splits().train


@pytest.mark.parametrize("path", ["\udce9.png", "a\x00.png", "a\x1b.png"])
def test_paths_that_are_no_text_are_refused(tmp_path, path):
    with pytest.raises(DataError, match=r"train\[0\].*(not valid UTF-8|control character)"):
        Coop(split_file(tmp_path / "set", path), image_dir="images").splits()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("caf\udce9", r"caf\\udce9', is not valid UTF-8"),
        ("a\x1b[2J", r"a\\x1b\[2J', has a control character"),
    ],
)
def test_class_names_that_are_no_text_are_refused(name, why, tmp_path):
    one = (Item("a.png", 0), Item("b.png", 1))
    with pytest.raises(DataError, match=f"class 0 in .*{why}.*Rename"):
        check_splits(Splits(one, (), one, (name, "dog"), "pets", tmp_path))


def test_a_class_folder_that_is_not_utf8(tmp_path):
    for folder in (b"caf\xe9", b"bar"):
        place = bytes(tmp_path) + b"/" + folder
        os.mkdir(place)
        for name in (b"/1.png", b"/2.png"):
            open(place + name, "wb").close()
    with pytest.raises(DataError, match=r"'caf\\udce9', is not valid UTF-8"):
        Folder(tmp_path).splits()
