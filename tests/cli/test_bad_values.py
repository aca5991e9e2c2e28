"""Flags with values that are none, for every command: see the rules in `told`."""

import pytest
from bad_values import COMMANDS, VALUES, Value
from told import check_nothing_written, check_told, look, run

from plp.cli import main as door


def quick(number: int) -> tuple[pytest.MarkDecorator, ...]:
    """Every sixth case runs by default."""
    return () if number % 6 == 0 else (pytest.mark.slow,)


def test_every_command_is_here():
    assert {value.command for value in VALUES} == set(door.COMMANDS) == set(COMMANDS)


@pytest.mark.parametrize(
    "value",
    [pytest.param(one, id=f"{one.command}: {one.label}", marks=quick(number))
     for number, one in enumerate(VALUES)],
)  # fmt: skip
def test_bad_value(value: Value, world, place, capsys):
    before = look(world.base)
    ended = run(value.command, value.argv(world), capsys)
    check_told(ended, [] if value.needle == "usage" else [value.needle])
    check_nothing_written(before, look(world.base))
