"""The named tensors that cross the borders between components.

Axis letters, everywhere in plp: B images, P patches of an image, K patches kept, C classes, N
prompts (a class, or shared by all), T learned context tokens, S tokens of a class name, L tokens of
a text, D token width, W width of a dense stream, E width of the joint space.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_T = TypeVar("_T")


class ImageFeatures(NamedTuple):
    """What one pass of a vision tower yields.

    Attributes:
        pooled: Image embedding in the joint space, not normalised.
        dense: Patch features by stream name, *before* the joint projection: a branch may put a
            projection head in between, then asks the backbone for `project_dense`.
        grid: Rows and columns of patches; P = rows * columns, row by row.
        extra: Last states of tokens that were put into the tower, by their name, *before* the
            joint projection; see `plp.towers.points.ExtraTokens`.
        frozen: What the tower yields with nothing acting inside it, where something does and this
            was asked for; for references and teachers. See `untuned`.
        passes: The image embedding of each of M passes with other tokens put in, where tuners ask
            for several; `pooled` is their mean then, and dense streams are means too.
    """

    pooled: Float[Tensor, "B E"]
    dense: dict[str, Float[Tensor, "B P W"]]
    grid: tuple[int, int]
    extra: dict[str, Float[Tensor, "B K W"]] = {}  # noqa: RUF012 - nobody writes to it
    frozen: "ImageFeatures | None" = None
    passes: Float[Tensor, "B M E"] | None = None

    @property
    def untuned(self) -> "ImageFeatures":
        """Features of the tower as it is; these themselves where nothing acts inside it."""
        return self if self.frozen is None else self.frozen

    def rows(self, images: Sequence[int] | Int[Tensor, " b"]) -> "ImageFeatures":
        """Return the features of some of the images, in that order."""
        return _rows(self, images)

    def to(self, *args: Any, **kwargs: Any) -> "ImageFeatures":
        """Move or cast all tensors, as `Tensor.to` does."""
        return _each(self, lambda tensor: tensor.to(*args, **kwargs))


class ImagePrefix(NamedTuple):
    """Images on their way through a tower, in front of a block.

    Attributes:
        block: The block that comes next; the number of blocks behind the last.
        tokens: What enters it, before anything acts there; of block 0 what `ImageTower.embed`
            yields. Behind the last block only the tokens that are read.
        dense: Dense streams so far.
    """

    block: int
    tokens: Float[Tensor, "B L W"]
    dense: dict[str, Float[Tensor, "B P W"]]


class StartedImages(NamedTuple):
    """What may be kept of images whose tower is tuned: what nothing that is learned reaches.

    Attributes:
        start: Images in front of the first block that a tuner acts on; their pixels where there is
            no block in front of it.
        frozen: Features of the frozen tower, for references and teachers.
    """

    start: "ImagePrefix | Tensor"
    frozen: ImageFeatures

    @property
    def untuned(self) -> ImageFeatures:
        """Features of the tower as it is."""
        return self.frozen

    def rows(self, images: Sequence[int] | Int[Tensor, " b"]) -> "StartedImages":
        """Return some of the images, in that order."""
        return _rows(self, images)

    def to(self, *args: Any, **kwargs: Any) -> "StartedImages":
        """Move or cast all tensors, as `Tensor.to` does."""
        return _each(self, lambda tensor: tensor.to(*args, **kwargs))


KeptImages = ImageFeatures | StartedImages


class Shots(NamedTuple):
    """Pooled features of labelled images: what a branch is fitted to, or tuned on.

    Attributes:
        pooled: V views of each of M images, in the joint space, not normalised.
        labels: Class index of each image.
    """

    pooled: Float[Tensor, "V M E"]
    labels: Int[Tensor, " M"]


class NameTokens(NamedTuple):
    """Token embeddings of C bare texts (class names), without start and end tokens.

    Attributes:
        embeddings: Padded with zeros on the right to the longest text.
        lengths: Tokens of each text; on the CPU, because lengths decide what is computed. On a
            device they work too, and are waited for.
        start: Embedding of the start token (SOS, [CLS]), [D]; or of the S tokens that stand before
            every text, [S, D], none of them in some vocabularies.
        end: Likewise of the end token (EOS, [SEP]).
        touching: Tokenises each text together with what stands directly before and after it, see
            `NamesInText`; None where only the tokens are known. The third argument is a tensor of
            the dtype and on the device wanted.
        room: Most tokens that the text tower takes between start and end, so that longer texts are
            cut at their end; None for no limit. Of a text that is longer, one token more than that
            is here.
        spaced: Whether a word has other tokens behind another word than at the beginning of a
            text. A text that begins with white space is then tokenised as one that stands behind
            another word.
    """

    embeddings: Float[Tensor, "C S D"]
    lengths: Int[Tensor, " C"]
    start: Float[Tensor, "*S D"]
    end: Float[Tensor, "*S D"]
    touching: "Callable[[str, str, Tensor], NameTokens] | None" = None
    room: int | None = None
    spaced: bool = False


class PromptTokens(NamedTuple):
    """Token embeddings of whole prompts, ready for the text tower.

    Attributes:
        embeddings: start token, context and name, end token, then zeros.
        end: Position of the end token; the text is `end + 1` tokens long. What follows is padding.
            On the CPU, as lengths of names; on a device it works too, and is waited for.
        shared: How many tokens at the beginning of prompt n are the same in all classes, by
            construction: a causal text tower computes them once, and their gradient goes into the
            first class's row. 0 promises nothing.
        shortened: Which texts were cut to fit the text tower, on the CPU; None where not known.
    """

    embeddings: Float[Tensor, "C N L D"]
    end: Int[Tensor, "C N"]
    shared: int = 0
    shortened: Bool[Tensor, "C N"] | None = None


class Support(NamedTuple):
    """The patches a selector kept for each image and class.

    Attributes:
        indices: Patch indices. The last axis is 1 where the prompts of a class share one support.
        kept: How many of the K indices count for each prompt (all of K if None): prompt n uses
            `indices[..., :kept[n], n]`. Only selectors with one set per prompt use it.
    """

    indices: Int[Tensor, "B C K _"]
    kept: tuple[int, ...] | None = None


class Evidence(NamedTuple):
    """What a branch has to say about a batch of images.

    Attributes:
        scores: Class scores in units of a cosine: the learner multiplies them by the logit scale.
        prompt_scores: The scores of single prompts; their mean (times the branch's score scale, if
            it has one) is `scores`.
        similarity: Cosines the scores come from: [B, C, N] of a global branch; [B, C, K, N] on the
            support of a local one, unless pairs were not asked for.
        support: Patches of the support (local branches), likewise.
        plan: Transport plan on the support, total mass 1 (local branches), likewise.
        patch_scores: Cosines of all patches averaged over prompts, where asked for.
        speaks_for: Which classes the branch has a say in when branches are fused; None for all.
            Scores of the others are there all the same.
    """

    scores: Float[Tensor, "B C"]
    prompt_scores: Float[Tensor, "B C N"]
    similarity: Float[Tensor, "..."] | None
    support: Support | None = None
    plan: Float[Tensor, "B C K N"] | None = None
    patch_scores: Float[Tensor, "B P C"] | None = None
    speaks_for: Bool[Tensor, " C"] | None = None


def _rows(images: _T, some: Sequence[int] | Int[Tensor, " b"]) -> _T:
    """Return some of the images of a structure whose tensors all have them as first axis."""
    index = torch.as_tensor(some, dtype=torch.long)
    return _each(images, lambda tensor: tensor[index.to(tensor.device)])


def _each(value: _T, change: Callable[[Tensor], Tensor]) -> _T:
    """Return a structure with all of its tensors changed, those of structures within it too."""
    found: Any = value
    if isinstance(value, Tensor):
        found = change(value)
    elif isinstance(value, dict):
        found = {name: _each(one, change) for name, one in value.items()}
    elif hasattr(value, "_fields"):  # a named tuple
        found = type(value)(*(_each(one, change) for one in cast(tuple[Any, ...], value)))
    return cast(_T, found)
