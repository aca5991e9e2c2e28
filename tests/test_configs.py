"""Every config in the tree: parses, builds offline, takes a step, learns what it says."""

from pathlib import Path

import pytest
import torch

import plp
from plp.engine.config import Choices, choose, load_config

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*/*.py") if "_base_" not in path.parts)
CLASSES = ["cat", "golden retriever", "red fox"]
WIDTHS = {"vitb16": (128, 128, 96), "lite": (384, 1280, 64)}  # token, dense, image side


def _learned(name: str, token: int, dense: int) -> int:
    """Parameters of 3 shared and 4 class-specific prompts of 4 tokens, and of the projection."""
    prompts = 3 * 4 * token + len(CLASSES) * 4 * 4 * token
    return prompts + (0 if "noproj" in name else dense * dense)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_config_takes_a_step(path, tiny_options):
    backbone = path.stem.split("_")[0]
    token, dense, side = WIDTHS[backbone]
    learner = plp.build_learner(path, CLASSES, tiny_options if backbone == "vitb16" else None)
    learner.train()
    images = torch.zeros(2, 3, side, side, dtype=torch.uint8)
    sum(learner(images, torch.tensor([0, 2]), mode="loss").values()).backward()
    learned = {n: p for n, p in learner.named_parameters() if p.requires_grad}
    assert sum(p.numel() for p in learned.values()) == _learned(path.stem, token, dense)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learned.values())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_config_names_its_command(path):
    relative = path.relative_to(ROOT)
    assert f"python tools/train.py {relative}" in path.read_text()


def test_variants_differ_where_they_say():
    def read(name):
        return choose(load_config(ROOT / "configs/sotglp" / name), Choices())[0]

    plain, paper = read("vitb16_16shot.py"), read("vitb16_16shot_paper.py")
    published, without = read("vitb16_16shot_published.py"), read("vitb16_16shot_noproj.py")
    assert plain.model.branches.local.score_scale == "published_code"
    assert plain.model.backbone.alias_first_block is True
    assert (plain.data.sampler, plain.data.eval_transform.type) == ("exact", "ClipEval")
    assert paper.model.branches.local.score_scale == "paper"
    assert paper.model.backbone.alias_first_block is False
    assert published.data.sampler == "stratified"
    assert published.data.eval_transform == dict(type="ResizedCenterCrop", resize=256)
    assert without.model.branches.local.projection == dict(type="IdentityProjection")
