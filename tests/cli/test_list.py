"""`plp list`: every registered component, each with a line that says something."""

import pytest

from plp.cli import listing
from plp.cli.options import run_tool
from plp.datasets import DataSource, source_names
from plp.errors import ConfigError
from plp.registry import COMPONENTS


def lines_of(*kinds, capsys):
    assert run_tool(listing.main, kinds) == 0
    return capsys.readouterr().out.splitlines()


def test_every_component_is_listed_with_its_first_line(capsys):
    lines = lines_of(capsys=capsys)
    for kind, registry in COMPONENTS.items():
        assert kind in lines
        for name in registry.names():
            component = registry.get(name)
            if kind == "dataset" and issubclass(component, DataSource):
                continue
            (line,) = [one for one in lines if one.split()[:1] == [name]]
            assert line.endswith(component.__doc__.strip().splitlines()[0].strip())
            assert len(line.split()) > 3, f"{name} has no docstring to show"


def test_data_sources_go_by_the_name_of_the_flag(capsys):
    lines = lines_of("datasets", capsys=capsys)
    for flag in source_names():
        assert any(line.split()[:2] == ["--dataset", flag] for line in lines)


@pytest.mark.parametrize("asked", ["aligner", "aligners", "Aligner"])
def test_one_kind(asked, capsys):
    lines = lines_of(asked, asked, capsys=capsys)
    assert lines[0] == "aligner"
    assert [line.split()[0] for line in lines[1:]] == COMPONENTS["aligner"].names()


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("losses", "loss term"),
        ("loss", "loss term"),
        ("branches", "branch"),
        ("loss-term", "loss term"),
    ],
)
def test_spellings(asked, kind, capsys):
    assert lines_of(asked, capsys=capsys)[0] == kind


def test_unknown_kind():
    with pytest.raises(ConfigError, match=r"expected a kind among backbone, .*, got 'allignr'"):
        listing.main(["allignr"])
