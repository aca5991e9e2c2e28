"""What every backbone shares that is made of readers of two towers, whatever library built them."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plp.backbones.base import Backbone, check_prompts
from plp.check_cost import checking
from plp.errors import ConfigError
from plp.prompts.names_in_text import NamesInText
from plp.structures import ImageFeatures, NameTokens, PromptTokens
from plp.towers.points import TowerPoints
from plp.towers.text import TextPrefix, TextTower
from plp.towers.tower import NamedTower
from plp.towers.vision import VisionTower
from plp.towers.weights_state import weights_mark
from plp.transforms.preprocessing import Preprocessing

# Vocabularies of one language have 30 to 50 thousand tokens, those of many 250 thousand and more.
_MANY_SCRIPTS = 100_000


class TowerBackbone(Backbone):
    """A library's model behind `plp.towers`: a reader of its image tower, one of its text tower.

    A subclass builds the model, then calls `_set_towers`, `_set_geometry` and `freeze`. Features,
    prompts, checks and the fingerprint are here.

    Attributes:
        model: The library's model: all weights, and nothing else has any.
    """

    model: Any
    _vision: VisionTower
    _text: TextTower
    _encode: Callable[[VisionTower, Tensor, Sequence[str]], ImageFeatures]
    _fingerprint: tuple[str, str] = ("", "")  # mark of the weights it is of, digest

    @property
    @abstractmethod
    def _image_options(self) -> tuple[Any, ...]:
        """What else than weights changes image features, for the fingerprint."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all weights and over what else changes image features."""
        mark = weights_mark(self.model)
        if self._fingerprint[0] != mark:
            with checking():
                digest = _digest(repr(self._image_options), self.model.state_dict())
            self._fingerprint = mark, digest
        return self._fingerprint[1]

    @property
    def image_tower(self) -> VisionTower:
        """The image tower: what it is made of (`description`), and its passes from a block on."""
        return self._vision

    @property
    def text_tower(self) -> TextTower:
        """The text tower, likewise."""
        return self._text

    def inside(self, side: Literal["image", "text"]) -> NamedTower:
        """Return a tower as points name its parts; see `Backbone.inside`."""
        if side == "text":
            return self.text_tower.description
        if (found := self._vision.description) is not None:
            return found
        raise ConfigError(f"nothing can act inside it: {self._vision.sealed}")

    def encode_image(
        self,
        images: Float[Tensor, "B 3 H X"],
        streams: Sequence[str] = (),
        points: TowerPoints | None = None,
    ) -> ImageFeatures:
        """Encode normalised images in one pass of the vision tower, without a graph.

        Args:
            images: Normalised images.
            streams: Dense streams wanted.
            points: What acts on the tower. With them there is a graph, unless the caller has turned
                gradients off; it begins where the first of them acts.

        Raises:
            ConfigError: for images of another size, a stream or a point this tower does not have.
        """
        self.check_streams(streams)
        self.check_size(images)
        if points is not None:
            return self._vision.encode(images, streams, points)
        with torch.no_grad():
            return self._encode(self._vision, images, streams)

    def check_streams(self, streams: Sequence[str]) -> None:
        """Refuse a dense stream that the image tower does not have, with the reason.

        Raises:
            ConfigError: naming the streams there are.
        """
        self._vision.check(streams, self.label)

    def project_dense(self, dense: Float[Tensor, "B P W"]) -> Float[Tensor, "B P E"]:
        """Map dense features into the joint space by the projection of the pooled feature."""
        return self._vision.project(dense)

    def embed_words(self, texts: Sequence[str]) -> NameTokens:
        """Tokenise bare texts and look their token embeddings up (no start, end, position).

        Of a text that is too long, one token more is looked up than the text tower takes: prompts
        see that it is cut.

        Raises:
            WeightsError: if the tokenizer's files are out of reach.
        """
        if isinstance(texts, str):
            raise ConfigError(
                f"embed_words: expected a sequence of texts, got the string {texts!r}"
            )
        tokens = self._text.tokens
        frame = tokens.frame
        room = self.context_length - len(frame.start) - len(frame.end)
        ids = [tokens.ids(text)[: room + 1] for text in texts]
        start, end = (self._embed(ids) for ids in (frame.start, frame.end))
        if len(start) == 1 and len(end) == 1:  # as in most vocabularies
            start, end = start[0], end[0]
        embeddings = start.new_zeros(len(ids), max(map(len, ids), default=0), self.token_dim)
        for row, text in zip(embeddings, ids, strict=True):
            row[: len(text)] = self._embed(text)
        lengths = torch.tensor([len(text) for text in ids], dtype=torch.long)
        touching = NamesInText(texts, self.embed_words)
        return NameTokens(embeddings, lengths, start, end, touching, room, tokens.spaced)

    def encode_text(
        self, prompts: PromptTokens, points: TowerPoints | None = None
    ) -> Float[Tensor, "C N E"]:
        """Encode prompts: of a causal tower each up to its end token, a shared beginning once.

        Args:
            prompts: Token embeddings of whole prompts.
            points: What acts on the tower.

        Raises:
            ConfigError: if a prompt is longer than `context_length`, for a point this tower does
                not have, or for a text in place of prompts.
        """
        return self._text.encode(*self._cut(prompts), points)

    def start_text(
        self, prompts: PromptTokens, block: int, points: TowerPoints | None = None
    ) -> TextPrefix:
        """Encode prompts up to a block; `text_tower.resume` goes on there. See `encode_text`.

        Args:
            prompts: Token embeddings of whole prompts.
            block: The first block that is not run.
            points: What acts on the tower, in front of the block and behind it.
        """
        embeddings, end, shared = self._cut(prompts)
        return self._text.prefix(embeddings, end, block, shared, points)

    def _cut(self, prompts: PromptTokens) -> tuple[Tensor, Tensor, int]:
        """Check prompts; return them cut at the longest, their ends on the CPU, what is shared."""
        check_prompts(prompts)
        end = prompts.end.cpu()  # where prompts of plp have it
        longest = int(end.max()) + 1
        if longest > self.context_length:
            c, n = (end == end.max()).nonzero()[0].tolist()
            raise ConfigError(
                f"prompt {n} of class {c} has {longest} tokens with start and end; "
                f"the text tower takes at most {self.context_length}. Use fewer context tokens or "
                "a shorter class name."
            )
        return prompts.embeddings[:, :, :longest], end, prompts.shared

    def _set_towers(self, vision: VisionTower, text: TextTower) -> None:
        """Take the readers, and what follows from them."""
        self._vision, self._text = vision, text
        self._encode = type(vision).encode
        self.streams, self.dense_dim = vision.streams, vision.dense_dim
        self.token_dim, self.context_length = text.width, text.context_length
        self.multilingual = text.vocabulary >= _MANY_SCRIPTS

    def _set_geometry(
        self,
        preprocessing: Preprocessing,
        embed_dim: int,
        logit_scale: Float[Tensor, ""],
        logit_bias: Tensor | None = None,
    ) -> None:
        """Take how images are prepared, and what turns cosines into the model's own logits.

        Args:
            preprocessing: Size, resizing, mean, standard deviation.
            embed_dim: E.
            logit_scale: Factor on cosines, exponentiated.
            logit_bias: What a model trained with a sigmoid loss adds; None for others.
        """
        self.embed_dim = embed_dim
        self.set_preprocessing(preprocessing)
        self.set_logits(logit_scale, logit_bias)

    def _embed(self, ids: Sequence[int]) -> Float[Tensor, "S D"]:
        return self._text.embed(torch.tensor(ids, dtype=torch.long, device=self.device))


def exponentiated(logarithm: nn.Parameter | Tensor) -> Float[Tensor, ""]:
    """Return the factor on cosines that a model keeps the logarithm of."""
    return logarithm.detach().exp().reshape(())


def _digest(options: str, state: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(options.encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
