"""Flags are read before anything heavy is imported; unknown ones get the nearest match."""

import json
import subprocess
import sys

import pytest

from plp.cli import main as door
from plp.cli.flags import known

HEAVY = ("torch", "mmengine", "sklearn", "numpy", "PIL", "matplotlib", "scipy", "open_clip")
NAMES = list(door.COMMANDS)
WATCHED = f"""
import json, sys
class Watched:
    def __init__(self, stream): self.stream, self.seen = stream, None
    def write(self, text):
        if self.seen is None and text.strip():
            self.seen = sorted({{*{HEAVY!r}}} & {{*sys.modules}})
        return self.stream.write(text)
    def __getattr__(self, name): return getattr(self.stream, name)
sys.stdout, sys.stderr = Watched(sys.stdout), Watched(sys.stderr)
from plp.cli.main import main
status = None
try:
    status = main(sys.argv[1:])
except SystemExit as ended:
    status = ended.code
seen = [one.seen for one in (sys.stdout, sys.stderr)]
ended = sorted({{*{HEAVY!r}}} & {{*sys.modules}})
print(json.dumps(dict(status=status, seen=seen, ended=ended)))
"""


def call(root, *argv):
    """Run plp in a process of its own; return how it ended and what was imported when."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, argv)], cwd=root, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1]), done


def test_help_and_wrong_flags_import_nothing_heavy(root):
    code = f"""
import contextlib, io, sys
from plp.cli.main import COMMANDS, main
for name in COMMANDS:
    for flags in (["--help"], ["--no-such-flag"], ["--hel"]):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                main([name, *flags])
            except SystemExit:
                pass
print(sorted({{*{HEAVY!r}}} & {{*sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done


@pytest.mark.parametrize("tool", ["train", "predict", "print_config"])
def test_help_of_a_tool_imports_nothing_heavy(tool, root):
    code = f"""
import runpy, sys
sys.argv = ["tools/{tool}.py", "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    pass
print(sorted({{*{HEAVY!r}}} & {{*sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"usage: {tool}.py ")
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_first_line_comes_before_torch(root, tmp_path):
    config = tmp_path / "nothing.py"
    config.write_text("model = dict()\ndata = dict()\n")
    found, done = call(root, "train", config)
    assert done.stdout.startswith("plp ")
    assert "train" in done.stdout.splitlines()[0]
    assert found["seen"][0] == []
    assert "torch" in found["ended"]  # so that the test could fail
    assert found["status"] == 2


def test_a_config_that_is_not_there_is_refused_at_once(root):
    found, done = call(root, "train", "sotgpl")
    assert done.stderr == (
        "error: expected a config file, nothing at 'sotgpl'. Did you mean 'sotglp'?\n"
    )
    assert (found["status"], found["ended"]) == (2, [])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["train", "x.py", "--shot", "4"], "unknown flag --shot. Did you mean '--shots'?"),
        (["train", "x.py", "--data_root", "d"], "Did you mean '--data-root'?"),
        (["train", "x.py", "-shots", "4"], "Did you mean '--shots'?"),
        (["train", "x.py", "--batch-size=4"], "Did you mean '--cfg-options data.batch_size=N'?"),
        (["train", "x.py", "--gpu", "1"], "Did you mean '--device cuda:0'?"),
        (["train", "--see", "4"], "Did you mean '--seed'?"),
        (["compare", "--method", "coop"], "unknown flag --method. Did you mean '--methods'?"),
        (["compare", "--seed", "1"], "Did you mean '--seeds'?"),
        (["predict", "run", "x.jpg", "--topk", "1"], "Did you mean '--top-k'?"),
        (["predict", "run", "--qqqqq"], "`plp predict --help` lists the flags"),
        (["data", "check", "--rot", "d"], "Did you mean '--root'?"),
        (["export", "run", "--output", "x"], "Did you mean '--out'?"),
    ],
)
def test_an_unknown_flag_gets_the_nearest(argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        door.main(argv)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_help_names_is_what_there_is():
    from plp.cli.rows import FORMATS
    from plp.datasets import OOD_BENCHMARKS
    from plp.export.write import FORMATS as PROGRAMS
    from plp.inference.rejection import RECALL
    from plp.registry import COMPONENTS
    from plp.sweeps.compare.sources import GROUPS

    assert tuple(FORMATS) == known.ROWS
    assert tuple(PROGRAMS) == known.PROGRAMS
    assert tuple(OOD_BENCHMARKS) == known.OOD_SETS
    assert tuple(GROUPS) == known.GROUPS
    assert tuple(COMPONENTS) == known.KINDS
    assert RECALL == known.RECALL
