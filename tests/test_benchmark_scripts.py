"""The benchmarks run, and the baseline of the step computes what plp computes."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # on busy cores


def table(root, script, *flags):
    """Rows of a benchmark's table, by their first cell."""
    command = [sys.executable, str(root / "benchmarks" / script), *map(str, flags)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    cells = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "| " in line]
    head, *rows = cells
    return {row[0].strip(): dict(zip(head, row, strict=True)) for row in rows}


def test_plain_clip_and_plp_compute_the_same_loss(root):
    flags = ("--classes", 4, "--batch", 1, "--repeats", 1, "--variants", "plain", "plp")
    rows = table(root, "train_step.py", *flags)
    plain, plp = (float(rows[f"C=4 B=1 {variant}"]["loss"]) for variant in ("plain", "plp"))
    assert plp == pytest.approx(plain, abs=1e-4)


def test_memory_runs(root):
    rows = table(root, "memory.py", "--classes", 5, 10, "--batch", 2, "--chunks", "whole")
    assert list(rows) == ["5", "10"]
    assert float(rows["10"]["memory"]) > 0


def test_the_step_for_a_gpu_runs_on_a_cpu(root):
    shape = ("--size", "tiny", "--classes", 3, "--batch", 1, "--text-chunk", 2)
    flags = ("--device", "cpu", "--precision", "fp32", "--steps", 1)
    rows = table(root, "gpu_step.py", *shape, *flags)
    (row,) = rows.values()
    assert float(row["TFLOP a step"]) > 0
    assert float(row["share"].rstrip(" %")) > 0
    assert float(row["50 epochs min"]) > 0


def test_sorted_texts_have_less_padding(root):
    rows = table(root, "text_order.py", "--size", "tiny", "--classes", 70, "--repeats", 1)
    assert int(rows["sorted"]["places"]) < int(rows["as they lie"]["places"])
