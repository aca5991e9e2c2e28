"""Several passes of an image: the same as each by itself, and what is refused."""

import pytest
import torch
from torch.testing import assert_close

import plp
from plp.errors import CheckpointError, ConfigError

NAMES = ["cat", "dog"]


@pytest.fixture
def build(root, tiny_options):
    config = root / "configs/plotpp/vitb16_16shot.py"
    return lambda **options: plp.build_learner(config, NAMES, tiny_options | options)


def test_passes_that_share_a_front_are_passes_by_themselves(build):
    learner = build()
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = learner.encode_image(images)
        for number in range(4):
            points = learner.tuners.image_points(number)
            alone = learner.backbone.encode_image(images, (), points).pooled
            assert_close(features.passes[:, number], alone)
    assert_close(features.pooled, features.passes.mean(1))
    assert_close(features.rows([1]).passes, features.passes[1:])


def test_tuners_that_do_not_agree_on_passes_are_refused(build):
    other = dict(type="ImagePromptSets", num_sets=3)
    with pytest.raises(ConfigError, match=r"must agree; got {'image': 4, 'other': 3}"):
        build(**{"model.tuners.other": other})


@pytest.mark.parametrize("key", ["num_sets", "num_tokens"])
def test_counts_below_one_are_refused(build, key):
    with pytest.raises(ConfigError, match=f"expected {key} to be an integer >= 1, got 0"):
        build(**{f"model.tuners.image.{key}": 0})


def test_a_start_that_is_not_there_is_refused(build, tmp_path):
    from plp.engine.init_from import init_from

    few = type("Few", (), {"name": "zoo", "shots": 4})
    assert init_from(build(), None, few, 1) == ()
    with pytest.raises(CheckpointError):
        init_from(build(), str(tmp_path / "{dataset}_{shots}_{seed}"), few, 1)
    with pytest.raises(ConfigError, match=r"{dataset}, {shots} or {seed}"):
        init_from(build(), "{name}", few, 1)
