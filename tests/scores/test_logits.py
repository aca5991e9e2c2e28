"""MSP, maximum logit, energy and entropy against plain formulas and scipy."""

import math

import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import entropy
from torch.testing import assert_close
from unchecked import as_installed

from plp.registry import SCORES
from plp.scores import MSP, Energy, Entropy, MaxLogit
from plp.structures import Evidence

SCALE = 12.0


def branch(scores):
    return Evidence(scores, scores[..., None], scores[..., None])


@pytest.fixture
def evidence():
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.rand(4, 5, generator=generator) * 2 - 1 for _ in range(2))
    return {"global": branch(one), "local": branch(two / 4)}


def rows_of(evidence, name=None):
    """Class scores as lists: of one branch, or the plain mean of both."""
    if name:
        return evidence[name].scores.double().tolist()
    one, two = (found.scores.double() for found in evidence.values())
    return ((one + two) / 2).tolist()


def plain(kind, cosines, scale, temperature):
    """One score of one image, one number at a time."""
    logits = [scale * cosine for cosine in cosines]
    if kind is MaxLogit:
        return -max(logits)
    if kind is Energy:
        return -temperature * logsumexp([z / temperature for z in logits])
    powers = [math.exp(z / temperature) for z in logits]
    shares = [power / sum(powers) for power in powers]
    return -max(shares) if kind is MSP else entropy(shares)


@pytest.mark.parametrize("temperature", [1.0, 0.3, 40.0])
@pytest.mark.parametrize("kind", [MSP, MaxLogit, Energy, Entropy])
@pytest.mark.parametrize("name", [None, "local"])
def test_against_plain_formulas(evidence, kind, temperature, name):
    more = {} if kind is MaxLogit else {"temperature": temperature}
    found = kind(logit_scale=SCALE, branch=name, **more)(evidence)
    rows = rows_of(evidence, name)
    expected = [float(plain(kind, row, SCALE, temperature)) for row in rows]
    assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("fusion", ["mean", "sum"])
def test_fusion_is_the_learners(evidence, fusion):
    fused = getattr(torch.stack([found.scores for found in evidence.values()]), fusion)(0)
    assert_close(MaxLogit(SCALE, fusion=fusion)(evidence), -SCALE * fused.amax(-1))
    assert_close(MSP(SCALE, fusion=fusion)(evidence), -(SCALE * fused).softmax(-1).amax(-1))


def test_raw_cosines_make_another_score():
    """At logit scale 1 energy counts how similar the image is to *all* classes: the order turns."""
    peaked, flat = [0.9, -0.5, -0.5], [0.4, 0.4, 0.4]
    evidence = {"global": branch(torch.tensor([peaked, flat]))}
    trained = Energy(logit_scale=30.0)(evidence)
    raw = Energy(logit_scale=1.0)(evidence)
    assert trained[0] < trained[1]
    assert raw[0] > raw[1]


def test_half_precision_is_scored_in_float32():
    scores = torch.tensor([[0.31, 0.30], [0.30, 0.31]], dtype=torch.float16)
    for kind in (MSP, MaxLogit, Energy, Entropy):
        assert kind(100.0)({"global": branch(scores)}).dtype == torch.float32


def test_the_registry_supplies_scale_and_temperature():
    inputs = dict(
        logit_bias=-3.0, logit_scale=30.0, temperature=2.0, pooled="global", dense="local"
    )
    built = {name: SCORES.build(dict(type=name), **inputs) for name in SCORES.names()}
    assert built["Energy"].logit_scale == built["MaxLogit"].logit_scale == 30.0
    assert built["Energy"].temperature == built["MCM"].temperature == 2.0
    assert not hasattr(built["MaxLogit"], "temperature")


def test_wrong_settings(evidence):
    with pytest.raises(ValueError, match=r"expected a logit scale above 0, got 0\.0"):
        MSP(logit_scale=0.0)
    with pytest.raises(ValueError, match=r"expected a temperature above 0, got nan"):
        Energy(logit_scale=1.0, temperature=float("nan"))
    with pytest.raises(ValueError, match="expected a branch 'text' to score, got global, local"):
        Entropy(1.0, branch="text")(evidence)
    assert repr(MSP(10.0)) == "MSP(logit_scale=10.0, fusion='mean', temperature=1.0)"
    with (
        as_installed(),
        pytest.raises(ValueError, match="fusion 'mean', 'sum' or weights by branch, got 'max'"),
    ):
        MSP(1.0, fusion="max")
