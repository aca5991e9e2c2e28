"""What the text tower leaves out: padding, a shared beginning, the last block; and QuickGELU."""

import pytest
import torch
from open_clip.transformer import QuickGELU
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from plp.backbones._activation import LeanQuickGELU
from plp.prompts import ClassContext, SharedContext, TemplatePrompt
from plp.towers.packing import pack

CLOSE = dict(atol=1e-5, rtol=1e-4)
NAMES = ["cat", "old oak tree", "red car", "golden retriever", "dog"]
PROMPTS = {
    "shared": (SharedContext, dict(num_prompts=3, words="a photo of a"), 5),
    "middle": (SharedContext, dict(num_prompts=2, num_tokens=4, position="middle"), 3),
    "front": (SharedContext, dict(num_prompts=2, num_tokens=4, position="front"), 1),
    "class-specific": (ClassContext, dict(num_prompts=2, num_tokens=3), 1),
}


@pytest.fixture
def prompt(request, tiny):
    """A prompt, and how many tokens its texts have in common."""
    kind, options, shared = PROMPTS[request.param]
    torch.manual_seed(0)
    made = kind(
        **options, embed_words=tiny.embed_words, num_classes=len(NAMES), token_dim=tiny.token_dim
    )
    return made, shared


def texts_and_gradient(tiny, prompt, shared):
    """Texts, and what their gradient makes of the context, with a given number of shared tokens."""
    prompt.zero_grad()
    tokens = prompt(tiny.embed_words(NAMES))
    tokens = tokens if shared is None else tokens._replace(shared=shared)
    text = tiny.encode_text(tokens)
    weight = torch.randn(text.shape, generator=torch.Generator().manual_seed(1))
    (text * weight).sum().backward()
    return text.detach(), prompt.context.grad


@pytest.mark.parametrize("prompt", PROMPTS, indirect=True)
def test_a_shared_beginning_changes_neither_texts_nor_gradients(tiny, prompt):
    made, shared = prompt
    assert made(tiny.embed_words(NAMES)).shared == shared
    once = texts_and_gradient(tiny, made, None)
    for less in range(shared):
        apart = texts_and_gradient(tiny, made, less)
        for found, expected in zip(once, apart, strict=True):
            assert_close(found, expected, **CLOSE)


def test_templates_share_what_the_shortest_beginning_has(tiny):
    names = tiny.embed_words(NAMES)
    made = TemplatePrompt(["a photo of a {}.", "art of the {}."], embed_words=tiny.embed_words)
    tokens = made(names)
    assert tokens.shared == 4
    alone = tiny.encode_text(tokens._replace(shared=0))
    assert_close(tiny.encode_text(tokens), alone, **CLOSE)


def test_every_token_is_computed_once():
    end = torch.tensor([[5, 6], [7, 3]])
    packing = pack(end, length=8, shared=2)
    assert len(packing.kept) == (6 + 7 + 8 + 4) - 2 * 2
    rows = torch.arange(len(packing.kept), dtype=torch.float32)[:, None]
    padded = packing.spread(rows)
    assert torch.equal(packing.collect(padded), rows)
    assert torch.equal(padded[2:, :2], padded[:2, :2])
    assert torch.equal(padded[range(4), end.flatten(), 0], packing.ends.float())
    assert packing.real.sum(1).tolist() == [6, 7, 8, 4]


def flops(tiny, tokens):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        tiny.encode_text(tokens)
    products = counter.get_flop_counts()["Global"]
    return sum(n for op, n in products.items() if "attention" not in str(op))


def test_products_are_counted_by_tokens_that_differ(tiny):
    """Padding costs no product, and a shared beginning that of one class."""
    torch.manual_seed(0)
    prompt = SharedContext(
        2, embed_words=tiny.embed_words, num_classes=5, token_dim=tiny.token_dim, num_tokens=6
    )
    tokens = prompt(tiny.embed_words(NAMES))
    texts, width = tokens.end.numel(), tiny.token_dim
    layers = len(tiny.model.transformer.resblocks)
    every = int((tokens.end + 1).sum())
    once = every - (len(NAMES) - 1) * 2 * tokens.shared

    def expected(rows):
        block = 2 * 12 * width**2
        last = rows * 4 * width**2 + texts * 20 * width**2  # keys, values; queries, the rest
        return (layers - 1) * rows * block + last + texts * 2 * width * tiny.embed_dim

    assert flops(tiny, tokens) == expected(once)
    assert flops(tiny, tokens._replace(shared=0)) == expected(every)
    padded = tokens._replace(embeddings=torch.nn.functional.pad(tokens.embeddings, (0, 0, 0, 50)))
    assert flops(tiny, padded) == expected(once)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_lean_quick_gelu_is_quick_gelu(dtype):
    x = torch.linspace(-30, 30, 4001, dtype=torch.float64).to(dtype)
    found, expected = (x.clone().requires_grad_() for _ in range(2))
    outputs = LeanQuickGELU()(found), QuickGELU()(expected)
    tolerance = (
        dict(atol=2e-2, rtol=2e-2) if dtype == torch.bfloat16 else dict(atol=5e-6, rtol=1e-5)
    )
    assert outputs[0].dtype == dtype
    assert_close(*outputs, **tolerance)
    for output in outputs:
        output.sum().backward()
    assert_close(found.grad, expected.grad, **tolerance)


def test_lean_quick_gelu_passes_gradcheck_twice():
    x = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    assert torch.autograd.gradcheck(LeanQuickGELU(), x)
    assert torch.autograd.gradgradcheck(LeanQuickGELU(), x)


def test_lean_quick_gelu_stands_in_both_towers(tiny):
    kinds = [type(module) for module in tiny.modules()]
    assert QuickGELU not in kinds
    assert kinds.count(LeanQuickGELU) == len(tiny.model.transformer.resblocks) + len(
        tiny.model.visual.transformer.resblocks
    )
