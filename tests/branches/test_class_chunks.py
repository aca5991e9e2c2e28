"""The local branch over parts of the classes: same numbers, no cosines in the graph."""

import math

import pytest
import torch
from cases import INPUTS
from torch.nn import functional as F
from torch.testing import assert_close

from plp.branches import LocalBranch
from plp.branches.support import walk_classes
from plp.selectors import SharedTopK
from plp.structures import ImageFeatures
from plp.testing.tensor_bytes import PeakTensorBytes

B, P, C, N, W, E = 3, 30, 7, 4, 6, 5
LABELS = torch.tensor([0, 3, 6])
KINDS = {
    "sot-glp": (dict(type="SharedTopK", k=5), dict(type="SinkhornAligner", epsilon=0.1)),
    "gallop": (dict(type="PromptTopK", k=(2, 4, 6, 8)), dict(type="MeanAligner")),
    "plot": (dict(type="AllPatches"), dict(type="SinkhornAligner", epsilon=0.1)),
    "unrolled": (
        dict(type="SharedTopK", k=5),
        dict(type="SinkhornAligner", epsilon=0.1, gradient="unroll"),
    ),
}


def branch_of(kind, chunk, loss="mean"):
    selector, aligner = KINDS[kind]
    prompt = dict(type="SharedContext", num_prompts=N, words="a photo of")
    return LocalBranch(
        prompt, "toy", selector, aligner, loss=loss, class_chunk=chunk, inputs=INPUTS
    )


def inputs(of_images=False, dtype=torch.float32):
    generator = torch.Generator().manual_seed(2)
    dense = torch.randn(B, P, W, generator=generator, dtype=dtype)
    shape = (B, C, N, E) if of_images else (C, N, E)
    text = torch.randn(shape, generator=generator, dtype=dtype)
    return dense.requires_grad_(), text.requires_grad_()


def run(branch, of_images=False, pairs=True):
    """Evidence, and the gradient of the loss in patches and texts."""
    dense, text = inputs(of_images)
    weight = torch.randn(E, W, generator=torch.Generator().manual_seed(3))
    features = ImageFeatures(torch.zeros(B, E), {"toy": dense}, (1, P))
    found = branch(features, text, lambda x: F.linear(x, weight), True, pairs)
    branch.loss(found, LABELS, torch.tensor(20.0)).backward()
    return found, dense.grad, text.grad


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of_images", [False, True])
@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
def test_parts_change_neither_evidence_nor_gradients(kind, of_images, chunk):
    whole, *whole_grads = run(branch_of(kind, None), of_images)
    parts, *part_grads = run(branch_of(kind, chunk), of_images)
    for name in ("scores", "prompt_scores", "similarity", "plan", "patch_scores"):
        assert_close(getattr(parts, name), getattr(whole, name), atol=1e-6, rtol=1e-5)
    assert torch.equal(parts.support.indices, whole.support.indices)
    assert parts.support.kept == whole.support.kept
    for found, expected in zip(part_grads, whole_grads, strict=True):
        # Sums over classes in another order: unrolled, on an AVX2 processor, 3e-5 off.
        assert_close(found, expected, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("loss", ["mean", "per_prompt"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [3, None])
def test_without_pairs_nothing_else_changes(kind, chunk, loss):
    full, *full_grads = run(branch_of(kind, chunk, loss))
    lean, *lean_grads = run(branch_of(kind, chunk, loss), pairs=False)
    assert (lean.similarity, lean.plan, lean.support) == (None, None, None)
    for name in ("scores", "prompt_scores", "patch_scores"):
        assert torch.equal(getattr(lean, name), getattr(full, name))
    for found, expected in zip(lean_grads, full_grads, strict=True):
        assert torch.equal(found, expected)


def copies_of_all_pairs(**asked):
    """What a forward pass of PLOT holds at its end, and at most in it, in tensors [B, P, C, N]."""
    images, patches, classes, width = 8, 50, 100, 16
    branch = branch_of("plot", 10)
    features = ImageFeatures(
        torch.zeros(images, width), {"toy": torch.randn(images, patches, width)}, (5, 10)
    )
    text = torch.randn(classes, N, width, requires_grad=True)
    with PeakTensorBytes() as used:
        found = branch(features, text, lambda x: x, **asked)
        held = used.live
    assert found.scores.requires_grad
    one = 4 * images * patches * classes * N  # bytes
    return held / one, used.peak / one


def test_of_all_pairs_the_plan_alone_is_held_and_once():
    held, most = copies_of_all_pairs(pairs=False)
    assert held < 1.3
    assert most < 1.8  # one part is a tenth, and transport works on several copies of it
    assert min(copies_of_all_pairs()) > 3


def test_without_gradient_no_pairs_are_held():
    with torch.no_grad():
        branch = branch_of("plot", 10)
        text = torch.randn(100, N, 16)
        features = ImageFeatures(torch.zeros(8, 16), {"toy": torch.randn(8, 50, 16)}, (5, 10))
        with PeakTensorBytes() as used:
            branch(features, text, lambda x: x, pairs=False)
    assert used.peak < 4 * 8 * 50 * 100 * N


@pytest.mark.parametrize("of_images", [False, True])
def test_the_gradient_is_that_of_plain_cosines(of_images):
    """Against autograd through the whole product and a gather, in float64."""
    dense, text = inputs(of_images, torch.float64)
    dense = dense[..., :E].detach().requires_grad_()
    weight = torch.randn(
        B, C, 5, N, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    similarity = torch.cat(
        [part.similarity for part in walk_classes(dense, text, SharedTopK(5), chunk=2)], dim=1
    )
    found = torch.autograd.grad((similarity.sin() * weight).sum(), (dense, text))
    texts = text if of_images else text.expand(B, -1, -1, -1)
    cosines = torch.einsum("bpe,bcne->bpcn", dense, texts)
    index = cosines.detach().mean(-1).topk(5, dim=1).indices[..., None].expand(-1, -1, -1, N)
    plain = cosines.gather(1, index).transpose(1, 2)
    expected = torch.autograd.grad((plain.sin() * weight).sum(), (dense, text))
    assert_close(similarity, plain)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)


def test_the_gradient_of_frozen_patches_is_not_computed():
    patches, text = torch.randn(B, P, E), torch.randn(C, N, E, requires_grad=True)
    (found,) = walk_classes(patches, text, SharedTopK(3))
    found.similarity.sum().backward()
    assert text.grad is not None
    assert patches.grad is None


def saved_bytes(chunk, classes):
    """Largest tensor that the graph holds, in bytes."""
    patches = torch.randn(2, P, E)
    text = torch.randn(classes, N, E, requires_grad=True)
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        for part in walk_classes(patches, text, SharedTopK(3), chunk):
            assert part.similarity.requires_grad
    return max(sizes)


@pytest.mark.parametrize("chunk", [None, 8])
def test_the_graph_holds_no_cosines(chunk):
    cosines = 2 * P * min(chunk or 64, 64) * N * 4
    assert saved_bytes(chunk, 64) < cosines / 2


def test_parts_are_as_large_as_the_limit_allows(monkeypatch):
    seen = []

    class Spy(SharedTopK):
        def forward(self, similarity):
            seen.append(similarity.nbytes)
            return super().forward(similarity)

    bytes_a_class = 2 * P * N * 4
    monkeypatch.setattr("plp.branches.support._CPU_BYTES", 10 * bytes_a_class + 1)
    list(walk_classes(torch.randn(2, P, E), torch.randn(64, N, E), Spy(3)))
    assert len(seen) == math.ceil(64 / 10)
    assert max(seen) == 10 * bytes_a_class


@pytest.mark.parametrize("chunk", [0, -3, True])
def test_chunks_refused(chunk):
    with pytest.raises(ValueError, match="class_chunk to be an integer >= 1 or None, got"):
        branch_of("plot", chunk)
