"""Classes sorted by the length of their texts: parts, their order, and what they spare."""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

import plp
from plp.learners import length_order, texts
from plp.learners.length_order import by_length, in_order, part_sizes
from plp.testing.tensor_bytes import PeakTensorBytes

# As names are: most are short, few are long.
NAMES = [f"very old oak tree number {i}" if i % 4 == 2 else f"thing {i}" for i in range(128)]


def test_rows_of_sorted_classes_find_their_places():
    lengths = torch.tensor([3, 1, 2, 1])
    order = by_length(lengths)
    assert order.tolist() == [1, 3, 2, 0]
    rows = torch.randn(4, 2, 3, requires_grad=True)
    assert torch.equal(in_order(rows[order], order), rows)
    weight = torch.randn(4, 2, 3)
    (in_order(rows, order) * weight).sum().backward()
    assert torch.equal(rows.grad, weight[order])


@pytest.mark.parametrize(
    ("lengths", "most", "sizes"),
    [
        ([1] * 500 + [2] * 250 + [3] * 250, None, [500, 250, 250]),  # no more by halving the last
        ([2] * 1000, None, [1000]),
        ([1] * 32 + [2] * 32, None, [32, 32]),
        ([1] * 32 + [2] * 31, None, [63]),
        ([1] * 32 + [2] * 32, 64, [32, 32]),
        ([1], None, [1]),
        ([2] * 64, 30, [30, 30, 4]),
        ([1] * 32 + [2] * 32, 30, [30, 28, 6]),  # 56 tokens of padded names a part
        ([1] * 5 + [7], 2, [2, 2, 1, 1]),
        ([0, 0, 3], 1, [1, 1, 1]),
    ],
)
def test_the_shorter_half_is_split_off_where_it_pays(lengths, most, sizes):
    assert part_sizes(torch.tensor(lengths), most) == sizes


def test_a_part_of_long_names_takes_no_more_than_one_of_mean_length():
    torch.manual_seed(0)
    lengths = torch.distributions.Geometric(0.3).sample((1000,)).long().sort().values + 1
    sizes = part_sizes(lengths, 50)
    assert sum(sizes) == 1000
    parts = lengths.split(sizes)
    room = 1.25 * 50 * int(lengths.sum()) / 1000
    assert max(len(part) * int(part[-1]) for part in parts) <= room
    assert max(sizes) == 50
    for part, more in itertools.pairwise(parts):  # none could take one class more
        assert len(part) == 50 or (len(part) + 1) * int(more[0]) > room


def build(root, tiny_options, name, options, names=NAMES):
    config = root / "configs" / f"{name}.py"
    return plp.build_learner(config, names, tiny_options | options, seed=0).train()


def step(learner, seen):
    """Texts, the gradient of each learned tensor, bytes; `seen` gets classes, prompts, tokens."""
    plain = learner.backbone.encode_text

    def encode_text(tokens):
        seen.append((*tokens.end.shape, int(tokens.end.max()) + 1))
        return plain(tokens)

    learner.backbone.encode_text = encode_text
    pooled = torch.randn(2, learner.backbone.embed_dim, generator=torch.Generator().manual_seed(0))
    features = plp.structures.ImageFeatures(pooled, {}, (1, 1))
    with PeakTensorBytes() as used:
        found = learner.encode_text(features)
        generator = torch.Generator().manual_seed(1)
        loss = sum((t * torch.randn(t.shape, generator=generator)).sum() for t in found.values())
        loss.backward()
    learner.backbone.encode_text = plain
    grads = {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
    return {name: text.detach() for name, text in found.items()} | grads, used.peak


@pytest.fixture
def unsorted(monkeypatch):
    """Switch the technique off."""

    def switch():
        monkeypatch.setattr(texts, "by_length", lambda lengths: torch.arange(len(lengths)))
        monkeypatch.setattr(length_order, "_FEWEST", 10**9)

    return switch


@pytest.mark.parametrize("chunk", [None, 40])
@pytest.mark.parametrize("name", ["sotglp", "cocoop"])
def test_sorting_changes_no_number_and_spares_padding(root, tiny_options, unsorted, name, chunk):
    options = {"model.text_chunk": chunk}
    learner = build(root, tiny_options, f"{name}/vitb16_16shot", options)
    calls, plain_calls = [], []
    found, peak = step(learner, calls)
    learner.zero_grad()
    unsorted()
    expected, plain_peak = step(learner, plain_calls)
    assert found.keys() == expected.keys()
    assert len(found) >= 2
    for key, value in found.items():
        largest = float(expected[key].abs().max())
        assert_close(value, expected[key], rtol=0, atol=1e-5 * largest, msg=lambda m, k=key: k + m)
    places, plain_places = (
        sum(math.prod(shape) for shape in shapes) for shapes in (calls, plain_calls)
    )
    assert places < 0.9 * plain_places
    if chunk is None:
        assert len(calls) > len(plain_calls)
        texts_of = [sum(c * n for c, n, _ in shapes) for shapes in (calls, plain_calls)]
        assert texts_of[0] == texts_of[1], "none a second time for its gradient"
        assert peak < 0.95 * plain_peak


def test_few_classes_stay_together(root, tiny_options):
    learner = build(root, tiny_options, "coop/vitb16_16shot", {}, NAMES[:50])
    calls = []
    step(learner, calls)
    assert [shape[0] for shape in calls] == [50]
