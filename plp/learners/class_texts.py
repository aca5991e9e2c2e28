"""The texts of a learner: its classes by name, and the prompts of its branches about them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from plp.backbones.base import Backbone
from plp.branches.collection import Branches
from plp.learners.acting import Acting
from plp.learners.checks import check_new_classes
from plp.learners.class_names import checked, name_tokens, places_among, spaced
from plp.learners.precision import autocast
from plp.learners.shortened import Shortened, shortened, warn_of_shortened
from plp.learners.texts import Texts
from plp.learners.training_step import Trained
from plp.losses.base import named
from plp.prompts.base import Prompt
from plp.structures import ImageFeatures, NameTokens
from plp.tuners.collection import Tuners


class ClassTexts(Trained):
    """What a learner knows of its classes before it sees an image.

    Args:
        backbone: The frozen model.
        class_names: Names of the C classes, in label order.
        text_chunk: Classes whose texts are encoded at a time, see `Texts`; None for all at once.
        precision: Of the towers.

    Attributes:
        class_names: Names of the classes, in label order.
        trained_names: Those it was built with: the classes it is trained with.
        branches: What the fusion is made of; set by the sub-class.
        references: What is scored beside it; likewise.
        tuners: What acts inside the towers; likewise.
    """

    branches: Branches
    references: Branches
    tuners: Tuners

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        text_chunk: int | None,
        precision: Literal["fp32", "bf16", "fp16"],
    ) -> None:
        super().__init__(dict(type="BaseDataPreprocessor", non_blocking=True))
        self.precision = precision
        self.backbone = backbone
        self._texts = Texts(self.backbone, self._autocast, text_chunk)
        self._set_names(class_names)
        self.trained_names = self.class_names

    def encode_text(
        self, features: ImageFeatures | None = None, references: bool = False
    ) -> dict[str, Float[Tensor, "..."]]:
        """Encode the prompts of every branch (or reference), not normalised: [C, N, E], or
        [B, C, N, E] where the prompt sees images, which needs their features. See `Texts`.
        """
        if references:
            return self._encoded(self.references.prompts, features)
        return self._encoded(self.branches.prompts, features, acted_on=True)

    def train(self, mode: bool = True) -> "ClassTexts":
        """Switch the mode, and forget texts: hooks that swap weights around an evaluation (EMAHook
        of mmengine) write through `.data`, which no version counter sees.
        """
        self._texts.forget(learned_only=True)
        return super().train(mode)

    def split_texts(self) -> None:
        """Let each process of a distributed run encode a part of the classes in training.

        From now on all processes must take their steps together, as data parallel training does.
        """
        self._texts.split = True

    @property
    def names(self) -> NameTokens:
        """Token embeddings of the class names; there are none where the backbone has no texts."""
        return self._names._replace(
            embeddings=self.name_embeddings, lengths=self.name_lengths, start=self.name_start,
            end=self.name_end,
        )  # fmt: skip

    @property
    def shortened(self) -> Shortened | None:
        """Class names whose texts are too long for the text tower and are cut; None for none."""
        prompts = {**self.references.prompts, **self.branches.prompts}
        if not prompts:
            return None
        return shortened(prompts, self.names, self.class_names, self.backbone.embed_dim)

    def set_class_names(self, class_names: Sequence[str]) -> None:
        """Classify other classes from now on, with the prompts as they are.

        What a branch has learned of single classes (a text-started classifier) goes with their
        names; classes that were not trained are scored without it.

        Raises:
            ConfigError: if a branch's prompts are bound to the classes they were trained with.
        """
        if tuple(class_names) != self.class_names:
            check_new_classes(self.branches, self.tuners)
        self._set_names(class_names)
        places = places_among(self.class_names, self.trained_names)
        self.branches.set_classes(torch.tensor([-1 if p is None else p for p in places]))
        warn_of_shortened(self.shortened)

    def describe(self) -> list[str]:
        """Return the prompts as text, a line per prompt, with how they start."""
        lines = []
        for name, prompt in self.branches.prompts.items():
            for n, text in enumerate(prompt.describe()):
                filled = text.format(spaced(self.class_names[0]))
                lines.append(f"{name} prompt {n}: {filled!r} (start: {prompt.source.start_text})")
        return lines

    def _set_names(self, class_names: Sequence[str]) -> None:
        names = checked(class_names)
        self._texts.forget()
        if not self.backbone.has_text:
            self.class_names = names
            return
        tokens = name_tokens(names, self.backbone.embed_words)
        self.class_names = names
        self._names = tokens
        self.name_lengths = tokens.lengths  # no buffer: it does not move to a device
        for key in ("embeddings", "start", "end"):
            self.register_buffer(f"name_{key}", getattr(tokens, key), persistent=False)

    def _encoded(
        self,
        prompts: Mapping[str, Prompt],
        features: ImageFeatures | None = None,
        acted_on: bool = False,
    ) -> dict[str, Float[Tensor, "..."]]:
        """Encode prompts; `acted_on` by the tuners, as those of branches are."""
        if not prompts:
            return {}
        if features is not None and not acted_on:
            features = features.untuned
        pooled = None if features is None else features.pooled
        key = (self.backbone.device, self.precision)
        if not (acted_on and self.tuners.acts_on_texts):
            return self._texts.encode(prompts, self.names, pooled, key)
        points = partial(self.tuners.text_points, reference=self._reference_text)
        acting = Acting(points, self.tuners.text_parameters())
        return self._texts.encode(prompts, self.names, pooled, key, acting)

    def _reference_text(self, name: str) -> Float[Tensor, "C N E"]:
        """Return the texts of a reference, for a tuner that reads them."""
        prompt = named(self.references.prompts, name, "a reference with texts")
        with torch.no_grad():
            return self._encoded({name: prompt})[name]

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.backbone.device, self.precision)
