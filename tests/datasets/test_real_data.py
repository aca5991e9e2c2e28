"""Real image folders in CoOp's layout, where PLP_DATA_ROOT names their parent folder."""

import os
from pathlib import Path

import pytest

from plp.datasets import ImageDataset, build_source, sample, verify_images
from plp.datasets.loading import build_loader
from plp.transforms import ClipEval

ROOT = Path(os.environ.get("PLP_DATA_ROOT") or "no-such-folder")
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/split_*.json"))

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDERS, reason="no data sets in CoOp's layout (PLP_DATA_ROOT)"),
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
