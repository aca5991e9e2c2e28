"""tools/protocol.py: who can take part, what is tested where, going on after an interruption."""

import json
import re
import shlex

import numpy as np
import pytest
from tiny_runs import make_photos, read_result, write_config

from plp.cli import protocol
from plp.cli.ood import by_name
from plp.cli.options import run_tool
from plp.datasets import BENCHMARKS, OOD_BENCHMARKS
from plp.errors import ConfigError, DataError
from plp.results.protocol_tables import harmonic_mean
from plp.sweeps.compare import find_methods
from plp.sweeps.compare.sources import GROUPS

QUICK = ("--cfg-options", "train_cfg.max_epochs=1")
FIVE = ("ant", "bee", "cat", "dog", "elk")


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    """Five classes, eight images each."""
    return make_photos(tmp_path_factory.mktemp("data") / "animals", dict.fromkeys(FIVE, 8))


@pytest.fixture(scope="module")
def coop(root, tiny_backbone, tmp_path_factory):
    """CoOp on the tiny backbone; its context is shared by all classes."""
    path = tmp_path_factory.mktemp("methods") / "coop.py"
    return write_config(path, root / "configs/coop/vitb16_16shot.py", tiny_backbone)


@pytest.fixture
def run(tmp_path, capsys):
    """Run a protocol in this process; return status, what was said, and the folder."""

    def run(name, *flags, out=tmp_path / "out"):
        argv = [name, "--shots", 2, "--seeds", 1, "--out", out, "--device", "cpu", "--jobs", 0]
        capsys.readouterr()
        try:
            status = run_tool(protocol.main, [str(flag) for flag in (*argv, *flags)])
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out + said.err, out

    return run


def read(out):
    return json.loads((out / "protocol.json").read_text(encoding="utf-8"))


def test_base_to_new(run, coop, animals):
    flags = ("--methods", coop, "--datasets", f"zoo={animals}", *QUICK)
    status, said, out = run("base-to-new", *flags)
    assert status == 0, said
    results = {path.parent: read_result(path.parent) for path in out.rglob("result.json")}
    by_name = {result["dataset"]: result for result in results.values()}
    assert set(by_name) == {"animals-base", "animals-new"}
    base, new = by_name["animals-base"], by_name["animals-new"]
    assert (base["kind"], base["class_names"]) == ("run", ["ant", "bee", "cat"])
    assert (new["kind"], new["class_names"]) == ("test", ["dog", "elk"])
    assert new["trained_on"] == "animals-base"
    assert new["num_test_images"] + base["num_test_images"] == 20
    table = (out / "table.md").read_text()
    both = [one["accuracy"]["fused"] for one in (base, new)]
    assert f"| {both[0]:.1f} | {both[1]:.1f} | {harmonic_mean(*both):.1f} |" in table
    stamps = {folder: (folder / "result.json").stat().st_mtime_ns for folder in results}
    status, said, _ = run("base-to-new", *flags)
    assert status == 0, said
    assert said.count("0 to run") == 2
    for row in read(out)["runs"]:
        assert (out / row["path"] / "result.json").is_file(), "paths are relative to the folder"
    assert stamps == {f: (f / "result.json").stat().st_mtime_ns for f in results}


def test_methods_bound_to_their_classes_are_refused_by_name(run, tiny_config, coop, animals):
    methods = ("--methods", coop, tiny_config)
    for flags in (("base-to-new",), ("cross-dataset", "--targets", f"other={animals}")):
        status, said, out = run(*flags, *methods, "--datasets", f"zoo={animals}", *QUICK)
        assert status == 2, said
        assert f"{tiny_config.parent.name}/tiny: branch local belongs to the classes" in said
        assert "methods0/coop" not in said
        assert not list(out.rglob("result.json")), "told before anything ran"


@pytest.mark.slow
def test_transfer_and_a_shift(run, coop, tiny_config, animals, photos, tmp_path):
    flags = ("--datasets", f"zoo={animals}", *QUICK)
    status, said, out = run(
        "cross-dataset", "--methods", coop, *flags, "--targets", f"bugs={photos}"
    )
    assert status == 0, said
    (tested,) = (out / "tests").rglob("result.json")
    result = read_result(tested.parent)
    assert (result["classes"], result["class_names"]) == ("new", ["ant", "bee", "cat"])
    assert (result["trained_on"], result["dataset"]) == ("animals", "insects")
    assert "| zoo | bugs |" in (out / "table.md").read_text()
    # The shift has three of the five classes: a method bound to its classes takes part.
    status, said, out = run(
        "domain", "--methods", tiny_config, *flags, "--targets", f"bugs={photos}",
        out=tmp_path / "domain",
    )  # fmt: skip
    assert status == 0, said
    (tested,) = (out / "tests").rglob("result.json")
    result = read_result(tested.parent)
    assert (result["classes"], result["class_names"]) == ("subset", ["ant", "bee", "cat"])
    assert set(result["per_class_accuracy"]) == {"ant", "bee", "cat"}


def test_a_shift_must_have_the_classes_of_the_training(run, tiny_config, animals, photos):
    status, said, _ = run(
        "domain", "--methods", tiny_config, "--datasets", f"bugs={photos}",
        "--targets", f"zoo={animals}", *QUICK,
    )  # fmt: skip
    assert status == 2
    assert "2 of 5 classes of this dataset are not among the 3" in said
    assert "'dog', 'elk'" in said


@pytest.mark.slow
def test_out_of_distribution(run, coop, animals, photos):
    sets = (f"bugs={photos}", f"zoo2={animals}")
    flags = ("--methods", coop, "--datasets", f"zoo={animals}", *QUICK, "--ood", *sets,
             "--near", "bugs")  # fmt: skip
    status, said, out = run("ood", *flags)
    assert status == 0, said
    assert "MCM AUROC" in said
    (file,) = (out / "tests").rglob("ood.json")
    found = json.loads(file.read_text())["scores"]["MCM"]
    (row,) = read(out)["ood"]
    assert row["averages"] == found["average"]
    table = (out / "table.md").read_text()
    assert f"| {found['average']['all']['fpr95_id']:.1f} |" in table
    assert "Near: bugs; the other sets are far." in table
    assert {path.name for path in out.glob("plane.*")} == {"plane.png", "plane.svg"}
    assert "0 to run" in run("ood", *flags, "--published")[1]
    assert "Published by others" in (out / "table.md").read_text()


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("base-to-new", "--targets", "dtd"), "base-to-new takes no --targets"),
        (("cross-dataset",), "cross-dataset needs --targets"),
        (("ood",), "ood needs --ood NAME=ROOT"),
        (("domain", "--near", "x", "--targets", "textile"), "expected --near among none, got x"),
        (("few-shot", "--near", "x"), "few-shot takes no --near"),
        (("base-to-new", "--cfg-options", "data.classes=new"), "sets data.classes itself"),
    ],
)
def test_flags_that_do_not_fit(run, coop, flags, part):
    status, said, _ = run(*flags, "--methods", coop, "--datasets", "textile")
    assert status == 2
    assert part in said


def test_a_subset_classifies_as_the_columns_of_all_classes(
    tool, tiny_config, animals, photos, tmp_path
):
    """A learner of five classes, tested on three of them in another order, by hand."""
    trained = tmp_path / "run"
    data = ("--dataset", "folder", "--data-root", animals)
    ended = tool("train", tiny_config, *data, "--work-dir", trained, "--device", "cpu", *QUICK)
    assert ended.status == 0, ended.err
    out = tmp_path / "test.json"
    ended = tool("test", tiny_config, trained, "--dataset", "folder", "--data-root", photos,
                 "--classes", "subset", "--device", "cpu", "--out", out)  # fmt: skip
    assert ended.status == 0, ended.err
    subset = json.loads(out.read_text())
    assert "cannot take new class names" in tool(
        "test", tiny_config, trained, "--dataset", "folder", "--data-root", photos,
        "--classes", "new", "--device", "cpu",
    ).told()  # fmt: skip
    from plp.checkpoints.checkpoint import load_checkpoint, restore
    from plp.config.load import Choices
    from plp.engine.build import build_learner
    from plp.engine.data import build_loaders
    from plp.engine.setup import set_up

    setup = set_up(tiny_config, Choices("folder", str(photos)), "cpu")
    learner = build_learner(setup.config, FIVE)
    restore(learner, load_checkpoint(trained))
    loaders = build_loaders(setup.few, setup.options, learner, 1, parts=("test",))
    learner.eval()
    rows = [
        row
        for batch in loaders.test
        for row in learner(**learner.data_preprocessor(batch), mode="predict")
    ]
    right = [int(row["logits"][:3].argmax()) == row["label"] for row in rows]
    assert subset["accuracy"]["fused"] == pytest.approx(100 * np.mean(right), abs=1e-3)


@pytest.mark.parametrize("file", ["docs/protocols.md", "configs/sotglp/README.md"])
def test_the_commands_of_the_documentation_are_commands(root, file):
    text = (root / file).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^python tools/protocol\.py (?!PROTOCOL)(.*)$", text, re.M)
    assert lines
    for line in lines:
        arguments = protocol.parser().parse_args(shlex.split(line))
        methods = find_methods(arguments.methods, arguments.variant)
        assert all("vitb16" in method.config.stem for method in methods), line
        known = {*BENCHMARKS, *GROUPS}
        assert known.issuperset([*arguments.datasets, *arguments.targets]), line
        assert set(arguments.ood) <= set(OOD_BENCHMARKS), line


def test_sets_of_the_field_by_name(tmp_path):
    (tmp_path / "iNaturalist").mkdir()
    found = by_name(["inaturalist", "mine=photos"], str(tmp_path))
    assert found == {"inaturalist": str(tmp_path / "iNaturalist"), "mine": "photos"}
    with pytest.raises(ConfigError, match="By name, under --data-root: inaturalist"):
        by_name(["inaturalist"])
    with pytest.raises(DataError, match="none of SUN"):
        by_name(["sun"], str(tmp_path))
