"""No room for the first, the second, ... file of every command: told, and nothing half written."""

import re

import pytest
from bad_disks import WRITERS, check_whole, full_disk, largest_file
from told import check_told, look, run

MOST = {"train": 6, "train with a report": 6, "collect": 8, "ood": 6, "compare": 8,
        "visualize": 4}  # fmt: skip
CASES = [(name, room) for name in WRITERS for room in range(MOST.get(name, 1))]
QUICK = ("train", "test", "predict", "collect")
_FULL = re.compile("disk is full|would be larger|cannot be written")


def check_ended(ended, name, said):
    """A comparison records what failed and ends with status 1; a report or a figure may lack."""
    text = ended.out + ended.err
    assert "Traceback" not in text, text
    if ended.status == 2:
        check_told(ended, users_code=name == "compare")
    assert ended.status in (0, 1, 2), text
    assert said.search(text), text


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "room"),
    [pytest.param(name, room, id=f"{name}: room for {room}",
                  marks=() if room == 0 and name in QUICK else pytest.mark.slow)
     for name, room in CASES],
)  # fmt: skip
def test_full_disk(name, room, world, place, capsys, monkeypatch):
    command, argv = WRITERS[name]
    before = look(world.base)
    with full_disk(monkeypatch, room) as refused:
        ended = run(command, argv(world), capsys)
    if not refused:  # it writes fewer files than that
        assert ended.status == 0, ended
        return
    check_ended(ended, name, _FULL)
    check_whole(place)
    after = look(world.base)
    assert all(after.get(path) == entry for path, entry in before.items())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [0, 3000, 20000])
@pytest.mark.parametrize("name", [
    pytest.param(one, marks=() if one == "predict" else pytest.mark.slow)
    for one in WRITERS
])  # fmt: skip
def test_a_limit_on_files(name, size, world, place, capsys):
    if name == "export" and size != 3000:
        pytest.skip("one export takes as long as twenty runs")
    command, argv = WRITERS[name]
    with largest_file(size):
        ended = run(command, argv(world), capsys)
    if ended.status:
        check_ended(ended, name, _FULL)
    check_whole(place)


def test_a_disk_with_room_is_none_of_this(world, place, capsys):
    command, argv = WRITERS["predict"]
    assert run(command, argv(world), capsys).status == 0
    assert (place / "new" / "p.csv").read_text().count("\n") == 19
    check_whole(place)
