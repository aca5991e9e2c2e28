"""An interrupt that falls into a callback, or into an import that swallows it, still stops plp."""

import os
import signal
import sys
import time
import weakref

import pytest

from plp.cli.interrupts import heeded_interrupts, kept_interrupts


class Thing:
    """Something that a weak reference may point at."""


def press(_=None):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # Python looks for signals between instructions
        pass


def wait(seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


def swallow():
    try:
        press()
    except BaseException:
        return


def disguise():
    try:
        press()
    except KeyboardInterrupt:
        raise ImportError("no such backend") from None


@pytest.fixture(autouse=True)
def usual_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@kept_interrupts()
def press_in_a_callback():
    thing = Thing()
    kept = weakref.ref(thing, press)
    del thing
    wait()
    return kept


@kept_interrupts()
def press_in_a_finaliser():
    Closing()
    wait()


class Closing:
    """Pressed at while it is taken apart."""

    def __del__(self):
        press()


@pytest.mark.parametrize("pressed", [press_in_a_callback, press_in_a_finaliser])
def test_an_interrupt_that_python_drops_is_raised_again(pressed):
    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt):
        pressed()
    assert sys.unraisablehook is hook


def test_other_dropped_errors_are_told_as_before(capsys, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Failing:
        def __del__(self):
            raise ValueError("of no importance")

    with kept_interrupts():
        Failing()
    assert [one.exc_type for one in told] == [ValueError]


@pytest.mark.parametrize("imported", [swallow, disguise])
def test_an_import_that_swallows_an_interrupt_or_makes_an_error_of_it(imported):
    with pytest.raises(KeyboardInterrupt):
        heeded_interrupts()(imported)()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_an_import_stays_what_it_is():
    with pytest.raises(ImportError, match="no such backend"), heeded_interrupts():
        raise ImportError("no such backend")


def test_a_process_that_ignores_interrupts_goes_on_ignoring_them():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heeded_interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
