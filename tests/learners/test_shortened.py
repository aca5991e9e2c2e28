"""Class names whose texts are too long for the text tower: cut, and said once."""

import warnings

import pytest
import torch

from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner
from plp.learners.readable_names import names_note
from plp.learners.shortened import ShortenedTextsWarning

PREFIX = "ox " * 70  # 70 tokens
LONG = [PREFIX + "owl elk", PREFIX + "owl elk ant bee", "ox " * 90, "elk"]
ZERO_SHOT = dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt"))
COOP = dict(type="GlobalBranch", prompt=dict(type="SharedContext", num_tokens=16, suffix="."))
OWN = dict(type="GlobalBranch", prompt=dict(type="ClassContext", num_tokens=4))
COCOOP = dict(type="GlobalBranch", prompt=dict(type="ImageContext", num_tokens=16))


@pytest.fixture
def learn(backbone):
    def build(names, **branches):
        return PromptLearner(backbone, branches, names)

    return build


def warned(build, *args, **kwargs):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        learner = build(*args, **kwargs)
    return learner, [str(w.message) for w in heard if w.category is ShortenedTextsWarning]


def test_names_that_fit_are_no_matter(learn):
    learner, heard = warned(learn, ["ox", "elk", "ox " * 50], a=ZERO_SHOT, b=COOP, c=COCOOP)
    assert learner.shortened is None
    assert heard == []
    assert names_note("photos", learner) == ()


def test_all_is_said_once(learn):
    learner, heard = warned(learn, LONG, zero=ZERO_SHOT, coop=COOP, own=OWN, cocoop=COCOOP)
    found = learner.shortened
    assert found.names == tuple(LONG[:3])
    assert found.alike == (tuple(LONG[:3]),)  # of 16 and 59 tokens; of 4 and 71 only two are
    assert found.prompts == ("zero", "coop", "own", "cocoop")
    (message,) = heard
    assert "texts of 3 classes are too long" in message
    assert "(in zero, coop, own, cocoop)" in message
    assert "3 classes read like another one then ('ox ox" in message
    assert f"photos: {message}" in names_note("photos", learner)


def test_only_names_that_differ_behind_the_cut_read_alike(learn):
    learner, _ = warned(learn, LONG, zero=ZERO_SHOT)
    assert learner.shortened.alike == (tuple(LONG[:2]),)


def test_only_the_prompts_that_cut_are_named(learn):
    learner, heard = warned(learn, ["ox", "elk " * 65], zero=ZERO_SHOT, coop=COOP)
    assert learner.shortened.prompts == ("coop",)
    assert learner.shortened.alike == ()
    assert len(heard) == 1


def test_one_long_name_among_many_short_ones_is_found(learn):
    names = [f"kind {i}" for i in range(200)]
    names.insert(150, PREFIX + "owl elk")
    learner, _ = warned(learn, names, zero=ZERO_SHOT)
    assert learner.shortened.names == (names[150],)


def test_contexts_of_a_class_tell_names_apart_that_are_cut_alike(learn):
    learner, _ = warned(learn, LONG[:2], own=OWN)
    assert learner.shortened.alike == ()


def test_new_class_names_are_looked_at(learn):
    learner, heard = warned(learn, ["ox", "elk"], coop=COOP)
    assert heard == []
    _, heard = warned(learner.set_class_names, LONG)
    assert len(heard) == 1


def test_texts_of_cut_names_can_be_learned(learn):
    learner, _ = warned(learn, LONG, coop=COOP, cocoop=COCOOP)
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    losses = learner(images, torch.tensor([0, 3]), mode="loss")
    sum(losses.values()).backward()
    context = learner.branches["coop"].prompt.context
    assert bool((context.grad.norm(dim=-1) > 0).all())  # none of the learned vectors is cut off


@pytest.mark.parametrize("tokens", [75, 80])
def test_context_that_leaves_no_room_for_a_name_is_refused(learn, tokens):
    prompt = dict(type="SharedContext", num_tokens=tokens)
    with pytest.raises(ConfigError, match=f"{tokens} tokens around .* leave no room .* most 75"):
        learn(["ox", "elk"], coop=dict(type="GlobalBranch", prompt=prompt))


def test_words_and_templates_that_leave_no_room_are_refused(learn):
    context = dict(type="SharedContext", words="ox " * 75)
    with pytest.raises(ValueError, match="words of fewer than 75 tokens"):
        learn(["ox", "elk"], coop=dict(type="GlobalBranch", prompt=context))
    template = dict(type="TemplatePrompt", templates=["ox " * 75 + "{}"])
    with pytest.raises(ConfigError, match=r"75 tokens before .* leave no room"):
        learn(["ox", "elk"], zero=dict(type="GlobalBranch", prompt=template))
