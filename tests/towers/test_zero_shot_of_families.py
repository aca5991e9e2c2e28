"""Zero-shot through the learner against each library's own logits; laws of its logits."""

import pytest
import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from representatives import slow_but
from torch.testing import assert_close
from towers.family_cases import FAMILIES, FEW, SIDE, build_family

from plp.learners.prompt_learner import PromptLearner
from plp.probability import PROBABILITIES, probabilities_of

NAMES = ["ox", "kite (bird)", "great grey owl"]
TEMPLATE = "a photo of a {}."


@pytest.fixture(scope="module", params=slow_but(FEW, FAMILIES))
def backbone(request, tmp_path_factory):
    return build_family(request.param, tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (4, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


def logits_of(backbone, names, images):
    prompt = dict(type="TemplatePrompt", templates=[TEMPLATE])
    learner = PromptLearner(backbone, {"global": dict(type="GlobalBranch", prompt=prompt)}, names)
    with torch.no_grad():
        return learner.eval().logits(images)["logits"]


def own_logits(backbone, names, images):
    tokens = backbone._text.tokens
    name, length = getattr(tokens, "_name", None), backbone.context_length
    options = getattr(tokens, "_options", {})
    tokenizer = (
        SimpleTokenizer(context_length=length)
        if name is None
        else HFTokenizer(name, context_length=length, **options)
    )
    texts = tokenizer([TEMPLATE.format(name) for name in names])
    with torch.no_grad():
        return backbone.model.get_logits(backbone.normalise(images), texts)[0]


def test_probabilities_are_the_librarys_own(backbone, images):
    found = logits_of(backbone, NAMES, images)
    expected = own_logits(backbone, NAMES, images)
    assert_close(found, expected, atol=1e-4, rtol=1e-4)  # scale and bias among them
    for kind in PROBABILITIES:
        mine, theirs = probabilities_of(found, kind), probabilities_of(expected, kind)
        assert_close(mine, theirs, atol=1e-5, rtol=1e-3)
    assert (backbone.logit_bias is None) is (backbone.model.logit_bias is None)


def test_order_and_number_of_classes_change_no_logit(backbone, images):
    logits = logits_of(backbone, NAMES, images)
    more = logits_of(backbone, [*NAMES[::-1], "a very long name of an animal"], images)
    assert_close(more[:, :3].flip(1), logits, atol=1e-4, rtol=1e-4)


def test_batch_is_loop(backbone, images):
    batch = logits_of(backbone, NAMES, images)
    alone = torch.cat([logits_of(backbone, NAMES, image[None]) for image in images])
    assert_close(alone, batch, atol=1e-4, rtol=1e-4)
