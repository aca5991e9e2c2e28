"""Real image folders in CoOp's layout, where PLP_DATA_ROOT names their parent folder."""

import os
from pathlib import Path

import pytest

from plp.datasets import BENCHMARKS, ImageDataset, build_source, sample, verify_images
from plp.datasets.check import Found, check_benchmark
from plp.datasets.loading import build_loader
from plp.transforms import ClipEval

ROOT = Path(os.environ.get("PLP_DATA_ROOT") or "no-such-folder")
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/split_*.json"))

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDERS, reason="no datasets in CoOp's layout (PLP_DATA_ROOT)"),
]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.filterwarnings("ignore:.*fewer than")
def test_one_shot_of_each_data_set(folder):
    splits = build_source("coop", ROOT / folder).splits()
    draw = sample(splits, 1, seed=1)
    assert len(draw.train) == len(draw.class_names) == len(draw.val)
    verify_images(draw.train + draw.val, draw.root)
    dataset = ImageDataset(draw.train, draw.root, ClipEval(64))
    batch = next(iter(build_loader(dataset, batch_size=2, shuffle=False).loader))
    assert batch["images"].shape == (2, 3, 64, 64)
    assert batch["images"].float().std() > 1


@pytest.mark.parametrize("name", [n for n, one in BENCHMARKS.items() if one.folder in FOLDERS])
def test_published_sets_that_are_here_are_whole_and_readable(name):
    if not (ROOT / BENCHMARKS[name].folder / BENCHMARKS[name].split.file).is_file():
        pytest.skip("not with the published split")
    check = check_benchmark(name, ROOT, read=True)
    assert (check.found, check.problem) == (Found.WHOLE, "")
    assert check.counts == BENCHMARKS[name].counts._asdict()
