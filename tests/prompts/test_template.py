"""Templates against open_clip's own tokenizer and text tower."""

import open_clip
import pytest
import torch
from cases import toy_words
from torch.testing import assert_close
from unchecked import as_installed

from plp.prompts import TemplatePrompt
from plp.registry import BACKBONES

TEMPLATES = ["a photo of a {}.", "{}", "{} in the rain, at night.", "a (blurred) '{}'!"]
CLASSES = ["cat", "old oak tree", "Yak-40", "kite (bird of prey)", "C++"]


@pytest.fixture(scope="module")
def backbone(tiny_options):
    prefix = "model.backbone."
    options = {key.removeprefix(prefix): value for key, value in tiny_options.items()}
    return BACKBONES.build(dict(type="OpenCLIPBackbone", quick_gelu=True, **options))


def test_equals_the_encoding_of_the_whole_string(backbone):
    prompt = TemplatePrompt(TEMPLATES, embed_words=backbone.embed_words)
    with torch.no_grad():
        found = backbone.encode_text(prompt(backbone.embed_words(CLASSES)))
        tokenizer = open_clip.SimpleTokenizer()
        for c, name in enumerate(CLASSES):
            tokens = tokenizer([template.format(name) for template in TEMPLATES])
            assert_close(found[c], backbone.model.encode_text(tokens), atol=2e-5, rtol=1e-5)


def test_nothing_is_learned_or_saved():
    prompt = TemplatePrompt(embed_words=toy_words)
    assert list(prompt.parameters()) == []
    assert list(prompt.state_dict()) == []
    assert prompt.describe() == ["a photo of a {}."]


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ([], "non-empty list of templates"),
        ("a {}.", r"the name of a set \(one, article, clip_7, clip_60, clip_80\), got 'a {}.'"),
        (["a photo"], "exactly one {} .* got 'a photo'"),
        (["a {} {}"], "exactly one {} .* got 'a {} {}'"),
        (["many {}s"], "touches no letter or digit, got 'many {}s'"),
        (["mini{}"], "touches no letter or digit, got 'mini{}'"),
        (["fine {}", "7{}"], "touches no letter or digit, got '7{}'"),
    ],
)
def test_refused(templates, message):
    with as_installed(), pytest.raises(ValueError, match=message):
        TemplatePrompt(templates, embed_words=toy_words)
