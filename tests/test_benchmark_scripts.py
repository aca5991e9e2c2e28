"""The benchmarks run, and the baseline of the step computes what plp computes."""

import argparse
import importlib
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # on busy cores


def run(root, script, *flags):
    """What a benchmark prints."""
    command = [sys.executable, str(root / "benchmarks" / script), *map(str, flags)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def table(root, script, *flags):
    """Rows of a benchmark's one table, by their first cell."""
    return rows_of(run(root, script, *flags))


def rows_of(printed):
    assert printed.count("|---|") == 1, printed
    lines = printed.splitlines()
    cells = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    cells = [row for row, line in zip(cells, lines, strict=True) if line.startswith("| ")]
    head, *rows = cells
    return {row[0].strip(): dict(zip(head, row, strict=True)) for row in rows}


def test_plain_clip_and_plp_compute_the_same_loss(root):
    flags = ("--classes", 4, "--batch", 1, "--repeats", 1, "--variants", "plain", "plp")
    rows = table(root, "train_step.py", *flags)
    plain, plp = (float(rows[f"C=4 B=1 {variant}"]["loss"]) for variant in ("plain", "plp"))
    assert plp == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("tower", ["PE-Core-B-16", "ViT-B-16-SigLIP"])
def test_plain_towers_and_plp_compute_the_same_losses(root, tower):
    """The first step's and, moved by its gradients, the second's; `text_chunk` changes none."""
    shape = ("--size", "tiny", "--classes", 12, "--batch", 3, "--repeats", 1)
    rows = table(
        root, "train_step.py", "--tower", tower, *shape, "--variants", "plain", "plp",
        "text_chunk=10",
    )  # fmt: skip
    plain, *others = rows.values()
    assert plain["loss"] != plain["last loss"]
    for row in others:
        for name in ("loss", "last loss"):
            assert float(row[name]) == pytest.approx(float(plain[name]), abs=2e-5)
        assert float(row["TFLOP"]) < float(plain["TFLOP"])
        assert float(row["tensors to first"]) < 1


@pytest.mark.parametrize("method", ["maple", "promptsrc", "cliplora", "mma", "mmrl"])
def test_plain_tuned_towers_and_plp_compute_the_same_losses(root, method):
    """However much is kept or computed again: the first step's, and that after two updates."""
    shape = ("--size", "tiny", "--classes", 6, "--batch", 3, "--repeats", 2)
    plain, *others = table(root, "tuned_step.py", *shape, "--methods", method).values()
    assert plain["loss"] != plain["later loss"]
    assert len(others) == (3 if method in ("mma", "mmrl") else 2)
    for row in others:
        for name in ("loss", "later loss"):
            assert float(row[name]) == pytest.approx(float(plain[name]), abs=5e-5)
        assert float(row["TFLOP"]) < float(plain["TFLOP"])
        assert float(row["tensors to first"]) < 1


def test_another_commit_is_measured_in_turns(root):
    """Both by the same script; operations and bytes are counted, and are the same."""
    flags = ("--size", "tiny", "--classes", 3, "--batch", 1, "--repeats", 2, "--variants", "plp")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, check=False)
    if head.returncode:
        pytest.skip(f"{root} has no git history")
    rows = table(root, "train_step.py", *flags, "--against", "HEAD")
    other, own = rows.values()
    assert list(rows) == ["C=3 B=1 plp @HEAD", "C=3 B=1 plp"]
    for name in ("loss", "last loss", "TFLOP"):
        assert other[name] == own[name]
    assert float(own["image"]) > 0


def test_a_commit_that_git_lacks_is_told(root):
    command = [sys.executable, str(root / "benchmarks/train_step.py"), "--against", "nonesuch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot take nonesuch out of git" in done.stderr


def test_memory_is_counted(root):
    """The bytes of a step are the same in every run, and those of prompts are in them."""
    flags = ("--batch", 2, "--classes")
    rows = table(root, "memory.py", *flags, 5, 10, "--chunks", "whole")
    (again,) = table(root, "memory.py", *flags, 5, "--chunks", "whole").values()
    assert list(rows) == ["C=5 whole", "C=10 whole"]
    for row in rows.values():
        assert float(row["step"]) > float(row["must"]) > 0
        assert float(row["resident"]) > 100
    assert rows["C=5 whole"]["step"] == again["step"]
    assert float(rows["C=10 whole"]["flat"]) > 1


def test_variants_of_the_step_for_a_gpu_run_on_a_cpu(root):
    """One table of all rows."""
    shape = ("--size", "tiny", "--classes", 3, "--batch", 1, "--text-chunk", 2)
    flags = ("--device", "cpu", "--precision", "fp32", "--steps", 1)
    wanted = ("class_chunk=100", "cached views", "crops on the device")
    rows = table(root, "gpu_step.py", *shape, *flags, "--variants", *wanted)
    assert list(rows) == ["baseline", *wanted]
    for row in rows.values():
        assert float(row["TFLOP per step"]) > 0
        assert float(row["share"].rstrip(" %")) > 0
        assert float(row["50 epochs min"]) > 0
        stages = ("image", "text", "local", "backward", "optimiser")
        # one step, so that medians add up; printed to three digits
        assert sum(float(row[stage]) for stage in stages) <= 1.02 * float(row["step s"])
    assert float(rows["cached views"]["image"]) < 0.1 * float(rows["baseline"]["image"])


def test_a_variant_that_fails_does_not_end_the_table(root, monkeypatch, capsys):
    """Such as one that needs too much memory."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    gpu_step = importlib.import_module("gpu_step")

    def measure(args, variant, rate):
        if variant.options:
            raise RuntimeError("out of | memory\nmore")
        return [1.0] * len(gpu_step.COLUMNS)

    monkeypatch.setattr(gpu_step, "measure", measure)
    monkeypatch.setattr(gpu_step, "product_rate", lambda *_: 1.0)
    asked = dict(variants=["class_chunk=100", "cached views"], device="cpu", precision="fp32")
    sizes = dict(classes=2, batch=1, text_chunk=None, steps=1, profile=False)
    gpu_step.main(argparse.Namespace(**asked, **sizes))
    rows = rows_of(capsys.readouterr().out)
    assert list(rows) == ["baseline", *asked["variants"]]
    assert rows["class_chunk=100"]["step s"] == "out of / memory"
    assert float(rows["cached views"]["step s"]) == 1.0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_whole_loop_runs(root, precision):
    shape = ("--size", "tiny", "--classes", 4, "--batch", 2, "--epochs", 2)
    (row,) = table(root, "runner_overhead.py", *shape, "--precision", precision).values()
    parts = sum(float(row[part]) for part in ("model", "data", "rest"))
    assert parts == pytest.approx(float(row["loop"]), rel=0.02)
    assert min(float(row[part]) for part in ("model", "data", "rest")) > 0


def test_a_loop_on_cached_views_loads_no_images(root):
    shape = ("--size", "tiny", "--classes", 4, "--batch", 2, "--epochs", 2)
    (plain,) = table(root, "runner_overhead.py", *shape).values()
    (cached,) = table(root, "runner_overhead.py", *shape, "--cached").values()
    assert float(cached["data"]) < 0.5 * float(plain["data"])


def test_inference_runs_and_computes_open_clip_s_features(root):
    found = run(root, "inference.py", "--classes", 3, "--batch", 1, "--repeats", 1)
    rows = rows_of(found)
    assert len(rows) == 3
    assert rows["open_clip encode_image"]["to bare, wall"] == "1.00x"
    assert float(found.split("pooled features: ")[1]) < 1e-4


def test_solvers_reach_the_error_they_are_asked_for(root):
    flags = ("--shapes", "16x5x4", "--rounds", 1, "--iterations", 5, "--tolerance", "1e-4")
    lines = [line for line in run(root, "sinkhorn.py", *flags).splitlines() if "16x5x4" in line]
    fixed, tolerance = (line.split(" | ")[2:] for line in lines)
    errors = [float(cell.split("(")[1].split(")")[0]) for cell in tolerance[:3]]
    assert len(fixed) == len(tolerance)
    assert max(errors) <= 1.1e-4


def test_sorted_texts_have_less_padding(root):
    rows = table(root, "text_order.py", "--size", "tiny", "--classes", 70, "--repeats", 1)
    assert int(rows["sorted"]["places"]) < int(rows["as they lie"]["places"])


def test_crops_resized_together_are_pil_s(root):
    rows = table(root, "crops.py", "--batch", 3, "--repeats", 1)
    assert rows["together"]["equal"] == "1.0000"
    assert float(rows["image by image"]["equal"]) < 0.9


def test_files_are_told_apart(root):
    rows = table(root, "check_cost.py", "--files", 30)
    assert list(rows) == ["different sizes", "equal sizes", "equal sizes and ends"]
    assert all(float(row["processor s"]) > 0 for row in rows.values())
