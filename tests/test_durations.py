"""How long tests took is written and said, and fails nothing."""

import json
from types import SimpleNamespace

import pytest
from durations import LONG, Durations
from workers import FEW_FILES, workers_for


class Screen(list):
    """As much of pytest's reporter as is written to."""

    def write_line(self, line):
        self.append(line)


@pytest.fixture
def session(tmp_path):
    """Report phases of tests; return what was said."""

    whole = SimpleNamespace(mkdir=lambda _: tmp_path)

    def run(phases, cache=whole):
        found, screen = Durations(cache), Screen()
        for name, seconds in phases:
            found.pytest_runtest_logreport(SimpleNamespace(nodeid=name, duration=seconds))
        found.pytest_terminal_summary(screen)
        return screen

    run.file = tmp_path / "durations.json"
    return run


def test_phases_are_summed_and_long_tests_named(session):
    said = session([("a", 1.0), ("a", LONG), ("b", 0.5), ("a", 0.25), ("c", LONG)])
    assert said[0] == "tests: 12 s in all, 1 took over 5 s"
    assert said[1].split() == ["6.2", "s", "a"]
    assert list(json.loads(session.file.read_text()).items()) == [
        ("a", 6.25),
        ("c", 5.0),
        ("b", 0.5),
    ]


def test_the_file_keeps_what_was_not_run(session):
    session([("a", 1.0), ("b", 2.0)])
    session([("a", 3.0)])
    assert json.loads(session.file.read_text()) == {"a": 3.0, "b": 2.0}
    session.file.write_text("{")
    session([("a", 1.0)])
    assert json.loads(session.file.read_text()) == {"a": 1.0}


def test_nothing_fails_where_nothing_can_be_written(session, tmp_path):
    def refuse(_):
        raise PermissionError

    nowhere = SimpleNamespace(mkdir=lambda _: tmp_path / "no folder")
    for cache in (None, nowhere, SimpleNamespace(mkdir=refuse)):
        assert session([("a", 1.0)], cache) == ["tests: 1 s in all, 0 took over 5 s"]
    assert session([]) == []


@pytest.mark.parametrize(
    ("arguments", "alone"),
    [
        (["tests/test_guide.py"], True),
        (["tests/test_guide.py::test_x"] * FEW_FILES, True),
        (["tests/test_guide.py"] * (FEW_FILES + 1), False),
        (["tests/engine"], False),
        (["tests", "plp"], False),
    ],
)
def test_a_few_files_are_tested_by_one_process(monkeypatch, arguments, alone):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64))
    assert workers_for(arguments) == (0 if alone else 4)
