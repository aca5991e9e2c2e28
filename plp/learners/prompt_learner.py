"""The learner: a frozen backbone, a dict of branches, and the fusion of their scores."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plp.backbones.base import Backbone
from plp.branches.base import Branch
from plp.branches.collection import Branches
from plp.branches.fusion import Fusion, checked_fusion, fused_logits
from plp.learners.checks import check_arguments, check_named, check_parts, check_reads
from plp.learners.class_images import ClassImages
from plp.learners.images import Images
from plp.learners.rows import rows_of
from plp.learners.shortened import warn_of_shortened
from plp.learners.sigmoid import check_model_probability, check_sigmoid
from plp.learners.state import leave_backbone_out
from plp.learners.training_loss import branch_losses, fused_loss, term_losses
from plp.learners.weights_notes import compile_notes, weights_notes
from plp.learners.without_texts import served_parts
from plp.losses.base import LossInputs, LossTerm
from plp.probability import Probability
from plp.reader import asked_for
from plp.registry import BACKBONES, LOSSES, MODELS
from plp.structures import Evidence
from plp.tuners.base import Tuner
from plp.tuners.collection import Tuners


@final
@MODELS.register_module()
class PromptLearner(ClassImages):
    """Turns a frozen image-text model into a classifier of given classes.

    Branches stand behind the towers; tuners, where there are any, act inside them. References and
    teachers see the towers as they are.

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
        fusion: 'mean' or 'sum' of the branches' scores, or the weights of a weighted mean by name
            (divided by their sum).
        tuners: Tuners, or their configs, by name: what is learned inside the towers (`Tuner`). In
            the state dict `tuners.<name>...`.
        checkpoint_blocks: Whether towers that tuners act on keep nothing of a block for the
            backward pass but what enters it, and compute the block again there. Same losses and
            gradients; less memory, more time.
        objective: 'branches' trains each branch on its own scores; 'weighted' does so with the
            weights of the fusion (MMRL); 'fused' trains the fused scores with one cross-entropy
            (PLOT on ImageNet).
        probability: What class probabilities are, see `probabilities_of`: 'softmax', or 'sigmoid'
            where the backbone was trained with a sigmoid loss. Training is the same with either.
        text_chunk: Classes whose texts are encoded at a time, see `Texts`; None for all at once.
        precision: 'fp32', 'bf16' or 'fp16' for the two towers. Prompts stay fp32; cosines,
            transport and losses are always fp32.

    Attributes:
        notes: What was left out because the backbone has no texts, see `served_parts`; that its
            weights are random; that passes with tuners are not compiled.

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
        objective: Literal["branches", "weighted", "fused"] = "branches",
        text_chunk: int | None = None,
        precision: Literal["fp32", "bf16", "fp16"] = "fp32",
        probability: Probability = "softmax",
        tuners: Mapping[str, Tuner | Mapping[str, Any]] | None = None,
        checkpoint_blocks: bool = False,
    ) -> None:
        check_arguments(branches, precision, fusion, objective)
        weights = checked_fusion(fusion, branches)
        check_named("losses", "loss terms", losses, LossTerm)
        check_named("references", "branches", references, Branch)
        check_model_probability({"probability": probability, "backbone": backbone})
        parts = served_parts(backbone, branches, references)
        super().__init__(BACKBONES.build_if_config(backbone), class_names, text_chunk, precision)
        self.notes = (*parts.notes, *weights_notes(self.backbone))
        self.fusion = weights
        self.objective = objective
        self.branches = Branches(parts.branches, self.backbone, len(self.class_names))
        self.references = Branches(parts.references, self.backbone, len(self.class_names))
        self.references.requires_grad_(False)
        prompts, classes = self.branches.prompts, len(self.class_names)
        self.tuners = Tuners(tuners, self.backbone, prompts, classes, checkpoint_blocks)
        self.notes += compile_notes(self.backbone, self.tuners)
        check_parts(self.branches, self.references, losses or {}, self.tuners, objective)
        self.losses = nn.ModuleDict(
            {name: LOSSES.build_if_config(term) for name, term in (losses or {}).items()}
        )
        check_reads(self.branches, self.references, {**self.losses, **self.tuners})
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
            images: uint8 pixels, normalised float images, crops that are still to be resized,
                features of the backbone, or what `keep_image` returned.
            labels: Class indices; needed for 'loss', carried along by 'predict'.
            indices: Positions of the images in their dataset; carried along by 'predict'.
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
        """Return `loss_<name>` of branches, loss terms and tuners; mmengine sums them."""
        terms = cast(dict[str, LossTerm], dict(self.losses.items()))
        frozen = any(term.needs_frozen_images for term in terms.values())
        features = self.encode_image(images, frozen=frozen)
        texts = self.encode_text(features)
        scale, asked = self.backbone.logit_scale, asked_for(terms.values())
        with self._autocast():
            evidence = self.branches.evidence(features, texts, self.backbone, **asked)
        if self.objective == "fused":
            losses = fused_loss(self.logits_of(evidence)["logits"], labels)
        else:
            shares = self.fusion if self.objective == "weighted" else None
            losses = branch_losses(self.branches, evidence, labels, scale, shares)
        if terms:
            texts = texts | self.encode_text(features, references=True)
            inputs = LossInputs(evidence, texts, labels, scale, features)
            losses |= term_losses(terms, inputs, self.references, self.backbone)
        return losses | self.tuners.losses()

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
        features = features.untuned if references else features
        with self._autocast():
            return branches.evidence(features, texts, self.backbone, patch_scores, pairs)

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

    def set_probability(self, kind: Probability) -> None:
        """Say what class probabilities are from now on, see `probabilities_of`.

        Raises:
            ConfigError: for a sigmoid where the logits mean nothing by themselves.
        """
        fitted = [
            name
            for name, branch in self.branches.named()
            if branch.prompt is None or branch.fitted_by_softmax
        ]
        check_sigmoid(kind, self.backbone, fitted)
        self.probability = kind
