"""What a run says of its tuners: settings, towers, blocks, how many values they learn."""

import math

import pytest
from tiny_runs import read_result

LORA = "model['tuners'] = dict(lora=dict(type='LowRank', towers={towers!r}, r=1, blocks=[0, 1]))\n"


@pytest.fixture(scope="module")
def learned():
    """Values of rank-1 updates of q, k, v in two blocks, by the width of a tower."""
    return lambda width: 2 * 3 * (width + width)


@pytest.mark.parametrize("towers", ["image", "both"])
def test_a_run_tells_its_tuners(train_tool, config_with, towers, learned, tmp_path):
    config = config_with(LORA.format(towers=towers) + "report = True\n")
    ended = train_tool("--epochs", 1, config=config, work_dir=tmp_path / "run")
    assert ended.status == 0, ended.err
    result = read_result(tmp_path / "run")
    (line,) = result["tuners"]
    shapes = result["learned_parameters"]
    values = sum(
        math.prod(shape) for name, shape in shapes.items() if name.startswith("tuners.lora.")
    )
    assert "6 image matrices (blocks 0, 1)" in line
    assert ("6 text matrices (blocks 0, 1)" in line) == (towers == "both")
    where = "image and text towers" if towers == "both" else "image tower"
    assert line.endswith(f"on {where}: {values} learned values")
    assert values == sum(learned(w) for w in _widths(shapes))
    assert f"tuner {line}" in ended.out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "6 image matrices" in page


def _widths(shapes):
    """Widths of the tuned towers, from the shapes of A."""
    return [shape[-1] for name, shape in shapes.items() if name.endswith("_A")]
