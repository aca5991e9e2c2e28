"""The pages about prediction and pictures: their examples run, their commands parse."""

import doctest
import re
import shlex

import pytest

from plp.cli import predict, visualize

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize(("name", "least"), [("predict", 20), ("pictures", 9)])
def test_examples(root, trained, photos, tmp_path, name, least):
    result = doctest.testfile(
        str(root / "docs" / f"{name}.md"), module_relative=False, encoding="utf-8",
        optionflags=OPTIONS, globs={"run": trained, "photos": photos, "folder": tmp_path},
    )  # fmt: skip
    assert result.attempted >= least
    assert result.failed == 0


@pytest.mark.parametrize(("page", "tool"), [("predict", predict), ("pictures", visualize)])
def test_commands(root, page, tool):
    text = (root / "docs" / f"{page}.md").read_text(encoding="utf-8")
    name = tool.__name__.rpartition(".")[2]
    commands = re.findall(rf"^plp {name} (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        tool.parser().parse_args(shlex.split(command))
    for figure in re.findall(r"\]\((figures/[^)]*)\)", text):
        path = root / "docs" / figure
        assert path.is_file()
        assert path.stat().st_size < 300_000
