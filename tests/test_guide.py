"""Every code block of docs/build_your_own_method.md works, in the order of the page.

Tools run in this process (pytest, which the guide runs too, does not), on the CPU.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from page_blocks import blocks_of

from plp.cli import compare, print_config, train
from plp.cli.options import run_tool
from plp.registry import ALIGNERS, PROMPTS

MAINS = {"train": train.main, "print_config": print_config.main, "compare": compare.main}
WHERE_IT_RUNS = {
    "train": ("--device", "cpu"),
    "print_config": (),
    "compare": ("--device", "cpu", "--jobs", "0"),
}
QUICK = {
    "train": ("train_cfg.max_epochs=2", "train_cfg.val_interval=1", "data.num_workers=0"),
    "print_config": (),
}
QUICK["compare"] = QUICK["train"]
FILE = re.compile(r"# (my_idea/\w+\.py)\n")


def file_of(block):
    """The file that a block of the guide is the content of; None if it is none."""
    named = FILE.match(block.text)
    return named and named[1]


@pytest.fixture
def clone(root, tmp_path, monkeypatch):
    """A folder that looks like the clone's root; registries and imports are put back."""
    for name in ("configs", "tools"):
        (tmp_path / name).symlink_to(root / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    ALIGNERS.names(), PROMPTS.names()
    yield tmp_path
    ALIGNERS.module_dict.pop("SparsemaxAligner", None)
    PROMPTS.module_dict.pop("OffsetContext", None)
    sys.modules.pop("sparse_offset", None)


def shell(command):
    """Run one command of the guide; return how it ended."""
    program, what, *flags = shlex.split(command)
    assert program == "python"
    if what == "-m":
        run = subprocess.run(
            [sys.executable, what, *flags, "-p", "no:cacheprovider"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(run.stdout, run.stderr)
        return run.returncode
    tool = Path(what).stem
    assert Path(what).is_file()
    assert Path(what).parent.name == "tools"
    if QUICK[tool] and "--cfg-options" not in flags:
        flags.append("--cfg-options")  # the last flag where there is one
    return run_tool(MAINS[tool], [*flags, *QUICK[tool], *WHERE_IT_RUNS[tool]])


@pytest.mark.slow
def test_the_guide_works(root, clone, capsys):
    (clone / "my_idea").mkdir()
    found = blocks_of(root / "docs/build_your_own_method.md")
    assert [block.language for block in found].count("bash") == 5
    for block in found:
        if file_of(block):
            (clone / file_of(block)).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, "guide", "exec"), {"__name__": "__main__"})
        else:
            for line in block.text.splitlines():
                assert shell(line) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "12 passed" in said
    assert "branches.local.prompt.offset [3, 384]" in said
    assert "local prompt 1: 'the surface of a oak' (start: its words, offsets 0)" in said
    assert said.count("epoch 2: validation accuracy") == 2  # of train.py; compare.py is quiet
    check_run(clone / "work_dirs/my_idea/lite_16shot/photos_4shot_seed1", temperature=0.05)
    check_run(clone / "work_dirs/warmer", temperature=0.2)
    check_comparison(clone / "work_dirs/idea")


def check_run(folder, temperature):
    for name in ("result.json", "model.safetensors", "curves.jsonl", "state.pth"):
        assert (folder / name).is_file(), name
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    local = result["config"]["model"]["branches"]["local"]
    assert local["aligner"] == dict(type="SparsemaxAligner", temperature=temperature)
    rates = result["config"]["optim_wrapper"]["paramwise_cfg"]["custom_keys"]
    assert rates["branches.local.prompt.context"] == rates["branches.global"]
    assert result["learned_parameters"]["branches.local.prompt.offset"] == [3, 384]
    curves = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in curves] == [1, 2]
    assert {"lr", "loss", "loss_global", "loss_local"} <= set(curves[0])


def check_comparison(out):
    for name in ("table.md", "table.tex", "table.csv", "summary.csv", "results.json", "runs"):
        assert (out / name).exists(), name
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert {row["method"] for row in results["runs"]} == {"sotglp", "my_idea/lite_16shot"}
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "my_idea/lite_16shot" in table
