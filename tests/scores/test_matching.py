"""Maximum concept matching against plain formulas."""

import math

import pytest
import torch
from torch.testing import assert_close

from plp.scores import MCM, GlobalLocalMCM, LocalMCM
from plp.structures import Evidence


@pytest.fixture
def evidence():
    generator = torch.Generator().manual_seed(0)

    def branch():
        singles = torch.rand(2, 3, 4, generator=generator) * 2 - 1
        patches = torch.rand(2, 5, 3, generator=generator) * 2 - 1
        return Evidence(singles.mean(-1) / 4, singles, singles, patch_scores=patches)

    return {"global": branch(), "local": branch()}


def probability(cosines, temperature):
    """Largest entry of a softmax, one number at a time."""
    powers = [math.exp(cosine / temperature) for cosine in cosines]
    return max(powers) / sum(powers)


@pytest.mark.parametrize("temperature", [1.0, 0.05])
def test_against_plain_formulas(evidence, temperature):
    images = evidence["global"].prompt_scores.double().mean(-1).tolist()
    patches = evidence["local"].patch_scores.double().tolist()
    whole = torch.tensor([-probability(row, temperature) for row in images])
    local = torch.tensor([-max(probability(row, temperature) for row in rows) for rows in patches])
    assert_close(MCM(temperature)(evidence), whole)
    assert_close(LocalMCM(temperature)(evidence), local)
    assert_close(GlobalLocalMCM(temperature)(evidence), whole + local)


def test_the_scale_of_a_branchs_scores_plays_no_part(evidence):
    scaled = {name: found._replace(scores=found.scores * 9) for name, found in evidence.items()}
    assert torch.equal(GlobalLocalMCM()(scaled), GlobalLocalMCM()(evidence))


def test_branches_by_name(evidence):
    other = {"whole": evidence["global"], "parts": evidence["local"]}
    score = GlobalLocalMCM(pooled="whole", dense="parts")
    assert torch.equal(score(other), GlobalLocalMCM()(evidence))
    with pytest.raises(ValueError, match="expected a branch 'global' to score, got whole, parts"):
        MCM()(other)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperatures_are_above_zero(temperature):
    with pytest.raises(ValueError, match="expected a temperature above 0"):
        MCM(temperature)
    assert repr(MCM(0.5)) == "MCM(temperature=0.5)"
