"""Which logits count of classes that were trained, and of others; texts of UCF-101 in TCP."""

import pytest
import torch
from small_towers import fitting
from torch.testing import assert_close

import plp
from plp.config.load import load_config

OLD, MIXED = ("cat", "red fox", "oak"), ("elm", "red fox", "cat", "ash")


@pytest.fixture
def build(root, tiny_options):
    def learner(method, options=None):
        path = root / "configs" / method / "vitb16_16shot.py"
        own = tiny_options | fitting(method, 4) | (options or {})
        return plp.build_learner(path, OLD, own).eval()

    return learner


def test_of_new_classes_the_first_branch_alone_counts(build):
    learner, images = build("mmrl"), torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        old = learner(images)
        learner.set_class_names(MIXED)
        mixed = learner(images)
        learner.set_class_names(OLD)
        again = learner(images)
    for found in (old, again):
        assert_close(found["logits"], 0.7 * found["global"] + 0.3 * found["tokens"])
    fused = 0.7 * mixed["global"] + 0.3 * mixed["tokens"]
    assert_close(mixed["logits"][:, [1, 2]], fused[:, [1, 2]])
    assert_close(mixed["logits"][:, [0, 3]], mixed["global"][:, [0, 3]])
    assert not torch.allclose(mixed["logits"][:, 0], fused[:, 0], atol=1e-4)


def test_words_behind_the_context_of_ucf_stay(build, root):
    recipe = load_config(root / "configs/tcp/vitb16_16shot.py").recipes["ucf101"]
    learner = build("tcp", recipe.to_dict())
    assert learner.branches["global"].prompt.context.shape == (1, 4, 128)
    (told,) = learner.describe()
    assert "a photo of a person doing cat." in told
    losses = learner.train()(torch.randn(2, 3, 96, 96), torch.tensor([0, 2]), mode="loss")
    sum(losses.values()).backward()
    assert learner.branches["global"].prompt.context.grad.abs().sum() > 0
