"""Tip-Adapter: logits = s cos(f, t_c) + alpha sum_m exp(-beta (1 - f k_m)) [label of m is c]."""

import copy
import math
import pickle

import pytest
import torch
from references import NAMES, assert_method, cosines, cross_entropy, table, unit

from plp.errors import ConfigError
from plp.structures import Shots

KEYS = "branches.cache.keys"
VIEWS, SHOTS = 3, 8


@pytest.fixture
def shots():
    """Views of two shots per class, in no order of classes, and validation images like them."""
    generator = torch.Generator().manual_seed(4)
    centres = torch.randn(4, 64, generator=generator, dtype=torch.float64)
    order = torch.tensor([3, 0, 1, 2, 2, 0, 3, 1])

    def draw(views, images):
        labels = order.repeat(images // len(order))
        noise = torch.randn(views, images, 64, generator=generator, dtype=torch.float64)
        return Shots(3.0 * (centres[labels] + 1.5 * noise), labels)

    return draw(VIEWS, SHOTS), draw(1, 24)


def keys_of(shots):
    """One key a shot: the mean of its raw views, normalised after the mean."""
    means = [sum(shots.pooled[v, m] for v in range(VIEWS)) / VIEWS for m in range(SHOTS)]
    return torch.stack([unit(mean) for mean in means])


def logits_of(clip, images, keys, labels, alpha, beta):
    texts = [clip.sentence(f"a photo of a {name}.").detach() for name in NAMES]
    zero_shot = clip.scale * cosines(images, texts)
    rows = []
    for image in images:
        affinities = [torch.exp(-beta * (1 - unit(image) @ key)) for key in keys]
        rows.append(
            [
                sum(a for a, label in zip(affinities, labels.tolist(), strict=True) if label == c)
                for c in range(len(NAMES))
            ]
        )
    return zero_shot + alpha * table(rows)


def tip_adapter(clip, pixels, shots, alpha=1.0, beta=5.5):
    """Reference; keys that are learned are not normalised again."""

    def reference(learned):
        keys = learned.get(KEYS, keys_of(shots))
        logits = logits_of(clip, clip.images(pixels), keys, shots.labels, alpha, beta)
        return {"logits": logits, "cache": logits}, {"loss_cache": cross_entropy(logits)}

    return reference


def test_tip_adapter(build, clip_of, pixels, shots):
    learner = build("tip_adapter/vitb16_16shot")
    assert learner.fit(*shots) == [f"cache: cache of {SHOTS} keys, {VIEWS} views each"]
    assert not any(p.requires_grad for p in learner.parameters())
    assert_method(learner, pixels, tip_adapter(clip_of(learner), pixels, shots[0]))


def test_tip_adapter_f(build, clip_of, pixels, shots):
    learner = build("tip_adapter_f/vitb16_16shot")
    learner.fit(*shots)
    torch.testing.assert_close(learner.state_dict()[KEYS], keys_of(shots[0]))
    assert_method(learner, pixels, tip_adapter(clip_of(learner), pixels, shots[0]))
    with torch.no_grad():  # keys leave the sphere in training, and stay outside
        learner.get_parameter(KEYS).mul_(1.5).add_(0.1)
    assert_method(learner, pixels, tip_adapter(clip_of(learner), pixels, shots[0]))


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda learner: pickle.loads(pickle.dumps(learner))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_makes_room_for_a_state_in_itself(build, shots, copied):
    fitted, learner = build("tip_adapter/vitb16_16shot"), build("tip_adapter/vitb16_16shot")
    fitted.fit(*shots)
    twin = copied(learner)
    twin.load_state_dict(fitted.state_dict())
    assert torch.equal(twin.state_dict()[KEYS], fitted.state_dict()[KEYS])
    assert len(learner.state_dict()[KEYS]) == 0


@pytest.mark.parametrize("method", ["tip_adapter", "tip_adapter_f"])
def test_constants_are_searched_on_validation_images(build, clip_of, pixels, shots, method):
    """Over alpha in 0.1 ... 3 and beta in 0.1 ... 7: best accuracy, then lowest cross-entropy."""
    options = {
        "model.branches.cache.alpha_grid": (3.0, 5),
        "model.branches.cache.beta_grid": (7, 8),
    }
    learner = build(f"{method}/vitb16_16shot", options)
    learner.fit(*shots)
    val, found = shots[1], []
    clip, keys = clip_of(learner), keys_of(shots[0])
    for i in range(8):
        for j in range(5):
            alpha, beta = 0.1 + j * (3.0 - 0.1) / 5, 0.1 + i * (7.0 - 0.1) / 8
            logits = logits_of(clip, val.pooled[0], keys, shots[0].labels, alpha, beta)
            hits = sum(
                int(row.argmax()) == int(c) for row, c in zip(logits, val.labels, strict=True)
            )
            found.append((hits, -float(cross_entropy(logits, val.labels)), alpha, beta))
    best = max(found)
    ties = [point for point in found if point[0] == best[0]]
    assert len(ties) > 1, "cross-entropy decides"
    assert best[0] > min(found)[0], "accuracy comes first"
    (line,) = learner.tune(val)
    _, _, alpha, beta = best
    assert line.partition(", the last of")[0] == (
        f"cache: alpha {alpha:.3g}, beta {beta:.3g}: "
        f"validation accuracy {100 * best[0] / len(val.labels):.1f} %"
    )
    assert_method(learner, pixels, tip_adapter(clip, pixels, shots[0], alpha, beta))


def test_a_search_that_ends_at_its_end_says_so(build, shots):
    options = {
        "model.branches.cache.alpha_grid": (0.3, 2),
        "model.branches.cache.beta_grid": (5, 1),
    }
    learner = build("tip_adapter/vitb16_16shot", options)
    learner.fit(*shots)
    own = Shots(shots[0].pooled, shots[0].labels)  # the cache knows them: the more of it the better
    (line,) = learner.tune(own)
    assert line.endswith("%, the last of alpha_grid: try a wider one"), line


@pytest.mark.parametrize("grid", [(math.nan, 5), (math.inf, 5), (3.0, math.inf), (3.0, 1e30)])
def test_a_grid_of_no_numbers_is_refused(build, grid):
    with pytest.raises(ConfigError, match="expected beta_grid as "):
        build("tip_adapter/vitb16_16shot", {"model.branches.cache.beta_grid": grid})


def test_the_searched_grid_is_the_published_one(build):
    """value_i = 0.1 + i (scale - 0.1) / steps, upper end excluded: 20 of alpha, 200 of beta."""
    branch = build("tip_adapter/vitb16_16shot").branches["cache"]
    assert branch.alpha_grid == pytest.approx([0.1 + i * (3 - 0.1) / 20 for i in range(20)])
    assert branch.beta_grid == pytest.approx([0.1 + i * (7 - 0.1) / 200 for i in range(200)])


@pytest.mark.parametrize(("alpha", "beta"), [(1.1, 5.5), (1.0, 5.0)])
def test_other_constants_are_noticed(build, clip_of, pixels, shots, alpha, beta):
    learner = build("tip_adapter/vitb16_16shot")
    learner.fit(*shots)
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, tip_adapter(clip_of(learner), pixels, shots[0], alpha, beta))


def test_labels_belong_to_the_keys(build, clip_of, pixels, shots):
    learner = build("tip_adapter/vitb16_16shot")
    learner.fit(*shots)
    moved = Shots(shots[0].pooled, shots[0].labels.roll(1))
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, tip_adapter(clip_of(learner), pixels, moved))
