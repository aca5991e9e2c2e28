"""Where a mask exists, the length of the padding changes nothing; where none does, it is fixed.

open_clip's own towers run on texts padded to several lengths. Transformers' models are in
`tests/backbones/test_padding_of_hub_models.py`; the law for everyone's backbone is in `TEXT_LAWS`.
"""

import pytest
import torch
from representatives import slow_but
from torch.testing import assert_close
from towers.text_cases import CASES, ENCODERS
from towers.text_oracle import NAMES, TEMPLATE, build, filled, own_ids

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
CAUSAL = ("clip", "XLM-V vocabulary", "mT5 vocabulary", "further norms")
MASKED = (*CAUSAL, "padding masked", *ENCODERS)
# The class token is appended behind the padding and gets the position of its place: the library
# itself knows one length.
ONE_LENGTH = tuple(name for name in CASES if name.startswith("class token appended"))
COUNTS = tuple(name for name in CASES if name not in (*MASKED, *ONE_LENGTH))


def own_at(backbone, length):
    """Return the library's features of texts padded to a length."""
    tower = backbone.model.text
    mask = getattr(tower, "attn_mask", None)
    if mask is not None:  # the library does not cut it
        tower.attn_mask = mask[:length, :length]
    found = tower(own_ids(backbone, [TEMPLATE.format(name) for name in NAMES])[:, :length])
    tower.attn_mask = mask
    return found[0] if isinstance(found, tuple) else found


def lengths_of(backbone, prompts):
    longest = int(prompts.end.max()) + 1
    assert longest + 5 < backbone.context_length
    return longest, longest + 1, longest + 5, backbone.context_length


@torch.no_grad()
@pytest.mark.parametrize("name", slow_but(("clip", "padding masked", "BERT"), MASKED))
def test_masked_padding_changes_nothing(name, tmp_path):
    backbone = build(name, tmp_path)
    prompts = filled(backbone, TEMPLATE, NAMES)
    found = backbone.encode_text(prompts)[:, 0]
    for length in lengths_of(backbone, prompts):
        assert_close(own_at(backbone, length), found, **TOLERANCE)
        longer = torch.nn.functional.pad(
            prompts.embeddings, (0, 0, 0, length - prompts.embeddings.shape[2]), value=9.0
        )
        again = backbone.encode_text(prompts._replace(embeddings=longer))[:, 0]
        assert_close(again, found, **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", slow_but(("SigLIP",), COUNTS))
def test_padding_that_counts_is_that_of_the_whole_context(name, tmp_path):
    backbone = build(name, tmp_path)
    prompts = filled(backbone, TEMPLATE, NAMES)
    found = backbone.encode_text(prompts)[:, 0]
    *shorter, whole = lengths_of(backbone, prompts)
    assert_close(own_at(backbone, whole), found, **TOLERANCE)
    for length in shorter:
        assert (own_at(backbone, length) - found).abs().max() > 1e-3


def test_every_family_is_in_one_group():
    assert {*MASKED, *ONE_LENGTH, *COUNTS} == set(CASES)
    assert len(ONE_LENGTH) == 2
    assert {"SigLIP", "SigLIP2", "CLIPA"} < set(COUNTS)
