"""Paths that are not what a command expects, each kind made by a function of its own.

A kind is named by what is wrong, and made for a good file or folder, whose suffix it keeps: so the
reader that a suffix chooses is the one that meets it.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

GIGABYTES = 5 * 2**30
ODD_NAMES = {  # of files and folders that are not there, or are fine
    "space": "a name  with spaces",
    "unicode": "naïve 日本 Ωмега",
    "emoji": "🦋🔥",
    "newline": "two\nlines",
    "percent": "100%s %d %(x)s",
    "braces": "{name} {0} {",
    "quotes": 'it\'s "quoted" `x`',
    "hash": "#tag;rm -rf $HOME",
    "escape": "\x1b[31mred",
    "bytes": os.fsdecode(b"caf\xe9"),
    "dash": "-x",
}


class BadPath(NamedTuple):
    """A path as a user would type it.

    Attributes:
        text: The path.
        forbidden: Whether permission bits make it bad, which do not bind root.
    """

    text: str
    forbidden: bool = False


Maker = Callable[[Path, Path], BadPath]  # of an empty folder and a good file or folder


def _missing(folder: Path, good: Path) -> BadPath:
    return BadPath(str(folder / f"missing{good.suffix}"))


def _empty_text(folder: Path, good: Path) -> BadPath:
    return BadPath("")


def _folder(folder: Path, good: Path) -> BadPath:
    path = folder / f"folder{good.suffix}"
    path.mkdir()
    return BadPath(str(path))


def _zero_byte(folder: Path, good: Path) -> BadPath:
    return _written(folder / f"zero{good.suffix}", b"")


def _truncated(folder: Path, good: Path) -> BadPath:
    content = good.read_bytes()
    return _written(folder / f"cut{good.suffix}", content[: max(len(content) // 2, 1)])


def _random_bytes(folder: Path, good: Path) -> BadPath:
    return _written(folder / f"noise{good.suffix}", random.Random(1).randbytes(4096))


def _text(folder: Path, good: Path) -> BadPath:
    return _written(folder / f"text{good.suffix}", b"This is a letter to a friend, no data.\n")


def _utf_16(folder: Path, good: Path) -> BadPath:
    return _written(folder / f"utf16{good.suffix}", "was für Daten\n".encode("utf-16"))


def _huge(folder: Path, good: Path) -> BadPath:
    path = folder / f"huge{good.suffix}"
    with open(path, "wb") as file:
        file.truncate(GIGABYTES)  # takes no room on disk
    return BadPath(str(path))


def _broken_link(folder: Path, good: Path) -> BadPath:
    path = folder / f"link{good.suffix}"
    path.symlink_to(folder / "gone")
    return BadPath(str(path))


def _link_loop(folder: Path, good: Path) -> BadPath:
    path, other = folder / f"loop{good.suffix}", folder / "back"
    path.symlink_to(other)
    other.symlink_to(path)
    return BadPath(str(path))


def _pipe(folder: Path, good: Path) -> BadPath:
    path = folder / f"pipe{good.suffix}"
    os.mkfifo(path)
    return BadPath(str(path))


def _below_a_file(folder: Path, good: Path) -> BadPath:
    file = folder / "file"
    file.write_bytes(b"x")
    return BadPath(str(file / f"inner{good.suffix}"))


def _long_name(folder: Path, good: Path) -> BadPath:
    return BadPath(str(folder / ("n" * 300 + good.suffix)))


def _long_path(folder: Path, good: Path) -> BadPath:
    return BadPath(str(folder / "/".join(["n" * 100] * 60)) + good.suffix)


def _unreadable(folder: Path, good: Path) -> BadPath:
    path = Path(_written(folder / f"secret{good.suffix}", b"secret").text)
    path.chmod(0)
    return BadPath(str(path), forbidden=True)


def _unreadable_folder(folder: Path, good: Path) -> BadPath:
    path = folder / "secret"
    path.mkdir()
    (path / "ant").mkdir()
    path.chmod(0)
    return BadPath(str(path), forbidden=True)


def _within_unreadable(folder: Path, good: Path) -> BadPath:
    inner = f"{_unreadable_folder(folder, good).text}/inner{good.suffix}"
    return BadPath(inner, forbidden=True)


def _file(folder: Path, good: Path) -> BadPath:
    return _written(folder / "file", b"x")


def _empty_folder(folder: Path, good: Path) -> BadPath:
    path = folder / "empty"
    path.mkdir()
    return BadPath(str(path))


def _folder_of_empty_folders(folder: Path, good: Path) -> BadPath:
    path = folder / "hollow"
    for name in ("ant", "bee"):
        (path / name).mkdir(parents=True)
    return BadPath(str(path))


def _read_only(folder: Path, good: Path) -> BadPath:
    path = folder / "locked"
    path.mkdir()
    path.chmod(0o555)
    inner = path / f"new{good.suffix}" if good.suffix else path
    return BadPath(str(inner), forbidden=True)


def _below_read_only(folder: Path, good: Path) -> BadPath:
    inner = Path(_read_only(folder, Path("x")).text) / "deep" / "deeper"
    return BadPath(str(inner / f"new{good.suffix}" if good.suffix else inner), forbidden=True)


def _device(folder: Path, good: Path) -> BadPath:
    return BadPath("/dev/zero")


def _odd(name: str) -> Maker:
    def make(folder: Path, good: Path) -> BadPath:
        return BadPath(str(folder / (name + good.suffix)))

    return make


def _written(path: Path, content: bytes) -> BadPath:
    path.write_bytes(content)
    return BadPath(str(path))


_ODD = {f"odd_{kind}": _odd(name) for kind, name in ODD_NAMES.items()}
_NOWHERE: dict[str, Maker] = {
    "missing": _missing, "empty_text": _empty_text, "broken_link": _broken_link,
    "link_loop": _link_loop, "below_a_file": _below_a_file, "long_name": _long_name,
    "long_path": _long_path, "within_unreadable": _within_unreadable,
}  # fmt: skip
# What is read as a file.
FILES: dict[str, Maker] = {
    **_NOWHERE, "folder": _folder, "zero_byte": _zero_byte, "truncated": _truncated,
    "random_bytes": _random_bytes, "text": _text, "utf_16": _utf_16, "huge": _huge,
    "pipe": _pipe, "unreadable": _unreadable, "device": _device, **_ODD,
}  # fmt: skip
# What is read as a folder.
FOLDERS: dict[str, Maker] = {
    **_NOWHERE, "file": _file, "empty_folder": _empty_folder, "pipe": _pipe,
    "hollow": _folder_of_empty_folders, "unreadable": _unreadable_folder, "device": _device,
    **_ODD,
}  # fmt: skip
# Where a file or a folder is to be written.
_NOT_WRITABLE: dict[str, Maker] = {
    name: _NOWHERE[name]
    for name in ("empty_text", "link_loop", "below_a_file", "long_name", "long_path",
                 "within_unreadable")
} | {"read_only": _read_only, "below_read_only": _below_read_only, "device": _device,
     "pipe": _pipe}  # fmt: skip
FILE_TARGETS: dict[str, Maker] = {**_NOT_WRITABLE, "folder": _folder}
FOLDER_TARGETS: dict[str, Maker] = {**_NOT_WRITABLE, "file": _file}
