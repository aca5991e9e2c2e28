"""Transformers' text towers with a mask give one feature however far texts are padded."""

import pytest
import torch
from backbones.hf_folders import CASES, FEW, write_model
from backbones.test_transformers_backbone import PADDED, TEMPLATE, filled, ids_of
from representatives import slow_but
from torch.nn import functional as F
from torch.testing import assert_close
from transformers import AutoTokenizer

from plp.backbones import TransformersBackbone

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
MORE = (0, 1, 4)
NAMES = ["ox", "grey owl"]


@pytest.fixture(scope="module", params=slow_but(FEW, CASES))
def both(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = write_model(request.param, folder)
    return model, AutoTokenizer.from_pretrained(folder), TransformersBackbone(folder)


@torch.no_grad()
def test_padding_changes_nothing_where_a_mask_exists(both):
    model, tokenizer, backbone = both
    prompts = filled(backbone, TEMPLATE, NAMES)
    found = backbone.encode_text(prompts)[:, 0]
    inputs = ids_of(model, tokenizer, [TEMPLATE.format(name) for name in NAMES])
    counts = model.config.model_type in PADDED
    assert counts == ("attention_mask" not in inputs)
    for more in MORE:
        ids = inputs["input_ids"]
        ids = (
            ids[:, : ids.shape[1] - more]
            if counts
            else F.pad(ids, (0, more), value=tokenizer.pad_token_id)
        )
        mask = {} if counts else {"attention_mask": F.pad(inputs["attention_mask"], (0, more))}
        expected = model.get_text_features(input_ids=ids, **mask).pooler_output
        if counts and more:  # the place that is read has another position
            assert (expected - found).abs().max() > 1e-3
        else:
            assert_close(found, expected, **TOLERANCE)
        longer = F.pad(prompts.embeddings, (0, 0, 0, more), value=9.0)
        again = backbone.encode_text(prompts._replace(embeddings=longer))[:, 0]
        assert_close(again, found, **TOLERANCE)
