"""A local branch warns where transport is asked to share out patches that prompts do not share."""

import warnings

import pytest
import torch
from cases import INPUTS

from plp.branches import LocalBranch
from plp.structures import ImageFeatures


def run(selector: dict, aligner: dict, **more: int) -> list[str]:
    """Messages of a branch's forward pass."""
    branch = LocalBranch(
        prompt=dict(type="SharedContext", num_prompts=2, words="a photo of"),
        stream="toy",
        selector=selector,
        aligner=aligner,
        inputs=INPUTS,
        **more,
    )
    features = ImageFeatures(torch.rand(2, 8), {"toy": torch.rand(2, 6, 8)}, (2, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        branch(features, torch.rand(3, 2, 8), lambda dense: dense)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    "aligner",
    [
        dict(type="SinkhornAligner"),
        dict(type="PartialAligner"),
        dict(type="UnbalancedSinkhornAligner"),
    ],
    ids=lambda aligner: aligner["type"],
)
def test_transport_over_supports_of_single_prompts_warns(aligner):
    (message,) = run(dict(type="PromptTopK", k=3), aligner)
    assert "row k means another patch to each. Use SharedTopK" in message
    assert run(dict(type="PromptTopK", k=3), aligner, class_chunk=1) == [message], "once a step"
    (message,) = run(dict(type="PromptTopK", k=(2, 4)), aligner)
    assert "prompts that keep fewer cannot meet it" in message


@pytest.mark.parametrize(
    ("selector", "aligner"),
    [
        (dict(type="SharedTopK", k=3), dict(type="SinkhornAligner")),
        (dict(type="AllPatches"), dict(type="SinkhornAligner")),
        (dict(type="PromptTopK", k=(2, 4)), dict(type="MeanAligner")),
        (dict(type="PromptTopK", k=(2, 4)), dict(type="MaxSimAligner")),
        (dict(type="PromptTopK", k=3), dict(type="UnbalancedSinkhornAligner", rho_patches=0.0)),
    ],
    ids=str,
)
def test_what_makes_sense_does_not_warn(selector, aligner):
    assert run(selector, aligner) == []
