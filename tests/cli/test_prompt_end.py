"""A tool's process ends when its work does."""

import subprocess
import sys
import textwrap

import pytest


def run(code):
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_no_last_search_for_garbage_but_all_else_that_python_does_at_the_end(tmp_path):
    code = f"""\
    import atexit, gc
    from plp.cli.main import main

    atexit.register(lambda: print("frozen", gc.get_freeze_count() > 1000))  # runs last
    kept = open({str(tmp_path / "kept.txt")!r}, "w")
    kept.write("of the user's own hook, never closed")
    for _ in range(2):
        assert main(["--version"]) == 0
        assert main(["data", "list"]) == 0
    atexit.register(lambda: print("first", gc.get_freeze_count()))
    """
    ended = run(code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-2:] == ["first 0", "frozen True"]
    assert ended.stderr == ""
    assert (tmp_path / "kept.txt").read_text() == "of the user's own hook, never closed"
