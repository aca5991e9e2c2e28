"""Points inside towers of transformers' models, against the library with other weights."""

import pytest
import torch
from backbones.hf_folders import CASES, FEW, write_model
from backbones.test_transformers_backbone import (
    NAMES,
    TEMPLATE,
    filled,
    ids_of,
    own_image_features,
    pixels,
)
from representatives import slow_but
from torch import nn
from torch.testing import assert_close
from towers.point_cases import low_rank, merged, other_norms, with_parameters, zero
from transformers import AutoTokenizer

from plp.backbones import TransformersBackbone
from plp.towers.points import ExtraTokens, TowerPoints
from plp.towers.streams import TransformerStreams

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


class Features(nn.Module):
    """One of the library's own ways to features, as a module whose weights can be others."""

    def __init__(self, model, way) -> None:
        super().__init__()
        self.model, self.way = model, way

    def forward(self):
        return self.way(self.model)


@pytest.fixture(scope="module", params=slow_but(FEW, CASES))
def both(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_model(request.param, folder)
    backbone = TransformersBackbone(folder)
    ids = ids_of(
        backbone.model, AutoTokenizer.from_pretrained(folder), [TEMPLATE.format(n) for n in NAMES]
    )
    images, prompts = pixels(backbone), filled(backbone, TEMPLATE, NAMES)
    text = Features(backbone.model, lambda model: model.get_text_features(**ids).pooler_output)
    ways = [
        (backbone.text_tower.description, text, lambda points: texts(points)[:, 0]),
    ]

    def texts(points):
        return backbone.encode_text(prompts, points)

    if isinstance(backbone.image_tower, TransformerStreams):
        image = Features(backbone.model, lambda model: own_image_features(model, images))
        ways.append(
            (
                backbone.image_tower.description,
                image,
                lambda points: backbone.encode_image(images, points=points).pooled,
            )
        )
    return ways


@torch.no_grad()
def test_updates_and_norms_are_the_library_with_these_weights(both):
    for description, own, ours in both:
        assert {f"blocks.0.{part}" for part in ("q", "k", "v", "o", "fc1", "fc2")} <= set(
            description.matrices()
        )
        assert {"blocks.0.norm1", "blocks.1.norm2"} <= set(description.norms())
        updates = low_rank(description)
        expected = with_parameters(own, merged(description, own, updates))
        assert_close(ours(TowerPoints(updates=updates)), expected, **TOLERANCE)
        given, parameters = other_norms(description, own)
        found = ours(TowerPoints(weights=given))
        assert_close(found, with_parameters(own, parameters), **TOLERANCE)
        still = {name: zero(update) for name, update in updates.items()}
        assert torch.equal(ours(TowerPoints(updates=still)), ours(None))


@torch.no_grad()
def test_tokens_may_be_put_in_and_taken_out(both):
    for description, _, ours in both:
        if not hasattr(description, "blocks"):
            continue
        width = description.width
        group = ExtraTokens({0: torch.ones(2, width)}, until=1)
        found = ours(TowerPoints(extra={"x": group}))
        assert (found - ours(None)).norm() > 0
        assert found.shape == ours(None).shape
