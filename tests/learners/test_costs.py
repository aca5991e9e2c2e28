"""What a step costs, in counts that do not jitter: products and attention."""

import pytest
import torch
from step_learner import BATCH, CLASSES, learner_of
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


def products(run):
    """Floating-point operations of matrix products and convolutions, attention's own left out."""
    with FlopCounterMode(display=False) as counter:
        run()
    counts = counter.get_flop_counts()["Global"]
    return sum(count for op, count in counts.items() if "attention" not in str(op))


def vision_products(vision, images, embed):
    """Every block once; in the last only what the class token and the V-V stream need."""
    width, layers = vision.conv1.out_channels, len(vision.transformer.resblocks)
    patches = vision.grid_size[0] * vision.grid_size[1]
    tokens, square = patches + 1, 2 * width**2
    pixels = 2 * vision.conv1.weight[0].numel() * width * patches
    blocks = (layers - 1) * tokens * 12 * square + tokens * 2 * square + 10 * square
    return images * (pixels + blocks + layers * patches * square + 2 * width * embed)


def text_products(learner):
    """One pass over tokens that differ; in the last block only what end tokens need."""
    backbone = learner.backbone
    width, embed = backbone.token_dim, backbone.embed_dim
    layers, total = len(backbone.model.transformer.resblocks), 0
    for branch in learner.branches.values():
        tokens = branch.prompt(learner.names)
        classes, prompts = tokens.end.shape
        rows = int((tokens.end + 1).sum()) - (classes - 1) * prompts * tokens.shared
        texts = classes * prompts
        total += (layers - 1) * rows * 24 * width**2
        total += rows * 4 * width**2 + texts * (20 * width**2 + 2 * width * embed)
    return total


def local_products(learner, patches):
    """Projections and cosines, with the gradient of all but the frozen patches and features."""
    width, embed = learner.backbone.dense_dim, learner.backbone.embed_dim
    project = 2 * BATCH * patches * (width**2 + width * embed)
    cosines = 2 * BATCH * patches * len(CLASSES) * 4 * embed
    pooled = 2 * BATCH * len(CLASSES) * 3 * embed
    return 2 * project + 3 * cosines + 2 * pooled


def check_products(learner):
    size = learner.backbone.image_size
    vision = learner.backbone.model.visual
    images = torch.zeros(BATCH, 3, *size, dtype=torch.uint8)
    found = []
    expected = vision_products(vision, BATCH, learner.backbone.embed_dim)
    assert products(lambda: found.append(learner.encode_image(images))) == expected
    (features,) = found
    labels = torch.arange(BATCH)

    def step():
        sum(learner(features, labels, mode="loss").values()).backward()

    patches = features.grid[0] * features.grid[1]
    expected = 2 * text_products(learner) + local_products(learner, patches)
    assert products(step) == expected, "forward and gradient of each product, none for the frozen"


def test_products_of_a_step(root, tiny_options):
    check_products(learner_of(root, tiny_options))


@pytest.mark.parametrize("waste", ["prefix", "padding", "second pass", "image"])
def test_waste_would_be_noticed(root, tiny_options, waste):
    """The four ways in which a step has been dearer than it need be."""
    learner = learner_of(root, tiny_options, text_chunk=1 if waste == "second pass" else None)
    backbone = learner.backbone
    encode_text, encode_image = backbone.encode_text, backbone.encode_image

    def wasteful(prompts):
        end = prompts.end.new_full(prompts.end.shape, int(prompts.end.max()))
        changed = {"prefix": dict(shared=0), "padding": dict(end=end)}
        return encode_text(prompts._replace(**changed.get(waste, {})))

    def twice(images, streams):
        encode_image(images, ())
        return encode_image(images, streams)

    backbone.encode_text = wasteful
    if waste == "image":
        backbone.encode_image = twice
    with pytest.raises(AssertionError):
        check_products(learner)


@pytest.mark.slow
def test_products_of_a_step_of_vit_b_16(root):
    check_products(learner_of(root, {"model.backbone.pretrained": None}))


def attention(run):
    """Floating-point operations of attention's two products, one direction, by their shapes."""
    plain, found = F.scaled_dot_product_attention, []

    def counted(query, key, value, *given, **named):
        *_, length, width = key.shape  # [M, h, L, d]
        found.append(4 * query.numel() // width * length * width)
        return plain(query, key, value, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", counted)
        run()
    return sum(found)


def check_attention(learner):
    """What docs/performance.md says; the texts of a set are padded to its longest."""
    backbone = learner.backbone
    vision, size = backbone.model.visual, backbone.image_size
    images = torch.zeros(BATCH, 3, *size, dtype=torch.uint8)
    width, layers = vision.conv1.out_channels, len(vision.transformer.resblocks)
    patches = vision.grid_size[0] * vision.grid_size[1]
    tokens = patches + 1
    pairs = (layers - 1) * tokens**2 + tokens + layers * patches * tokens
    assert attention(lambda: learner.encode_image(images)) == BATCH * 4 * width * pairs
    expected, layers = 0, len(backbone.model.transformer.resblocks)
    for branch in learner.branches.values():
        end = branch.prompt(learner.names).end
        length = int(end.max()) + 1
        expected += 4 * backbone.token_dim * end.numel() * ((layers - 1) * length**2 + length)

    def encode():
        texts = learner.encode_text()
        sum(text.sum() for text in texts.values()).backward()

    assert attention(encode) == expected


def test_attention_of_a_step(root, tiny_options):
    check_attention(learner_of(root, tiny_options))


@pytest.mark.parametrize("waste", ["length", "second pass", "image"])
def test_wasted_attention_would_be_noticed(root, tiny_options, waste):
    learner = learner_of(root, tiny_options, text_chunk=1 if waste == "second pass" else None)
    backbone = learner.backbone
    encode_text, encode_image = backbone.encode_text, backbone.encode_image
    if waste == "length":  # a place more than the longest text has

        def longer(prompts):
            embeddings = F.pad(prompts.embeddings, (0, 0, 0, 1))
            return encode_text(prompts._replace(embeddings=embeddings, end=prompts.end + 1))

        backbone.encode_text = longer
    if waste == "image":
        backbone.encode_image = lambda i, s: (encode_image(i, ()), encode_image(i, s))[1]
    with pytest.raises(AssertionError):
        check_attention(learner)
