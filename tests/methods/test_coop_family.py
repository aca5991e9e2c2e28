"""Methods that learn a context: CoOp, CoCoOp, KgCoOp and LoCoOp."""

import pytest
import torch
from references import (
    LABELS,
    NAMES,
    TIGHT,
    assert_method,
    cosines,
    cross_entropy,
    table,
    unit,
)

from plp.config.load import load_config

CONTEXT = "branches.global.prompt.context"


def prompted(clip, context, name, position="end", stop="."):
    """Text of a class: `start, context, name, full stop, end`, the name where `position` says."""
    cut = {"end": len(context), "middle": len(context) // 2, "front": 0}[position]
    rest = [clip.words(stop)] if stop else []
    return clip.text(context[:cut], clip.words(name), context[cut:], *rest)


def coop(clip, pixels, context_of, position="end", stop="."):
    """Reference of CoOp: `context_of(learned, c)` is the context [T, D] of class c."""

    def reference(learned):
        texts = [
            prompted(clip, context_of(learned, c), name, position, stop)
            for c, name in enumerate(NAMES)
        ]
        logits = clip.scale * cosines(clip.images(pixels), texts)
        return {"logits": logits, "global": logits}, {"loss_global": cross_entropy(logits)}

    return reference


def shared(learned, _):
    return learned[CONTEXT][0]


def of_class(learned, c):
    return learned[CONTEXT][c, 0]


# ------------------------------------------------------------------------------------------- CoOp


@pytest.mark.parametrize(
    ("variant", "shape", "context_of", "position"),
    [
        ("", (1, 16, 128), shared, "end"),
        ("_words", (1, 4, 128), shared, "end"),
        ("_class_context", (4, 1, 16, 128), of_class, "end"),
        ("_middle", (1, 16, 128), shared, "middle"),
        ("_front", (1, 16, 128), shared, "front"),
    ],
)
def test_coop(build, clip_of, pixels, variant, shape, context_of, position):
    learner = build(f"coop/vitb16_16shot{variant}")
    assert learner.state_dict()[CONTEXT].shape == shape
    assert_method(learner, pixels, coop(clip_of(learner), pixels, context_of, position))


def test_coop_starts_as_published(build, clip_of):
    """Sixteen tokens from N(0, 0.02^2), or the embeddings of "a photo of a"."""
    context = build("coop/vitb16_16shot", stirred=0.0).state_dict()[CONTEXT]
    assert abs(float(context.std()) - 0.02) < 2e-3
    assert abs(float(context.mean())) < 2e-3
    words = build("coop/vitb16_16shot_words", stirred=0.0)
    expected = clip_of(words).words("a photo of a")
    torch.testing.assert_close(words.state_dict()[CONTEXT][0], expected)


@pytest.mark.parametrize(("position", "stop"), [("front", "."), ("end", "")])
def test_another_text_is_noticed(build, clip_of, pixels, position, stop):
    learner = build("coop/vitb16_16shot")
    with pytest.raises(AssertionError, match="not close"):
        assert_method(learner, pixels, coop(clip_of(learner), pixels, shared, position, stop))


# ------------------------------------------------------------------------------------------ CoCoOp


def cocoop(clip, pixels, stop):
    """Token m of image x is v_m + h(n(f_x)), h = W2 ReLU(W1 . + b1) + b2."""

    def reference(learned):
        meta = {key.rpartition("meta.")[2]: value for key, value in learned.items()}
        rows = []
        for image in clip.images(pixels):
            hidden = (meta["0.weight"] @ unit(image) + meta["0.bias"]).clamp(min=0)
            context = learned[CONTEXT][0] + meta["2.weight"] @ hidden + meta["2.bias"]
            texts = [prompted(clip, context, name, stop=stop) for name in NAMES]
            rows.append([clip.scale * (unit(image) @ unit(text)) for text in texts])
        logits = table(rows)
        return {"logits": logits, "global": logits}, {"loss_global": cross_entropy(logits)}

    return reference


def suffix_of(learner):
    """What the prompt is said to end with."""
    return learner.branches["global"].prompt.describe()[0].partition("{}")[2]


def test_cocoop(build, clip_of, pixels):
    learner = build("cocoop/vitb16_16shot")
    shapes = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    meta = "branches.global.prompt.meta"
    assert shapes == {
        CONTEXT: (1, 4, 128),
        f"{meta}.0.weight": (64 // 16, 64),
        f"{meta}.0.bias": (64 // 16,),
        f"{meta}.2.weight": (128, 64 // 16),
        f"{meta}.2.bias": (128,),
    }
    assert_method(learner, pixels, cocoop(clip_of(learner), pixels, suffix_of(learner)))


@pytest.mark.parametrize("suffix", ["", ".", ", a photo."])
def test_cocoop_with_any_end(build, clip_of, pixels, suffix):
    """The published code ends its prompts with a full stop."""
    learner = build("cocoop/vitb16_16shot", {"model.branches.global.prompt.suffix": suffix})
    assert suffix_of(learner) == suffix
    assert_method(learner, pixels, cocoop(clip_of(learner), pixels, suffix))


# ------------------------------------------------------------------------------------------ KgCoOp


def kgcoop(clip, pixels, template, weight=8.0):
    """CoOp's loss plus `weight` times the mean over classes of 1 - cos(t_c, teacher_c)."""

    def reference(learned):
        texts = [prompted(clip, learned[CONTEXT][0], name) for name in NAMES]
        teachers = [clip.sentence(template.format(name)).detach() for name in NAMES]
        logits = clip.scale * cosines(clip.images(pixels), texts)
        apart = [1 - unit(t) @ unit(w) for t, w in zip(texts, teachers, strict=True)]
        anchor = weight * sum(apart) / len(apart)
        losses = {"loss_global": cross_entropy(logits), "loss_anchor": anchor}
        return {"logits": logits, "global": logits}, losses

    return reference


def test_kgcoop(build, clip_of, pixels):
    learner = build("kgcoop/vitb16_16shot")
    assert learner.state_dict()[CONTEXT].shape == (1, 4, 128)
    assert_method(learner, pixels, kgcoop(clip_of(learner), pixels, "a photo of a {}."))


def test_kgcoop_takes_the_template_of_the_data_set(build, clip_of, pixels, root):
    recipe = load_config(root / "configs/kgcoop/vitb16_16shot.py").recipes["dtd"]
    learner = build("kgcoop/vitb16_16shot", recipe)
    template = "a photo of a {}, a type of texture."
    assert_method(learner, pixels, kgcoop(clip_of(learner), pixels, template))


def test_kgcoop_penalty_is_half_of_the_papers_squared_distance(build, clip_of, pixels):
    learner = build("kgcoop/vitb16_16shot")
    clip = clip_of(learner)
    texts = [prompted(clip, learner.state_dict()[CONTEXT][0], name) for name in NAMES]
    teachers = [clip.sentence(f"a photo of a {name}.") for name in NAMES]
    squared = [(unit(t) - unit(w)).square().sum() for t, w in zip(texts, teachers, strict=True)]
    found = learner(pixels, LABELS, mode="loss")["loss_anchor"]
    torch.testing.assert_close(found.detach(), 8.0 * torch.stack(squared).mean() / 2)


# ------------------------------------------------------------------------------------------ LoCoOp


def locoop(clip, pixels, top, inside=0.0, weight=0.25):
    """CoOp's loss minus `weight` times the mean entropy of background patches of the batch.

    The published code has log(p + 1e-5) in the entropy (`inside`); ours is exact.
    """

    def reference(learned):
        texts = [prompted(clip, learned[CONTEXT][0], name) for name in NAMES]
        logits = clip.scale * cosines(clip.images(pixels), texts)
        entropies = []
        for patches, label in zip(clip.dense(pixels, "value"), LABELS.tolist(), strict=True):
            for patch in patches @ clip.projection:
                z = torch.stack([clip.scale * (unit(patch) @ unit(text)) for text in texts])
                if label not in z.argsort(descending=True)[:top].tolist():
                    p = z.exp() / z.exp().sum()
                    entropies.append(-sum(x * (x + inside).log() for x in p))
        background = -weight * sum(entropies) / len(entropies)
        losses = {"loss_global": cross_entropy(logits), "loss_background": background}
        return {"logits": logits, "global": logits}, losses

    return reference


@pytest.mark.parametrize(("given", "top"), [(0.2, 1), (0.5, 2), (2, 2), (3, 3)])
def test_locoop(build, clip_of, pixels, given, top):
    learner = build("locoop/vitb16_16shot", {"model.losses.background.top": given})
    assert_method(learner, pixels, locoop(clip_of(learner), pixels, top))


def test_locoop_config_scales_the_published_rank(build):
    """Published: 200 of ImageNet's 1000 classes."""
    term = build("locoop/vitb16_16shot").losses["background"]
    assert (term.top, term.weight, term.temperature) == (200 / 1000, 0.25, 1.0)
    logits = torch.arange(1000.0).flip(0).expand(200, 1, 1000)  # class c has rank c
    labels = torch.arange(100, 300)
    assert term.background(logits, labels)[:, 0].tolist() == [rank >= 200 for rank in labels]


def test_locoop_published_offset_in_the_logarithm_is_small(build, clip_of, pixels):
    """-p log(p + d) is at most d below -p log p: the term differs by at most weight * C * d."""
    learner = build("locoop/vitb16_16shot")
    clip = clip_of(learner)
    context = {CONTEXT: learner.state_dict()[CONTEXT]}
    exact, published = (
        locoop(clip, pixels, 1, inside)(context)[1]["loss_background"] for inside in (0.0, 1e-5)
    )
    found = learner(pixels, LABELS, mode="loss")["loss_background"].detach()
    torch.testing.assert_close(found, exact, **TIGHT)
    assert 0 < published - exact <= 0.25 * len(NAMES) * 1e-5


def test_locoop_without_background_is_coop(build, clip_of, pixels):
    learner = build("locoop/vitb16_16shot", {"model.losses.background.top": 4})
    losses = learner(pixels, LABELS, mode="loss")
    assert losses["loss_background"] == 0
    expected = coop(clip_of(learner), pixels, shared)({CONTEXT: learner.state_dict()[CONTEXT]})[1]
    torch.testing.assert_close(losses["loss_global"].detach(), expected["loss_global"])
