"""The methods' formulas, written out: loops over images and classes, token by token.

Nothing of plp is used but the two frozen towers (`encode_image` and `encode_text`, which have tests
of their own against open_clip). Letters: f image feature, t text feature, s logit scale.
"""

from collections.abc import Callable, Mapping

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.testing import assert_close

from plp.backbones.base import Backbone
from plp.structures import PromptTokens

CLASSES = ("cat", "old_oak_tree", "red car", "golden retriever")
NAMES = tuple(name.replace("_", " ") for name in CLASSES)
LABELS = torch.tensor([0, 2, 3])
TIGHT = dict(atol=1e-9, rtol=1e-9)  # float64; logits are of the order of ten

Reference = Callable[[Mapping[str, Tensor]], tuple[dict[str, Tensor], dict[str, Tensor]]]


class FrozenClip:
    """A frozen CLIP, used as its authors describe it."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.table = backbone.model.token_embedding.weight
        self.tokenizer = SimpleTokenizer()
        self.scale = float(backbone.logit_scale)

    def words(self, text: str) -> Tensor:
        """Token embeddings of a text, without start and end token: [S, D]."""
        return self.table[torch.tensor(self.tokenizer.encode(text), dtype=torch.long)]

    def text(self, *parts: Tensor) -> Tensor:
        """Feature of `start, parts, end`, not normalised: [E]."""
        start, end = self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        tokens = torch.cat([self.table[start][None], *parts, self.table[end][None]])
        last = torch.tensor([[len(tokens) - 1]])
        return self.backbone.encode_text(PromptTokens(tokens[None, None], last))[0, 0]

    def sentence(self, text: str) -> Tensor:
        """Feature of a whole sentence: [E]."""
        return self.text(self.words(text))

    def normalised(self, pixels: Tensor) -> Tensor:
        """Pixels as the vision tower takes them."""
        mean, std = self.backbone.mean.view(3, 1, 1), self.backbone.std.view(3, 1, 1)
        return (pixels / 255 - mean) / std

    def images(self, pixels: Tensor) -> Tensor:
        """Image features, not normalised: [B, E]."""
        return self.backbone.encode_image(self.normalised(pixels)).pooled

    def dense(self, pixels: Tensor, stream: str) -> Tensor:
        """Patch features before the joint projection: [B, P, W]."""
        return self.backbone.encode_image(self.normalised(pixels), [stream]).dense[stream]

    @property
    def projection(self) -> Tensor:
        """CLIP's map from the vision tower into the joint space: [W, E]."""
        return self.backbone.model.visual.proj


def unit(x: Tensor) -> Tensor:
    """Return a vector at length one."""
    return x / x.square().sum().sqrt()


def averaged(texts: list[Tensor]) -> Tensor:
    """Normalise each text, take the mean, normalise again."""
    return unit(sum(unit(text) for text in texts) / len(texts))


def table(rows: list[list[Tensor]]) -> Tensor:
    """Stack numbers into a matrix."""
    return torch.stack([torch.stack(row) for row in rows])


def cosines(images: Tensor, texts: list[Tensor]) -> Tensor:
    """Cosine of each image with each text."""
    return table([[unit(image) @ unit(text) for text in texts] for image in images])


def cross_entropy(logits: Tensor, labels: Tensor = LABELS) -> Tensor:
    """Mean over images of minus the log-probability of the true class."""
    rows = [row.exp().sum().log() - row[label] for row, label in zip(logits, labels, strict=True)]
    return sum(rows) / len(rows)


def transport(similarity: Tensor, epsilon: float) -> Tensor:
    """Entropic transport plan of cost 1 - similarity with uniform marginals, a constant."""
    kernel = torch.exp(-(1 - similarity.detach()) / epsilon)
    patches, prompts = kernel.shape
    column = torch.ones(prompts, dtype=kernel.dtype)
    for _ in range(2000):
        row = (1 / patches) / (kernel @ column)
        column = (1 / prompts) / (kernel.T @ row)
    return row[:, None] * kernel * column


def assert_method(learner, pixels: Tensor, reference: Reference, labels: Tensor = LABELS) -> None:
    """Compare logits, losses and the gradient of every learned tensor with a reference.

    Args:
        learner: The method.
        pixels: Images.
        reference: From learned tensors by name to logits by name and losses by name.
        labels: Classes of the images.
    """
    learned = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    with torch.no_grad():
        logits = learner(pixels, mode="tensor")
    losses = learner(pixels, labels, mode="loss")
    expected_logits, expected_losses = reference(learned)
    _assert_same(logits, expected_logits)
    _assert_same(losses, expected_losses)
    if not learned:
        assert not any(loss.requires_grad for loss in losses.values())
        return
    tensors = list(learned.values())
    found = torch.autograd.grad(sum(losses.values()), tensors)
    expected = torch.autograd.grad(sum(expected_losses.values()), tensors)
    for name, one, other in zip(learned, found, expected, strict=True):
        largest = other.abs().max()
        assert largest > 1e-6, f"the reference says nothing about {name}"
        assert_close(
            one / largest, other / largest, **TIGHT, msg=lambda text, n=name: f"{n}: {text}"
        )


def _assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, value in found.items():
        assert value.dtype == torch.float64, name
        assert_close(value.detach(), expected[name].detach(), **TIGHT)
