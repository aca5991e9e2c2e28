"""Every path of every command, given every kind of bad path: see the rules in `told`."""

import pytest
from bad_slots import SLOTS, Slot
from told import check_nothing_written, check_told, look, run

from plp.cli import main as door

PATHLESS = ("list",)  # commands that take no path
CASES = [(slot, kind) for slot in SLOTS for kind in slot.kinds if kind not in slot.fine]
FINE = [(slot, kind) for slot in SLOTS for kind in slot.fine]


def spread(cases):
    """Mark all but a part of the cases slow: of each command, every fifth kind, once.

    A kind is given to each command; of further arguments of that command, to every other one.
    """
    seen, found = set(), []
    for number, (slot, kind) in enumerate(cases):
        new = (slot.command, kind) not in seen
        first = new and len(seen) % 5 == 0
        seen.add((slot.command, kind))
        if not new and number % 2:
            continue
        name = f"{slot.command} {slot.argument}: {kind}"
        marks = () if first else pytest.mark.slow
        found.append(pytest.param(slot, kind, id=name, marks=marks))
    return found


def test_every_command_with_paths_is_here():
    assert {slot.command for slot in SLOTS} | set(PATHLESS) == set(door.COMMANDS)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("slot", "kind"), spread(CASES))
def test_bad_path(slot: Slot, kind, world, place, capsys):
    inputs = place / "inputs"
    inputs.mkdir()
    inputs.chmod(0o777)
    bad = slot.kinds[kind](inputs, slot.good(world))
    before = look(world.base)
    ended = run(slot.command, slot.argv(world, bad.text), capsys, bad.forbidden)
    check_told(ended, [bad.text] if bad.text else [], slot.users_code, slot.status)
    check_nothing_written(before, look(world.base))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("slot", "kind"), spread(FINE))
def test_path_that_is_no_mistake(slot: Slot, kind, world, place, capsys):
    inputs = place / "inputs"
    inputs.mkdir()
    path = slot.kinds[kind](inputs, slot.good(world))
    ended = run(slot.command, slot.argv(world, path.text), capsys, path.forbidden)
    assert ended.status == slot.fine_status, ended
