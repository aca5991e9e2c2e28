"""The contract of a backbone: a frozen dual encoder, or an image tower alone."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from plp.errors import ConfigError
from plp.structures import ImageFeatures, NameTokens, PromptTokens
from plp.towers.points import TowerPoints
from plp.towers.tower import NamedTower
from plp.transforms.preprocessing import Preprocessing
from plp.transforms.size import Size, spell_size


class Backbone(nn.Module):
    """A frozen image-text model. Gradient flows through the text tower into prompts, nowhere else.

    Sub-classes set the attributes below in `__init__`, preprocessing and logits by
    `self.set_preprocessing(...)` and `self.set_logits(...)`, and call `self.freeze()` at its end.

    Attributes:
        embed_dim: E, width of the joint space.
        dense_dim: W, width of the dense streams.
        token_dim: D, width of a token embedding.
        context_length: Most tokens a text may have, start and end tokens included.
        streams: Names of the dense streams this backbone can yield.
        preprocessing: How the weights want images prepared: size, resizing, mean, deviation.
        fingerprint: Hex digest that changes with the weights; the key of feature caches.
        multilingual: Whether the text tower was trained on texts of many scripts.
        unprojected: Whether image features, pooled and dense, are in the joint space without a
            projection.
        random_weights: Whether nothing was loaded: what it says of images means nothing.
        label: What it is called in messages: as a user names it.
        compile_vision: Backend of `torch.compile` that frozen passes of its image tower go through.
        has_text: Whether there is a text tower. Without one `token_dim` and `context_length` are 0,
            and texts are refused (`plp.learners.without_texts`).
    """

    has_text: bool = True
    unprojected: bool = False
    random_weights: bool = False
    compile_vision: str | None = None
    multilingual: bool = False
    embed_dim: int
    dense_dim: int
    token_dim: int
    context_length: int
    streams: tuple[str, ...] = ()
    preprocessing: Preprocessing

    mean: Tensor  # [3], of pixel values in [0, 1]; buffers
    std: Tensor  # [3]
    logit_scale: Tensor  # [], the factor on cosines (already exponentiated); a buffer
    logit_bias: Tensor | None  # [], added to them by models of a sigmoid loss (SigLIP); a buffer

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("logit_bias", None, persistent=False)

    @classmethod
    def may_have_bias(cls, config: Mapping[str, Any]) -> bool:
        """Return whether a backbone of this config can have a logit bias; builds nothing."""
        return True

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return type(self).__name__

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest that changes with the weights."""

    @property
    def image_size(self) -> Size:
        """Height and width of the images it takes, in pixels."""
        return self.preprocessing.size

    @property
    def interpolation(self) -> str:
        """How images are resized, 'bicubic' or 'bilinear', as the weights were trained with."""
        return self.preprocessing.interpolation

    @abstractmethod
    def encode_image(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str] = (),
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode normalised images in one pass of the vision tower, without a graph.

        Args:
            images: Normalised images (see `normalise`).
            streams: Dense streams wanted; none costs nothing.
            points: What acts on the tower; with them there is a graph. A backbone whose `inside`
                refuses is never given any, and may leave this parameter out.

        Raises:
            ConfigError: for a stream this backbone does not have, naming those it has and why.
        """

    @abstractmethod
    def project_dense(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Map (projected) dense features into the joint space; not normalised; differentiable."""

    @abstractmethod
    def embed_words(self, texts: Sequence[str]) -> NameTokens:
        """Tokenise bare texts and look their token embeddings up (no start, end, position)."""

    @abstractmethod
    def encode_text(
        self, prompts: PromptTokens, points: TowerPoints | None = None
    ) -> Float[Tensor, "C N E"]:
        """Encode prompts; not normalised; differentiable with respect to `prompts.embeddings`, and
        to what acts on the tower (`points`, see `encode_image`).
        """

    def inside(self, side: Literal["image", "text"]) -> NamedTower:
        """Return a tower as points name its parts: its blocks, matrices and norms.

        Raises:
            ConfigError: where nothing can act inside it, with the reason.
        """
        raise ConfigError(
            f"nothing can act inside the {side} tower of {type(self).__name__}: it does not say "
            "what it is made of (Backbone.inside)"
        )

    def write(self, side: Literal["image", "text"], points: TowerPoints) -> bool:
        """Write points into a tower's weights, for good, as an exported program needs them.

        It is for weights from outside and low-rank updates; where there is anything else nothing is
        written, and False returned.
        """
        return self.inside(side).write(points)

    def set_preprocessing(self, preprocessing: Preprocessing) -> None:
        """Keep how images are prepared; mean and standard deviation become buffers."""
        self.preprocessing = preprocessing
        for name in ("mean", "std"):
            value = torch.tensor(getattr(preprocessing, name))
            self.register_buffer(name, value, persistent=False)

    def set_logits(
        self, scale: float | Float[Tensor, "..."], bias: float | Float[Tensor, "..."] | None = None
    ) -> None:
        """Keep what turns cosines into the model's own logits, as buffers.

        Args:
            scale: Factor on cosines, exponentiated.
            bias: Added to them by a model that was trained with a sigmoid loss; None for others.
        """
        for name, value in (("logit_scale", scale), ("logit_bias", bias)):
            kept = None if value is None else torch.as_tensor(value).detach().float().reshape(())
            self.register_buffer(name, kept if kept is None else kept.clone(), persistent=False)

    def check_streams(self, streams: Sequence[str]) -> None:
        """Refuse a dense stream that this backbone does not have; sub-classes say why.

        Raises:
            ConfigError: naming the streams there are.
        """
        for stream in streams:
            if stream not in self.streams:
                has = ", ".join(map(repr, self.streams)) or "none"
                raise ConfigError(
                    f"{self.label} has no dense stream {stream!r}. Its dense streams: {has}."
                )

    def check_size(self, images: Float[Tensor, "B 3 H X"]) -> None:
        """Refuse what is no batch of normalised images of the backbone's size.

        Some libraries take another size silently. Looks at shape and dtype only.

        Raises:
            ConfigError: naming what came; of another size, height and width of both.
        """
        check_batch(images)
        if tuple(images.shape[-2:]) != self.image_size:
            takes = "image_size" in inspect.signature(type(self)).parameters
            raise ConfigError(
                f"expected images of {spell_size(self.image_size)} pixels (height x width), got "
                f"{spell_size(images.shape[-2:])}. Resize them"
                f"{', or build the backbone with image_size' if takes else ''}."
            )

    def normalise(self, images: UInt8[Tensor, "B 3 H X"]) -> Float[Tensor, "B 3 H X"]:
        """Turn uint8 pixels into what `encode_image` takes, on the images' device."""
        scaled = images.to(self.mean.dtype).div_(255)
        return scaled.sub_(self.mean[:, None, None]).div_(self.std[:, None, None])

    def freeze(self) -> None:
        """Take every parameter out of training for good."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode whatever the learner does: the towers are frozen."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where the backbone's tensors live."""
        return self.mean.device


def check_batch(images: object) -> None:
    """Refuse what is no batch of normalised images; looks at shape and dtype only.

    Raises:
        ConfigError: naming what came.
    """
    expected = "encode_image: expected normalised floats [B, 3, H, W]"
    if not isinstance(images, Tensor):
        raise ConfigError(
            f"{expected} in a tensor, got {type(images).__name__}. torch.from_numpy(array) makes a "
            "tensor of a numpy array; backbone.normalise takes uint8 pixels [B, 3, H, W]"
        )
    if images.ndim != 4 or images.shape[1] != 3:
        hint = ". A single image is images[None]" if images.ndim == 3 else ""
        raise ConfigError(f"{expected}, got the shape {list(images.shape)}{hint}")
    if not images.is_floating_point():
        raise ConfigError(
            f"{expected}, got {images.dtype}. Give uint8 pixels to backbone.normalise first"
        )


def check_prompts(prompts: object) -> None:
    """Refuse what is no prompts, such as a text.

    Raises:
        ConfigError: naming what takes texts.
    """
    if not isinstance(prompts, PromptTokens):
        got = repr(prompts) if isinstance(prompts, str) else type(prompts).__name__
        raise ConfigError(
            f"encode_text: expected PromptTokens (token embeddings of whole prompts), got {got}. "
            "To classify images by names use plp.load(...).predict; a prompt of plp.prompts "
            "(TemplatePrompt) makes PromptTokens of names; embed_words looks up bare texts"
        )
