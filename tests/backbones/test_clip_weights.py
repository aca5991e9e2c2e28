"""The seeded weights are those that the parity fixtures were computed with."""

import hashlib

import numpy as np
import open_clip
import pytest
import torch

from plp.testing.clip_weights import (
    TINY,
    VIT_B_16,
    ClipSize,
    clip_weights,
    parameter_shapes,
    state_dict,
    write_clip_weights,
)


@pytest.mark.parametrize(
    ("size", "seed", "expected"),
    [  # digests of the arrays that the fixtures' own generator makes
        (TINY, 0, "c40b3a2695d58a556dc503a96278e3cb395383e9e64545a5d80647a56b7113f1"),
        (TINY, 3, "f78386dec08d9ac215722b171b3ffaa8a411176797a750cf608c106e13daafd5"),
        (ClipSize(32, 64, 32, 64, 2, 128, 3), 5,
         "bb24bd11f4142d94c416ad6c2090ddf55c653a28f2f2dd80fb337a47ffa1a5c0"),
    ],
)  # fmt: skip
def test_arrays_are_bit_identical_to_the_fixtures_generator(size, seed, expected):
    digest = hashlib.sha256()
    for _, array in sorted(clip_weights(size, seed).items()):
        assert array.dtype == np.float32
        digest.update(np.ascontiguousarray(array).tobytes())
    assert digest.hexdigest() == expected


@pytest.mark.parametrize("size", [TINY, ClipSize(32, 64, 32, 64, 2, 128, 3)])
def test_they_fit_open_clip_s_model_of_that_size(size, tmp_path):
    model = open_clip.CLIP(**size.model_config())
    path = write_clip_weights(tmp_path / "weights.pt", size, seed=1)
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)


def test_vit_b_16_has_the_shapes_of_open_clip_s_config():
    config = open_clip.get_model_config("ViT-B-16")
    with torch.device("meta"):
        model = open_clip.CLIP(**config)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {**parameter_shapes(VIT_B_16), "logit_scale": ()} == expected


def test_tensors_are_copies():
    arrays = clip_weights(ClipSize(32, 64, 32, 64, 1, 64, 1))
    state_dict(arrays)["visual.proj"].zero_()
    assert np.abs(arrays["visual.proj"]).max() > 0
