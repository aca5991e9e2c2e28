"""One run in a folder at a time, whatever becomes of it."""

import errno
import os
import signal
import threading

import pytest
from processes import context as processes
from tiny_runs import read_result

from plp.datasets import claims
from plp.engine import work_dir
from plp.engine.one_writer import LOCK, FolderLock, only_writer
from plp.engine.work_dir import own_work_dir
from plp.errors import ConfigError
from plp.hooks.save import STATE
from plp.ood.folder import NAME as OOD_RESULT
from plp.ood.folder import own_ood_folder
from plp.sweeps.compare.compare import only_one

pytest.importorskip("fcntl", reason="locks are those of POSIX")


def hold(folder, pipe):
    """Have a folder until the pipe is closed; with a child that outlives this process."""
    lock = FolderLock(folder, "run")
    pipe.send(lock.take())
    if os.fork() == 0:
        pipe.recv()
        os._exit(0)
    pipe.recv()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "work" / "run"


@pytest.fixture
def holder(folder):
    """Another process that writes to the folder, and a child of it."""
    here, there = processes.Pipe()
    process = processes.Process(target=hold, args=(folder, there))
    process.start()
    assert here.recv()
    yield process
    here.close()
    process.kill()
    process.join()


def refused(folder, what="run"):
    return pytest.raises(ConfigError, match=f"another {what} is running in '.*{folder.name}': wait")


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_is_refused_and_a_kill_frees_the_folder(holder, folder, resume):
    with refused(folder), own_work_dir(folder, "", resume):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert (folder / LOCK).exists(), "left by the kill; its child lives on"
    with own_work_dir(folder, "", resume) as own:
        assert own == folder
    assert not (folder / LOCK).exists()


def test_a_run_is_refused_by_another_of_its_own_process(folder):
    with own_work_dir(folder, "", False):
        failures = []

        def again():
            try:
                with own_work_dir(folder, "", True):
                    pass
            except ConfigError as error:
                failures.append(str(error))

        thread = threading.Thread(target=again)
        thread.start()
        thread.join()
        assert "another run is running" in failures[0]
        held = processes.Process(target=assert_held, args=(folder,))  # the first has it still
        held.start()
        held.join()
        assert held.exitcode == 0


def assert_held(folder):
    assert not FolderLock(folder, "run").take()


def test_what_a_link_leads_to_is_the_same_folder(holder, folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with refused(tmp_path / "link"), own_work_dir(tmp_path / "link", "", False):
        pass


def test_default_folders_of_two_starts_differ(holder, folder):
    with own_work_dir(None, folder, False) as second, own_work_dir(None, folder, False) as third:
        assert [second.name, third.name] == ["run_2", "run_3"]
        (second / STATE).touch()
    assert second.exists()
    assert not third.exists()
    with own_work_dir(None, folder, True) as newest:
        assert newest == second


def test_a_folder_that_is_filled_while_it_is_chosen_is_passed_over(folder, monkeypatch):
    answers = iter([False, True])  # what is there before and after the lock is taken
    taken = work_dir._taken
    monkeypatch.setattr(
        work_dir, "_taken", lambda one: next(answers, False) if one == folder else taken(one)
    )
    with own_work_dir(None, folder, False) as chosen:
        assert chosen.name == "run_2"
    assert not folder.exists()


def test_what_was_made_for_nothing_is_removed(folder, tmp_path):
    with pytest.raises(RuntimeError), own_work_dir(folder, "", False):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    folder.mkdir(parents=True)
    with own_work_dir(folder, "", False):
        pass
    assert folder.exists()


def test_a_lock_whose_file_was_removed_is_none(folder, monkeypatch):
    """Who opened the file before it was removed must not have it beside who made it anew."""
    first = FolderLock(folder, "run")
    assert first.take()
    take = claims.Claims.take

    def late(own, key):
        if (folder / LOCK).exists() and first._key is not None:
            first.give_back()  # removes file and folder between the opening and the lock
        return take(own, key)

    monkeypatch.setattr("plp.engine.one_writer._here", set())
    monkeypatch.setattr(claims.Claims, "take", late)
    monkeypatch.setattr(
        "plp.engine.one_writer._guard", threading.RLock()
    )  # both are in this thread
    second = FolderLock(folder, "run")
    assert second.take()
    assert (folder / LOCK).exists()
    second.give_back()


def test_a_link_as_lock_is_replaced(folder, tmp_path):
    folder.mkdir(parents=True)
    (tmp_path / "precious").write_text("mine")
    (folder / LOCK).symlink_to(tmp_path / "precious")
    with only_writer(folder, "run", "--work-dir"):
        assert not (folder / LOCK).is_symlink()
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_and_told(folder, monkeypatch, caplog, number):
    def lockf(*_):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(claims.fcntl, "lockf", lockf)
    with own_work_dir(folder, "", False):
        assert "cannot be locked: start no second run in it" in caplog.text
    with only_one(folder):
        assert "cannot be locked: start no second comparison in it" in caplog.text
    assert not folder.exists()


def test_somebody_elses_lock_is_left_alone(folder, monkeypatch, caplog):
    folder.mkdir(parents=True)
    (folder / LOCK).touch()

    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("plp.engine.one_writer.os.open", refuse)
        lock = FolderLock(folder, "run")
        assert lock.take()
    assert "cannot be locked" in caplog.text
    lock.give_back()
    assert (folder / LOCK).exists()


def test_train_is_refused_where_another_trains_and_changes_nothing(train_tool, holder, folder):
    told = train_tool(work_dir=folder).told()
    assert f"another run is running in '{folder}': wait for it, or give another --work-dir" in told
    assert [path.name for path in folder.iterdir()] == [LOCK]
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert train_tool("--resume", work_dir=folder).status == 0
    assert read_result(folder)["kind"] == "run"
    assert not (folder / LOCK).exists()
    assert "another run" in train_while_held(train_tool, folder)


def train_while_held(train_tool, folder):
    with only_writer(folder, "run", "--work-dir"):
        return train_tool("--resume", work_dir=folder).told()


def test_tests_of_one_run_write_to_folders_of_their_own(trained):
    with own_ood_folder(None, trained) as first, own_ood_folder(None, trained) as second:
        assert [first.name, second.name] == ["ood", "ood_2"]
        with refused(second, "test"), own_ood_folder(second, trained):
            pass
        (second / OOD_RESULT).touch()
    (trained / "ood").symlink_to(trained.parent, target_is_directory=True)  # not followed
    with own_ood_folder(None, trained) as beside:
        assert beside.name == "ood_3"
    (trained / "ood").unlink()
    with own_ood_folder(None, trained) as third:
        assert third == first
    with pytest.raises(ConfigError, match=r"holds ood\.json already"), own_ood_folder(second, ""):
        pass
    (second / OOD_RESULT).unlink()
    second.rmdir()
    assert not first.exists()
