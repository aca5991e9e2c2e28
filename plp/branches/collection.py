"""The branches of a learner, by name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

from jaxtyping import Int
from torch import Tensor, nn

from plp.aligners.convergence import in_branch, is_heard
from plp.backbones.base import Backbone
from plp.branches.base import Branch
from plp.errors import ConfigError, NotFiniteError
from plp.evaluation.finite import check_state
from plp.prompts.base import Prompt
from plp.registry import BRANCHES
from plp.structures import Evidence, ImageFeatures, Shots

# Names in predictions and reports.
TAKEN = ("logits", "fused", "label", "index")


class Branches(nn.ModuleDict):
    """Branches by name, built one after the other: a later prompt may borrow an earlier one.

    In a state dict they are `<name>...`.

    Args:
        configs: Branches, or their configs, by name.
        backbone: The frozen model they stand on; not kept.
        num_classes: C.

    Raises:
        ConfigError: for a name that cannot be one, or a stream the backbone does not have.
    """

    def __init__(
        self,
        configs: Mapping[str, Branch | Mapping[str, Any]],
        backbone: Backbone,
        num_classes: int,
    ) -> None:
        super().__init__()
        inputs: dict[str, Any] = dict(
            embed_words=backbone.embed_words,
            num_classes=num_classes,
            token_dim=backbone.token_dim,
            dense_dim=backbone.dense_dim,
            embed_dim=backbone.embed_dim,
            logit_scale=float(backbone.logit_scale),
            prompts={},
        )
        for name, config in configs.items():
            if name in TAKEN or "." in name:
                raise ConfigError(
                    f"a branch cannot be called {name!r}: no dots, and not {', '.join(TAKEN)}, "
                    "which stand for something else in results"
                )
            self[name] = BRANCHES.build_if_config(config, inputs=inputs, **inputs)
            branch = cast(Branch, self[name])
            if branch.prompt is not None:
                inputs["prompts"][name] = branch.prompt
            if branch.stream is not None:
                try:
                    backbone.check_streams([branch.stream])
                except ConfigError as error:
                    raise ConfigError(f"branch {name!r} asks for a dense stream: {error}") from None

    def named(self) -> Iterator[tuple[str, Branch]]:
        """Iterate over names and branches: `items`, typed."""
        return iter(cast(dict[str, Branch], self).items())

    @property
    def prompts(self) -> dict[str, Prompt]:
        """The prompts of the branches that have any."""
        return {name: b.prompt for name, b in self.named() if b.prompt is not None}

    @property
    def streams(self) -> tuple[str, ...]:
        """The dense streams they look at, each once."""
        return tuple(dict.fromkeys(b.stream for _, b in self.named() if b.stream is not None))

    @property
    def bound_to_classes(self) -> list[str]:
        """Names of the branches that cannot take new class names."""
        return [name for name, branch in self.named() if not branch.supports_new_classes]

    @property
    def needs_shots(self) -> bool:
        """Whether `fit` must be called before training."""
        return any(branch.needs_shots for _, branch in self.named())

    @property
    def needs_tuning(self) -> bool:
        """Whether `tune` wants to be called after training."""
        return any(branch.needs_tuning for _, branch in self.named())

    def set_classes(self, trained: Int[Tensor, " C"]) -> None:
        """Tell the branches which classes they score from now on, see `Branch.set_classes`."""
        for _, branch in self.named():
            branch.set_classes(trained)

    def freeze_for(self, stage: int) -> None:
        """Let be learned what is learned in a stage of training, see `Branch.freeze_for`."""
        for _, branch in self.named():
            branch.freeze_for(stage)

    def begin_stage(self, stage: int, texts: Mapping[str, Tensor]) -> list[str]:
        """Begin a stage of training, see `Branch.begin_stage`; return what was done."""
        told = [(n, branch.begin_stage(stage, texts.get(n))) for n, branch in self.named()]
        return [f"{name}: {line}" for name, line in told if line]

    def evidence(
        self,
        features: ImageFeatures,
        texts: Mapping[str, Tensor],
        backbone: Backbone,
        patch_scores: bool = False,
        pairs: bool = True,
    ) -> dict[str, Evidence]:
        """Return what each branch has to say about images, see `Branch.forward`."""
        found = {}
        for name, branch in self.named():
            with in_branch(name) if is_heard() else nullcontext():
                text, project = texts.get(name), backbone.project_dense
                found[name] = branch(features, text, project, patch_scores, pairs)
        return found

    def fit(
        self, shots: Shots, val: Shots | None, texts: Mapping[str, Tensor] | None = None
    ) -> list[str]:
        """Fit the branches that need the shots; return what was done, a line per branch.

        Raises:
            NotFiniteError: naming the branch, if what came of it is NaN or infinite.
        """
        texts = texts or {}
        fitted = [(name, branch) for name, branch in self.named() if branch.needs_shots]
        return [
            _done(name, branch, "fitting", partial(branch.fit, shots, val, texts.get(name)))
            for name, branch in fitted
        ]

    def tune(self, val: Shots, texts: Mapping[str, Tensor]) -> list[str]:
        """Tune the branches that ask for it; return what was chosen, a line per branch.

        Raises:
            NotFiniteError: as `fit`.
        """
        tuned = [(name, branch) for name, branch in self.named() if branch.needs_tuning]
        return [
            _done(name, branch, "tuning", partial(branch.tune, val, texts.get(name)))
            for name, branch in tuned
        ]

    def accommodate(self, state: Mapping[str, Tensor], prefix: str = "") -> None:
        """Make room for a state whose tensors depend on the number of shots."""
        for name, branch in self.named():
            own = f"{prefix}{name}."
            branch.accommodate(
                {k.removeprefix(own): tuple(v.shape) for k, v in state.items() if k.startswith(own)}
            )


def _done(name: str, branch: Branch, part: str, act: Callable[[], str]) -> str:
    """Fit or tune a branch; return what it says of it, with its name."""
    try:
        done = act()
    except NotFiniteError as error:
        raise NotFiniteError(f"branch {name!r}, {error}") from error
    check_state({f"{name}.{key}": value for key, value in branch.state_dict().items()}, part)
    return f"{name}: {done}"
