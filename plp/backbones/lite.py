"""A real dual encoder from two pip packages, for machines that reach no model hub."""

import copy
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import torch
from jaxtyping import Float
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from torch import Tensor

from plp.backbones._lite_image import LiteImage, feature_map
from plp.backbones._lite_joint import (
    TextMap,
    cached_text_map,
    classifier_directions,
    fit_text_map,
)
from plp.backbones._lite_settings import (
    TEMPLATE,
    check_lengths,
    check_positive,
    check_side,
    fit_key,
)
from plp.backbones._lite_text import MiniLM
from plp.backbones._lite_weights import (
    find_lite_files,
    fold_norms,
    load_image_tower,
    load_unfolded,
)
from plp.backbones.base import Backbone, check_batch, check_prompts
from plp.errors import ConfigError
from plp.files import user_cache
from plp.prompts.names_in_text import NamesInText
from plp.registry import BACKBONES
from plp.structures import ImageFeatures, NameTokens, PromptTokens
from plp.towers.points import TowerPoints
from plp.towers.tower import NamedTower
from plp.towers.weights_state import weights_mark
from plp.transforms.preprocessing import Preprocessing
from plp.transforms.size import SizeLike, plain_size, read_size


@BACKBONES.register_module()
class LiteBackbone(Backbone):
    """EfficientNet-Lite0 and MiniLM, joined in the space of an ImageNet classifier's weights.

    The image side is the classifier's feature map before pooling, less the mean that its last batch
    norm implies (`expected_activation`: a constant of the weights, whatever images come). The text
    side is a sentence embedding under an affine map, fitted by ridge regression from the names of
    the 1000 ImageNet classes to their (centred, normalised) classifier rows. No image takes part in
    the fit. Classes that are not in ImageNet are reached through the meaning of their names.

    How it differs from a CLIP: nothing was trained on pairs of images and captions, so zero-shot
    accuracy is low outside ImageNet (and few shots gain the more). The text tower is bidirectional,
    so prompts share no prefix. There is no transformer on the image side, so there is no V-V
    attention: the one dense stream is `grid`, whose mean is the pooled feature.

    Args:
        image_size: Side of the input, or its height and width, multiples of 32; 224 (the size of
            the weights' training) gives 7 x 7 patches, larger inputs give more.
        ridge: Penalty of the fit; 1 lies in the flat optimum of a held-out check on ImageNet's
            classes, see `fit_text_map`.
        logit_scale: Factor on cosines. On Caltech-101's and Imagewoof's images 30 gives the lowest
            zero-shot cross-entropy of ten values from 5 to 100.
        cache_dir: Where the fitted map is kept. None: `$PLP_CACHE_DIR`, else `~/.cache/plp`.

    Shape:
        E = W = 1280, D = 384, P = (image_size / 32)^2, or height * width / 32^2.

    Raises:
        ConfigError: for an image size or a constant out of range.
        WeightsError: if the packages that bring the weights are not installed.

    Example:
        >>> import torch
        >>> backbone = LiteBackbone()
        >>> images = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        >>> features = backbone.encode_image(backbone.normalise(images), streams=['grid'])
        >>> features.pooled.shape, features.dense['grid'].shape, features.grid
        (torch.Size([2, 1280]), torch.Size([2, 49, 1280]), (7, 7))
    """

    streams = ("grid",)
    unprojected = True

    text_centre: Tensor  # [D]; buffers, as the following
    text_weight: Tensor  # [D, E]
    image_centre: Tensor  # [E]
    unfolded: Any

    def __init__(
        self,
        image_size: SizeLike = 224,
        ridge: float = 1.0,
        logit_scale: float = 30.0,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        for side in image_size if isinstance(image_size, list | tuple) else [image_size]:
            check_side("image_size", side)
        size = read_size("image_size", image_size)
        check_positive(ridge=ridge, logit_scale=logit_scale)
        files = find_lite_files()
        self._image_file = files.image
        image = load_image_tower(files.image)
        self.image_tower = image.network
        self.register_module("unfolded", None)  # as `inside` makes it, where something acts in it
        self.text_tower = MiniLM(files.text)
        self.set_preprocessing(Preprocessing(size, mean=(0.5,) * 3, std=(0.5,) * 3))
        self.embed_dim = self.dense_dim = image.classifier.shape[1]
        self.token_dim = self.text_tower.width
        self.context_length = self.text_tower.max_tokens

        key = fit_key(files.digest, ridge)
        self._fingerprint = hashlib.sha256(f"{key} {plain_size(size)}".encode()).hexdigest()
        text_map = cached_text_map(
            user_cache(cache_dir), key, lambda: self._fit(image.classifier, ridge)
        )
        self.register_buffer("text_centre", text_map.centre, persistent=False)
        self.register_buffer("text_weight", text_map.weight, persistent=False)
        self.register_buffer("image_centre", image.expected, persistent=False)
        self.set_logits(float(logit_scale))
        self.freeze()
        self._mark_of_files = weights_mark(self)

    @classmethod
    def may_have_bias(cls, config: Mapping[str, Any]) -> bool:
        """Return False: nothing was trained on pairs."""
        return False

    @property
    def label(self) -> str:
        """Its short name."""
        return "lite"

    @property
    def fingerprint(self) -> str:
        """Digest of the weight files, the settings of the fit and the image size.

        Of weights that were changed since they were read, these take part too.
        """
        mark = weights_mark(self)
        if mark == self._mark_of_files:
            return self._fingerprint
        return hashlib.sha256(f"{self._fingerprint} {mark}".encode()).hexdigest()

    def encode_image(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str] = (),
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode normalised images; see `Backbone.encode_image`.

        Points act on the network as it was trained, with its batch norms, whose statistics stay.
        """
        network = self.image_tower
        if points is not None:
            network = self._with_norms().at(points).network
        self.check_streams(streams)
        check_batch(images)
        for name, side in zip(("height", "width"), images.shape[-2:], strict=True):
            check_side(f"image {name}", side)
        with torch.no_grad() if points is None else nullcontext():
            cells = feature_map(network, images)  # [B, E, rows, columns]
            grid = cells.flatten(2).transpose(1, 2) - self.image_centre  # [B, P, E]
            pooled = grid.mean(dim=1)
        rows, columns = cells.shape[-2:]
        return ImageFeatures(pooled, dict.fromkeys(streams, grid), (rows, columns))

    def project_dense(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Return the patches as they are: the map before pooling is in the joint space already."""
        return dense

    def embed_words(self, texts: Sequence[str]) -> NameTokens:
        """Tokenise bare texts (uncased WordPiece) and look their embeddings up.

        Of a text that is too long, one token more is looked up than the text tower takes: prompts
        see that it is cut.
        """
        if isinstance(texts, str):  # a sequence of texts too: of its letters
            raise ConfigError(f"expected a sequence of texts, got the single text {texts!r}")
        names = self.text_tower.look_up(texts)
        room = self.context_length - 2  # [CLS] and [SEP]
        return names._replace(
            embeddings=names.embeddings[:, : room + 1], lengths=names.lengths.clamp(max=room + 1),
            touching=NamesInText(texts, self.embed_words), room=room,
        )  # fmt: skip

    def encode_text(
        self, prompts: PromptTokens, points: TowerPoints | None = None
    ) -> Float[Tensor, "C N E"]:
        """Encode prompts, cut at the longest end token; see `Backbone.encode_text`."""
        check_prompts(prompts)
        lengths = prompts.end.flatten().cpu() + 1  # where prompts of plp have them
        longest = check_lengths(lengths, self.context_length, prompts.embeddings.shape[2])
        cut = prompts.embeddings[:, :, :longest].flatten(0, 1)
        text = self.text_tower(cut, lengths, points)
        with torch.autocast(text.device.type, enabled=False):
            joint = TextMap(self.text_centre, self.text_weight)(text)
        return joint.unflatten(0, prompts.end.shape)

    def inside(self, side: Literal["image", "text"]) -> NamedTower:
        """Return MiniLM, or EfficientNet with its batch norms, as points name their parts.

        Raises:
            ConfigError: if weights have been changed since they were read.
        """
        return self.text_tower.description if side == "text" else self._with_norms()

    def write(self, side: Literal["image", "text"], points: TowerPoints) -> bool:
        """Write points into a tower's weights, for good; norms of the image tower are folded."""
        written = self.inside(side).write(points)
        if written and side == "image":
            network = copy.deepcopy(self.unfolded)
            fold_norms(network)
            self.image_tower = network
        return written

    def _with_norms(self) -> LiteImage:
        """Return the image tower as it was trained; its file is read once."""
        if self.unfolded is None:
            if weights_mark(self) != self._mark_of_files:
                raise ConfigError(
                    "nothing can act inside the lite backbone's image tower: its weights were "
                    "changed since they were read. Build the tuner before they are changed"
                )
            self.unfolded = load_unfolded(self._image_file).to(self.mean)
            self._mark_of_files = weights_mark(self)
        return LiteImage(self.unfolded)

    def _fit(self, classifier: Float[Tensor, "M E"], ridge: float) -> TextMap:
        text = self.text_tower.encode([TEMPLATE.format(name) for name in IMAGENET_CLASSNAMES])
        return fit_text_map(text, classifier_directions(classifier), ridge)

    def check_streams(self, streams: Sequence[str]) -> None:
        """Refuse every stream but 'grid'; see `Backbone.check_streams`."""
        unknown = [name for name in streams if name not in self.streams]
        if unknown:
            raise ConfigError(
                f"the lite backbone has no dense stream {unknown[0]!r}: its image tower is a "
                "convolutional network, no transformer with tokens or V-V attention. Its one "
                "stream is 'grid' (the map before pooling)."
            )
