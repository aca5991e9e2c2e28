"""The one door: every tool is behind it, under its own name, and help comes at once."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plp import __version__
from plp.cli import main as door

NAMES = list(door.COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_a_tool_that_tells_its_flags(name, capsys):
    module = importlib.import_module(door.COMMANDS[name].flags)
    assert module.__doc__
    assert "\n" not in door.COMMANDS[name].summary
    with pytest.raises(SystemExit) as ended:
        door.main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: plp {name} ")
    assert module.__doc__.split()[0] in shown


@pytest.mark.parametrize("argv", [*([name] for name in NAMES), ["data", "check"]])
def test_flags_are_not_abbreviated(argv, capsys):
    """Of two flags that begin alike, the wrong one would be taken: --seed for --seeds."""
    with pytest.raises(SystemExit) as ended:
        door.main([*argv, "--hel"])
    assert ended.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_every_tool_is_a_command(root):
    """A file in plp/cli with a `main(argv)` that no command leads to would be found by nobody."""
    ours = {command.module for command in door.COMMANDS.values()}
    for path in (root / "plp/cli").glob("*.py"):
        if path.stem != "main" and "\ndef main(" in path.read_text(encoding="utf-8"):
            assert f"plp.cli.{path.stem}" in ours, f"{path.name} has no line in COMMANDS"


def test_every_door_in_tools_opens_a_command(root):
    for path in (root / "tools").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        (name,) = re.findall(r"tool\(\"(\w+)\"\)", text)
        assert door.COMMANDS[name].module == f"plp.cli.{path.stem}"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_all_commands(argv, capsys):
    assert door.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, command in door.COMMANDS.items():
        assert any(line.split()[:1] == [name] and command.summary in line for line in lines)


def test_version(capsys):
    assert door.main(["--version"]) == 0
    assert capsys.readouterr().out == f"plp {__version__}\n"


def test_unknown_commands_are_told_with_the_nearest(capsys):
    assert door.main(["predikt", "x"]) == 2
    assert "plp has no command 'predikt'. Did you mean 'predict'?" in capsys.readouterr().err


def test_program_name_is_put_back(capsys):
    before = sys.argv[0]
    assert door.main(["list", "aligner"]) == 0
    assert sys.argv[0] == before
    assert "SinkhornAligner" in capsys.readouterr().out


def test_help_imports_nothing_heavy(root):
    """What keeps it at hundredths of a second: torch alone takes seconds."""
    code = (
        "import sys; from plp.cli.main import main; main(['--help']); "
        "print(sorted({'torch', 'mmengine', 'numpy', 'PIL'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_console_script_and_module_lead_here(root):
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert 'plp = "plp.cli.main:main"' in text
    done = subprocess.run(
        [sys.executable, "-m", "plp", "nothing"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no command 'nothing'" in done.stderr


def test_a_reader_that_leaves_is_no_error(root):
    """As in `plp list | head -1`: no message, no traceback."""
    code = (
        "import sys; from plp.cli.options import run_tool; "
        "sys.exit(run_tool(lambda _: print('a line'), []))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=root, stdout=out, stderr=subprocess.PIPE
        )
    assert done.stderr == b""
    assert done.returncode == 141


def test_tools_and_commands_are_the_same_program(root):
    assert {path.stem for path in Path(root / "tools").glob("*.py")} >= {"predict", "train", "test"}
