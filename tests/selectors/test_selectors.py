"""Selectors against sorting in plain Python."""

import pytest
import torch
from unchecked import as_installed

from plp.selectors import AllPatches, PromptTopK, SharedTopK

B, P, C, N = 2, 6, 3, 2


@pytest.fixture
def similarity():
    return torch.randn(B, P, C, N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def best(values, k):
    """Indices of the k largest numbers of a list, the largest first."""
    return sorted(range(len(values)), key=lambda i: -values[i])[:k]


@pytest.mark.parametrize("k", [1, 3, P])
def test_shared_top_k_sorts_by_the_mean_over_prompts(similarity, k):
    indices, kept = SharedTopK(k)(similarity)
    assert indices.shape == (B, C, k, 1)
    assert kept is None
    for b in range(B):
        for c in range(C):
            means = [sum(row) / N for row in similarity[b, :, c].tolist()]
            assert indices[b, c, :, 0].tolist() == best(means, k)


@pytest.mark.parametrize("k", [2, (2,), (1, 4), (4, 1), (3, 3)])
def test_prompt_top_k_sorts_by_each_prompt(similarity, k):
    indices, kept = PromptTopK(k)(similarity)
    sizes = (k,) * N if isinstance(k, int) else k * (N if len(k) == 1 else 1)
    assert indices.shape == (B, C, max(sizes), N)
    assert kept == (sizes if len(set(sizes)) > 1 else None)
    for b in range(B):
        for c in range(C):
            for n, size in enumerate(sizes):
                expected = best(similarity[b, :, c, n].tolist(), size)
                assert indices[b, c, :size, n].tolist() == expected


def test_growing_sizes_are_nested(similarity):
    indices, kept = PromptTopK((2, 5))(similarity[..., :1].expand(-1, -1, -1, N))
    assert kept == (2, 5)
    assert torch.equal(indices[..., :2, 0], indices[..., :2, 1])


@pytest.mark.parametrize("selector", [SharedTopK(50), PromptTopK(50), PromptTopK((7, 50))])
def test_more_than_all_patches_is_all_patches(similarity, selector):
    indices, kept = selector(similarity)
    assert kept is None
    everything = torch.arange(P).view(1, 1, P, 1).expand_as(indices)
    assert torch.equal(indices.sort(2).values, everything)


def test_a_prompt_may_keep_fewer_than_all(similarity):
    assert PromptTopK((2, 50))(similarity).kept == (2, P)


def test_all_patches(similarity):
    indices, kept = AllPatches()(similarity)
    assert kept is None
    assert torch.equal(indices, torch.arange(P).view(1, 1, P, 1).expand(B, C, P, 1))


@pytest.mark.parametrize("k", [0, -1, 2.5, "3"])
@pytest.mark.parametrize("kind", [SharedTopK, PromptTopK])
def test_k_is_a_whole_number_above_zero(kind, k):
    with as_installed(), pytest.raises(ValueError, match=f"k to be an integer >= 1.* got {k!r}"):
        kind(k)


@pytest.mark.parametrize("k", [(), (5, 0), (1, 2.5)])
def test_every_prompt_keeps_a_patch(k):
    with as_installed(), pytest.raises(ValueError, match="or one per prompt, got"):
        PromptTopK(k)


def test_as_many_sizes_as_prompts(similarity):
    message = r"one for each of the 2 prompts, got \(1, 2, 3\)"
    with pytest.raises(ValueError, match=message):
        PromptTopK((1, 2, 3))(similarity)


def test_printed():
    assert repr(SharedTopK(7)) == "SharedTopK(k=7)"
    assert repr(PromptTopK((1, 2))) == "PromptTopK(k=(1, 2))"
