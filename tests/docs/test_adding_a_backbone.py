"""Every code block of docs/adding_a_backbone.md works, in the order of the page."""

import re
import sys

import pytest
from page_blocks import blocks_of

from plp.registry import BACKBONES
from plp.testing.backbone_laws import BACKBONE_LAWS

FILE = re.compile(r"# (my_family/\w+\.py)\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder as the page has it, outside of the clone; registry and imports are put back."""
    (tmp_path / "my_family").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    BACKBONES.names()
    yield tmp_path
    BACKBONES.module_dict.pop("TwoTowersBackbone", None)
    for name in [name for name in sys.modules if name.split(".")[0] == "my_family"]:
        del sys.modules[name]


def test_the_page_works(root, folder, capsys):
    found = blocks_of(root / "docs/adding_a_backbone.md")
    assert [bool(FILE.match(block.text)) for block in found] == [True, True, False, False, False]
    for block in found:
        if named := FILE.match(block.text):
            (folder / named[1]).write_text(block.text, encoding="utf-8")
        else:
            exec(compile(block.text, "page", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert f"{len(BACKBONE_LAWS)} laws hold" in said
    assert "loss_global, loss_local of [(3,), (3,), (3,), (3,)]" in said
