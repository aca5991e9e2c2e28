"""An update of another width is refused with the tuner and the matrix it belongs to."""

import pytest
import torch
from towers import image_cases

from plp.errors import ConfigError
from plp.towers.low_rank import LowRankUpdate
from plp.towers.points import TowerPoints
from plp.tuners.joined import joined


@pytest.fixture(scope="module")
def tower():
    return image_cases.build(next(iter(image_cases.OPEN_CLIP)))[1]


def encoded(tower, **updates):
    points = joined(
        {name: TowerPoints(updates={"blocks.0.fc1": one}) for name, one in updates.items()}
    )
    with torch.no_grad():
        return tower.encode(image_cases.images(), (), points).pooled


def test_what_a_tuner_adds_has_the_width_of_the_product(tower):
    rows, columns = tower.description.matrices()["blocks.0.fc1"].shape
    plain = encoded(tower, own=lambda x: x.new_zeros(*x.shape[:-1], rows))
    told = rf"tuner 'own': the update of 'blocks.0.fc1' takes \[..., {columns}\] and must yield "
    for width in (1, rows + 1):  # one would be added to all of them without a word
        with pytest.raises(ConfigError, match=told):
            encoded(tower, own=lambda x, width=width: x.new_zeros(*x.shape[:-1], width))
    added = encoded(tower, own=lambda x: x.new_ones(rows))
    assert not torch.equal(plain, added)


def test_low_rank_updates_are_refused_before_the_pass(tower):
    rows, columns = tower.description.matrices()["blocks.0.fc1"].shape
    good = LowRankUpdate(torch.ones(1, columns), torch.ones(rows, 1))
    assert encoded(tower, lora=good).isfinite().all()
    wrong = LowRankUpdate(torch.ones(1, columns), torch.ones(rows + 1, 1))
    with pytest.raises(ConfigError, match="tuner 'lora': expected a low-rank update of"):
        encoded(tower, lora=wrong)
    with pytest.raises(ConfigError, match="tuner 'a' or 'b': the update of"):
        encoded(tower, a=lambda x: x[..., :1], b=lambda x: x[..., :1])
