"""The prompt of another branch: one set of texts, two lines of evidence."""

from collections.abc import Mapping
from typing import Any, cast, final

from plp.prompts.base import Prompt
from plp.registry import PROMPTS
from plp.structures import NameTokens, PromptTokens


@final
@PROMPTS.register_module()
class BorrowedPrompt(Prompt):
    """Lets a branch use the very prompt of a branch before it, learned together, encoded once.

    It has no parameters of its own: they are those of the lending branch, and stand in the state
    dict under its name only. PLOT's ImageNet variant compares one set of texts with patches and
    with the whole image.

    Args:
        branch: Name of a branch that stands earlier in the config.
        prompts: Prompts of the branches built so far, by name; supplied when a learner is built.

    Raises:
        ValueError: if there is no such branch.
    """

    def __init__(self, branch: str, *, prompts: Mapping[str, Prompt]) -> None:
        super().__init__()
        if branch not in prompts:
            raise ValueError(
                f"expected the name of an earlier branch with a prompt "
                f"({', '.join(prompts) or 'there is none'}), got {branch!r}"
            )
        self.branch = branch
        self.num_prompts = prompts[branch].num_prompts
        # Past nn.Module, which would register the lender's parameters a second time.
        object.__setattr__(self, "_lender", prompts[branch].source)

    @property
    def source(self) -> Prompt:
        """The prompt that is borrowed."""
        return cast(Prompt, self._lender)

    @property
    def supports_new_classes(self) -> bool:  # type: ignore[override]
        """As the lender."""
        return self.source.supports_new_classes

    @property
    def sees_images(self) -> bool:  # type: ignore[override]
        """As the lender."""
        return self.source.sees_images

    def forward(self, names: NameTokens, *pooled: Any) -> PromptTokens:
        """Assemble the lender's prompts."""
        return self.source(names, *pooled)

    def describe(self) -> list[str]:
        """Return the lender's prompts as text."""
        return self.source.describe()

    def extra_repr(self) -> str:
        """Name the lender in the printed module."""
        return f"branch={self.branch!r}"
