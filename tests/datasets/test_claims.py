"""Claims on keys: one process has a key, its death frees it, nothing is refused without locks."""

import errno
import signal

import pytest
from processes import context as processes

from plp.datasets import claims
from plp.datasets.claims import Claims


@pytest.fixture
def place(tmp_path):
    return tmp_path / "claims.lock"


def hold(place, keys, pipe):
    """Claim keys, and give back what the pipe asks for."""
    with Claims(place) as own:
        pipe.send([own.take(key) for key in keys])
        while back := pipe.recv():
            own.give_back(back)
            pipe.send("done")


@pytest.fixture
def holder(place):
    """Start another process that has the keys x and y."""
    here, there = processes.Pipe()
    process = processes.Process(target=hold, args=(place, ["x", "y"], there))
    process.start()
    assert here.recv() == [True, True]
    yield process, here
    process.kill()
    process.join()


def taken(place, keys="xyz"):
    with Claims(place) as own:
        return [own.take(key) for key in keys]


def test_what_another_process_has_is_refused(holder, place):
    assert taken(place) == [False, False, True]
    _, pipe = holder
    pipe.send(["x"])
    pipe.recv()
    assert taken(place) == [True, False, True]


def test_a_killed_process_has_nothing(holder, place):
    process, _ = holder
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert taken(place) == [True, True, True]


def test_all_is_given_back_at_the_end(holder, place):
    process, pipe = holder
    pipe.send([])
    process.join()
    assert process.exitcode == 0
    assert taken(place) == [True, True, True]
    assert place.read_bytes() == b""


def test_nobody_refuses_himself(place):
    with Claims(place) as one, Claims(place) as other:
        assert one.take("x")
        assert one.take("x")
        assert other.take("x")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_a_refusal_is_one_by_whatever_name_the_system_gives_it(place, monkeypatch, number):
    def lockf(*_):
        raise OSError(number, "somebody has it")

    with Claims(place) as own:
        assert own.take("mine")
        monkeypatch.setattr(claims.fcntl, "lockf", lockf)
        assert not own.take("x")
        assert own._file is not None, "all claims were given back"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_locks_refuses_nothing(holder, place, monkeypatch, number):
    def lockf(*_):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(claims.fcntl, "lockf", lockf)
    with Claims(place) as own:
        assert own.take("x")
        own.give_back(["x"])
        assert own.take("y")


def test_a_system_without_fcntl_refuses_nothing(holder, place, monkeypatch):
    monkeypatch.setattr(claims, "fcntl", None)
    assert taken(place) == [True, True, True]


def test_a_file_that_cannot_be_opened_refuses_nothing(place):
    place.mkdir()
    assert taken(place) == [True, True, True]
