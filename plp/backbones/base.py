"""The contract of a backbone: a frozen dual encoder, or an image tower alone."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from plp.structures import ImageFeatures, NameTokens, PromptTokens


class Backbone(nn.Module):
    """A frozen image-text model. Gradient flows through the text tower into prompts, nowhere else.

    Sub-classes set the attributes below in `__init__`, and call `self.freeze()` at its end.

    Attributes:
        embed_dim: E, width of the joint space.
        dense_dim: W, width of the dense streams.
        token_dim: D, width of a token embedding.
        context_length: Most tokens a text may have, start and end tokens included.
        streams: Names of the dense streams this backbone can yield.
        image_size: Side of the square input in pixels.
        interpolation: 'bicubic' or 'bilinear', as the weights were trained with.
        fingerprint: Hex digest that changes with the weights; the key of feature caches.
        multilingual: Whether the text tower was trained on texts of many scripts.
        has_text: Whether there is a text tower. Without one `token_dim` and `context_length` are 0,
            and texts are refused (`plp.learners.without_texts`).
    """

    has_text: bool = True
    multilingual: bool = False
    embed_dim: int
    dense_dim: int
    token_dim: int
    context_length: int
    streams: tuple[str, ...] = ()
    image_size: int
    interpolation: str = "bicubic"

    mean: Tensor  # [3], of pixel values in [0, 1]; buffers
    std: Tensor  # [3]
    logit_scale: Tensor  # [], the factor on cosines (already exponentiated); a buffer

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hex digest that changes with the weights."""

    @abstractmethod
    def encode_image(
        self, images: Float[Tensor, "B 3 H X"], streams: Sequence[str] = ()
    ) -> ImageFeatures:
        """Encode normalised images in one pass of the vision tower, without a graph.

        Args:
            images: Normalised images (see `normalise`).
            streams: Dense streams wanted; none costs nothing.

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
    def encode_text(self, prompts: PromptTokens) -> Float[Tensor, "C N E"]:
        """Encode prompts; not normalised; differentiable with respect to `prompts.embeddings`."""

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
