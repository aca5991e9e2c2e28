"""The learner: a frozen backbone, a dict of branches, and the fusion of their scores."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, cast, final

import torch
from jaxtyping import Float, Int, UInt8
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from plp.backbones.base import Backbone
from plp.branches.base import Branch
from plp.branches.collection import Branches
from plp.branches.fusion import Fusion, fused_logits
from plp.learners.checks import (
    check_arguments,
    check_losses,
    check_new_classes,
    check_parts,
    warn_of_constants,
)
from plp.learners.class_names import checked, name_tokens, spaced
from plp.learners.precision import autocast
from plp.learners.rows import rows_of
from plp.learners.shortened import Shortened, shortened, warn_of_shortened
from plp.learners.sigmoid import check_sigmoid
from plp.learners.state import leave_backbone_out
from plp.learners.texts import Texts
from plp.learners.without_texts import served_parts
from plp.losses.base import LossInputs, LossTerm
from plp.probability import Probability, check_probability
from plp.prompts.base import Prompt
from plp.reader import asked_for
from plp.registry import BACKBONES, LOSSES, MODELS
from plp.structures import Evidence, ImageFeatures, NameTokens, Shots
from plp.transforms.crops import Crops

Images = UInt8[Tensor, "B 3 H X"] | Float[Tensor, "B 3 H X"] | Crops | ImageFeatures


@final
@MODELS.register_module()
class PromptLearner(BaseModel):
    """Turns a frozen image-text model into a classifier of given classes.

    The loss is the sum of the branches' losses and of further loss terms; the class scores are the
    mean of the branches' scores, times the backbone's logit scale (SOT-GLP: fusion of global and
    local evidence).

    Its state dict holds what is learned and leaves the frozen backbone out.

    Args:
        backbone: The frozen model, or its config.
        branches: Branches, or their configs, by name. The names appear in losses, results and the
            state dict (`branches.<name>...`).
        class_names: Names of the C classes, in label order. Underscores are read as spaces.
        references: Frozen branches scored beside the fusion, without part in it, such as the
            zero-shot classifier a result is compared with. Those with texts are left out where the
            backbone has none (`notes`).
        losses: Loss terms, or their configs, by name, beside the branches' own.
        fusion: 'mean' or 'sum' of the branches' scores.
        objective: 'branches' trains each branch on its own scores; 'fused' trains the fused scores
            with one cross-entropy (PLOT on ImageNet).
        probability: What class probabilities are, see `probabilities_of`: 'softmax', or 'sigmoid'
            where the backbone was trained with a sigmoid loss. Training is the same with either.
        text_chunk: Classes whose texts are encoded at a time, see `Texts`; None for all at once.
        precision: 'fp32', 'bf16' or 'fp16' for the two towers. Prompts stay fp32; cosines,
            transport and losses are always fp32.

    Attributes:
        notes: What was left out because the backbone has no texts, see `served_parts`.

    Raises:
        ConfigError: for no branches, branches with texts on a backbone without, a stream the
            backbone does not have, bad class names, two results under one name, a fused objective
            that a branch's own loss does not go with, or a sigmoid where it means nothing.
    """

    def __init__(
        self,
        backbone: Backbone | Mapping[str, Any],
        branches: Mapping[str, Branch | Mapping[str, Any]],
        class_names: Sequence[str],
        references: Mapping[str, Branch | Mapping[str, Any]] | None = None,
        losses: Mapping[str, LossTerm | Mapping[str, Any]] | None = None,
        fusion: Fusion = "mean",
        objective: Literal["branches", "fused"] = "branches",
        text_chunk: int | None = None,
        precision: Literal["fp32", "bf16", "fp16"] = "fp32",
        probability: Probability = "softmax",
    ) -> None:
        super().__init__(dict(type="BaseDataPreprocessor", non_blocking=True))
        check_arguments(branches, precision, fusion, objective)
        check_losses(losses)
        check_probability(probability)
        parts = served_parts(backbone, branches, references)
        self.notes = parts.notes
        self.precision = precision
        self.fusion = fusion
        self.objective = objective
        self.backbone: Backbone = BACKBONES.build_if_config(backbone)
        self._texts = Texts(self.backbone, self._autocast, text_chunk)
        self._set_names(class_names)
        self.branches = Branches(parts.branches, self.backbone, len(self.class_names))
        self.references = Branches(parts.references, self.backbone, len(self.class_names))
        self.references.requires_grad_(False)
        check_parts(self.branches, self.references, losses or {}, objective)
        self.losses = nn.ModuleDict(
            {name: LOSSES.build_if_config(term) for name, term in (losses or {}).items()}
        )
        self.set_probability(probability)
        leave_backbone_out(self)
        warn_of_shortened(self.shortened)

    def forward(
        self,
        images: Images,
        labels: Int[Tensor, " B"] | None = None,
        indices: Int[Tensor, " B"] | None = None,
        mode: Literal["loss", "predict", "tensor"] = "tensor",
    ) -> Any:
        """Run the learner.

        Args:
            images: uint8 pixels, normalised float images, crops that are still to be resized, or
                features of the backbone.
            labels: Class indices; needed for 'loss', carried along by 'predict'.
            indices: Positions of the images in their data set; carried along by 'predict'.
            mode: 'tensor' returns `logits` [B, C] (fused, temperature applied) and one [B, C] entry
                a branch (its logits); 'loss' returns one loss a branch; 'predict' returns one
                dict an image, see `predict`.
        """
        if mode == "tensor":
            return self.logits(images)
        if mode == "loss":
            if labels is None:
                raise ValueError("mode='loss' needs labels")
            return self.loss(images, labels)
        if mode == "predict":
            return self.predict(images, labels, indices)
        raise ValueError(f"expected mode 'loss', 'predict' or 'tensor', got {mode!r}")

    def logits(self, images: Images) -> dict[str, Float[Tensor, "B C"]]:
        """Return fused logits as `logits`, and the logits of each branch under its name."""
        return self.logits_of(self.evidence(images, pairs=False))

    def loss(self, images: Images, labels: Int[Tensor, " B"]) -> dict[str, Float[Tensor, ""]]:
        """Return `loss_<name>` for each branch and loss term; mmengine sums them."""
        features = self.encode_image(images)
        texts = self.encode_text(features)
        terms = cast(dict[str, LossTerm], self.losses)
        evidence = self._evidence(self.branches, features, texts, **asked_for(terms.values()))
        scale = self.backbone.logit_scale
        if self.objective == "fused":
            losses = {"loss_fused": F.cross_entropy(self.logits_of(evidence)["logits"], labels)}
        else:
            losses = {
                f"loss_{name}": branch.loss(evidence[name], labels, scale)
                for name, branch in self.branches.named()
            }
        if terms:
            texts = texts | self.encode_text(features, references=True)
            inputs = LossInputs(evidence, texts, labels, scale)
            added = {name: term(inputs) for name, term in terms.items()}
            warn_of_constants(added)
            losses |= {f"loss_{name}": value for name, value in added.items()}
        return losses

    @torch.no_grad()
    def predict(
        self,
        images: Images,
        labels: Int[Tensor, " B"] | None = None,
        indices: Int[Tensor, " B"] | None = None,
    ) -> list[dict[str, Any]]:
        """Return for each image its logits under `logits`, each branch's and reference's under
        their names, and `label` and `index` where given. Tensors are on the CPU.
        """
        features = self.encode_image(images, references=True)
        references = self.evidence(features, references=True, pairs=False)
        logits = self.logits_of(self.evidence(features, pairs=False), references)
        return rows_of(logits, label=labels, index=indices)

    def evidence(
        self,
        images: Images,
        patch_scores: bool = False,
        references: bool = False,
        pairs: bool = True,
    ) -> dict[str, Evidence]:
        """Return what each branch (or reference) has to say: scores, similarities, plans.

        Args:
            images: As in `forward`.
            patch_scores: Also of single patches, see `Evidence.patch_scores`.
            references: Of references, not branches.
            pairs: With similarity, support and plan of branches that see patches; False spares
                their memory.
        """
        features = self.encode_image(images, references)
        branches = self.references if references else self.branches
        texts = self.encode_text(features, references)
        return self._evidence(branches, features, texts, patch_scores, pairs)

    def logits_of(
        self, evidence: Mapping[str, Evidence], references: Mapping[str, Evidence] | None = None
    ) -> dict[str, Float[Tensor, "B C"]]:
        """Return logits: of the branches' fusion under `logits`, of each branch and reference under
        its name. They have the backbone's bias, if it has one.
        """
        scale, bias = self.backbone.logit_scale, self.backbone.logit_bias
        lines = {**evidence, **(references or {})}
        single = {
            name: fused_logits({name: found}, "mean", scale, bias) for name, found in lines.items()
        }
        return {"logits": fused_logits(evidence, self.fusion, scale, bias), **single}

    def encode_image(self, images: Images, references: bool = False) -> ImageFeatures:
        """Encode images once for all branches, without a graph; features pass through."""
        if isinstance(images, ImageFeatures):
            return images
        streams = {*self.branches.streams, *(self.references.streams if references else ())}
        if isinstance(images, Crops):
            images = images.resized(self.backbone.image_size, self.backbone.interpolation)
        if images.dtype == torch.uint8:
            images = self.backbone.normalise(images)
        with torch.no_grad(), self._autocast():
            return self.backbone.encode_image(images, tuple(sorted(streams)))

    def encode_text(
        self, features: ImageFeatures | None = None, references: bool = False
    ) -> dict[str, Float[Tensor, "..."]]:
        """Encode the prompts of every branch (or reference), not normalised: [C, N, E], or
        [B, C, N, E] where the prompt sees images, which needs their features. See `Texts`.
        """
        branches = self.references if references else self.branches
        return self._encoded(branches.prompts, features)

    def fit(self, shots: Shots, val: Shots | None) -> list[str]:
        """Fit, before training, the branches that need the shots; return what was done."""
        return self.branches.fit(shots, val)

    def tune(self, val: Shots) -> list[str]:
        """Tune, after training, the branches that ask for it; return what was chosen."""
        tuned = {name for name, branch in self.branches.named() if branch.needs_tuning}
        prompts = {n: prompt for n, prompt in self.branches.prompts.items() if n in tuned}
        return self.branches.tune(val, self._encoded(prompts))

    @property
    def needs_shots(self) -> bool:
        """Whether `fit` must be called before training."""
        return self.branches.needs_shots

    @property
    def needs_tuning(self) -> bool:
        """Whether `tune` wants to be called after training."""
        return self.branches.needs_tuning

    def accommodate(self, state: Mapping[str, Tensor]) -> None:
        """Make room for a state whose tensors depend on the number of shots."""
        self.branches.accommodate(state, "branches.")

    def train(self, mode: bool = True) -> "PromptLearner":
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

    def set_probability(self, kind: Probability) -> None:
        """Say what class probabilities are from now on, see `probabilities_of`.

        Raises:
            ConfigError: for a sigmoid where the logits mean nothing by themselves.
        """
        textless = [name for name, branch in self.branches.named() if branch.prompt is None]
        check_sigmoid(kind, self.backbone, textless)
        self.probability = kind

    def set_class_names(self, class_names: Sequence[str]) -> None:
        """Classify other classes from now on, with the prompts as they are.

        Raises:
            ConfigError: if a branch's prompts are bound to the classes they were trained with.
        """
        if tuple(class_names) != self.class_names:
            check_new_classes(self.branches)
        self._set_names(class_names)
        warn_of_shortened(self.shortened)

    def describe(self) -> list[str]:
        """Return the prompts as text, a line a prompt, with how they start."""
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
        self, prompts: Mapping[str, Prompt], features: ImageFeatures | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        if not prompts:
            return {}
        pooled = None if features is None else features.pooled
        key = (self.backbone.device, self.precision)
        return self._texts.encode(prompts, self.names, pooled, key)

    def _evidence(
        self,
        branches: Branches,
        features: ImageFeatures,
        texts: Mapping[str, Tensor],
        patch_scores: bool,
        pairs: bool,
    ) -> dict[str, Evidence]:
        with self._autocast():
            return branches.evidence(features, texts, self.backbone, patch_scores, pairs)

    def _autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.backbone.device, self.precision)
