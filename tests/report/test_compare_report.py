"""The report of a comparison: the tables, ways to the runs, what is missing, the command."""

import json

import pytest
from browser import open_page
from reading import check
from rows import rows

from plp.cli import collect, compare
from plp.cli.options import run_tool
from plp.config.load import Choices
from plp.report import compare_report as module
from plp.report.compare_report import compare_report, write_comparison
from plp.report.leave import NAME
from plp.results import accuracy_tables, draw_accuracy_over_shots, save_figure
from plp.results.write import FIGURE
from plp.sweeps.compare.worker import _without_report

HARD = "my <b>idea</b> & co"
RUNS = [
    *rows(HARD, "dtd", 4, {1: 60.0, 2: 64.0, 3: 68.0}),
    *rows("coop", "dtd", 4, {1: 50.0, 2: 51.0}),
]
EXTRA = {
    "environment": {"torch": "2.8", "git_commit": None, "device": "cpu"},
    "failures": {"coop dtd 4 shots seed 3": "out of <memory>"},
    "missing": ["coop dtd 4 shots seed 3", "plot dtd 4 shots seed 1"],
    "command": "plp compare --methods coop 'my idea.py'",
}


@pytest.fixture
def out(tmp_path):
    """A folder of a comparison whose first run has a report of its own."""
    for i in range(len(RUNS)):
        (tmp_path / f"runs/a & b/{i}").mkdir(parents=True)
    (tmp_path / "runs/a & b/0" / NAME).write_text("")
    return tmp_path


@pytest.fixture
def runs(out):
    return [run._replace(path=str(out / f"runs/a & b/{i}")) for i, run in enumerate(RUNS)]


def test_tables_runs_settings_and_the_command(out, runs):
    save_figure(draw_accuracy_over_shots(runs), out / f"{FIGURE}.png")
    page = check(compare_report(out, "Comparison", accuracy_tables(runs), runs, EXTRA, ["Note."]))
    assert page.ids == ["tables", "figures", "missing", "runs", "settings", "reproduce"]
    assert f"{HARD} 64.0 ± 4.0 " in page.text
    assert "coop 50.5 ± 0.7 (seeds 1, 2)" in page.text
    assert "Note." in page.text
    assert "Missing runs (2)" in page.text
    assert "coop dtd 4 shots seed 3 : out of <memory>" in page.text
    assert "plot dtd 4 shots seed 1: no result yet" in page.text
    assert EXTRA["command"] in page.text
    assert "torch 2.8" in page.text
    (image,) = page.images
    assert image["alt"].startswith("Test accuracy over shots")


def test_links_lead_from_the_report_to_the_runs(out, runs):
    page = check(compare_report(out, "Comparison", [], runs, {}))
    ways = [link for link in page.links if not link.startswith("#")]
    assert ways[:3] == ["runs/a%20%26%20b/0/", f"runs/a%20%26%20b/0/{NAME}", "runs/a%20%26%20b/1/"]
    assert len(ways) == len(RUNS) + 1, "one has a report of its own"
    beside = check(compare_report(out / "tables", "Comparison", [], runs, {}))
    assert "../runs/a%20%26%20b/1/" in beside.links


def test_what_is_not_there_is_no_section(out):
    page = check(compare_report(out, "Comparison", [], RUNS, {}))
    assert page.ids == ["tables", "runs", "settings", "reproduce"]
    assert "Started from Python" in page.text


def test_a_report_that_fails_leaves_the_tables(out, runs, monkeypatch, caplog):
    monkeypatch.setattr(module, "compare_report", lambda *_: 1 / 0)
    files = write_comparison(out, runs, methods=[HARD, "coop"], datasets=["dtd"], extra=EXTRA)
    assert NAME not in {file.name for file in files}
    assert all(file.is_file() for file in files)
    assert "no report: ZeroDivisionError" in caplog.text


@pytest.fixture(scope="module")
def compared(tiny_config, photos, tmp_path_factory):
    """A comparison of two runs, and the same collected elsewhere."""
    out = tmp_path_factory.mktemp("compared")
    argv = ["--methods", tiny_config, "--datasets", f"mine={photos}", "--shots", 1, 2, "--seeds", 1,
            "--out", out / "a", "--device", "cpu", "--jobs", 0,
            "--cfg-options", "train_cfg.max_epochs=1"]  # fmt: skip
    assert run_tool(compare.main, list(map(str, argv))) == 0
    assert run_tool(collect.main, [str(out / "a"), "--out", str(out / "b")]) == 0
    return out


@pytest.mark.parametrize(("folder", "tool"), [("a", "compare"), ("b", "collect")])
def test_the_tools_leave_it(compared, folder, tool):
    page = check((compared / folder / NAME).read_text(encoding="utf-8"))
    results = json.loads((compared / folder / "results.json").read_text(encoding="utf-8"))
    assert f"plp {tool} " in page.text
    assert results["command"] in page.text
    for run in results["runs"]:
        assert f"{run['accuracy']['fused']:.2f}" in page.text
    ways = [link for link in page.links if not link.startswith("#")]
    assert len(ways) == 2
    assert all((compared / folder / way / "result.json").is_file() for way in ways)
    assert len(page.images) == 1


def test_runs_of_a_comparison_have_no_report_of_their_own(compared):
    assert not list((compared / "a/runs").rglob(NAME))


def test_unless_somebody_asks_for_it():
    for options, wanted in ((None, False), ({"a": 1}, False), ({"report": True}, True)):
        assert _without_report(Choices(options=options)).options["report"] is wanted


@pytest.mark.browser
def test_it_opens_and_fetches_nothing(browser, compared, tmp_path):
    found = open_page(browser, (compared / "a" / NAME).read_text(encoding="utf-8"), tmp_path)
    assert len(found.widths) == 1
    assert found.widths[0] > 0
    assert (found.blocked, found.fetched) == ([], [])
