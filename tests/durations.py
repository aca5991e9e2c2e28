"""How long each test took: a file beside pytest's cache, and two lines at the end; never a failure.

`.pytest_cache/d/plp/durations.json` holds the seconds of the last run of each test, setup and
teardown with it, longest first. A fixture counts for the test that asked for it first.
"""

import contextlib
import json
import os
from pathlib import Path

import pytest

LONG = 5.0  # seconds that a test of the default run should stay below
SHOWN = 10


class Durations:
    """Sums the phases of each test; under pytest-xdist the main process hears of all of them."""

    def __init__(self, cache: pytest.Cache | None) -> None:
        self.cache = cache
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase of a test."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the file, and say what was long."""
        if not self.seconds:
            return
        long = [one for one in _sorted(self.seconds).items() if one[1] > LONG]
        say = terminalreporter.write_line
        say(f"tests: {sum(self.seconds.values()):.0f} s in all, {len(long)} took over {LONG:g} s")
        for name, seconds in long[:SHOWN]:
            say(f"  {seconds:6.1f} s  {name}")
        if self.cache is not None:
            with contextlib.suppress(OSError):  # a read-only tree is no reason to fail
                path = self.cache.mkdir("plp") / "durations.json"
                self._write(path)
                say(f"all durations: {os.path.relpath(path)}")

    def _write(self, path: Path) -> None:
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        known |= {name: round(seconds, 3) for name, seconds in self.seconds.items()}
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(_sorted(known), indent=0), encoding="utf-8")
        temporary.replace(path)


def _sorted(seconds: dict[str, float]) -> dict[str, float]:
    return dict(sorted(seconds.items(), key=lambda one: -one[1]))
