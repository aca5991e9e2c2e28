"""What loss terms and scores ask of the evidence they read."""

from collections.abc import Iterable

from torch import nn


class EvidenceReader(nn.Module):
    """Reads what branches say about images. Some of it is there only if a reader asks for it.

    Attributes:
        needs_patches: Whether it looks at `Evidence.patch_scores`.
        needs_pairs: Whether it looks at similarity, support or plan of a branch that sees patches.
            Not asked for, they are dropped part by part of the classes.
    """

    needs_patches: bool = False
    needs_pairs: bool = False


def asked_for(readers: Iterable[EvidenceReader]) -> dict[str, bool]:
    """Return keywords of `PromptLearner.evidence` for all that the readers need."""
    seen = list(readers)
    return {
        "patch_scores": any(reader.needs_patches for reader in seen),
        "pairs": any(reader.needs_pairs for reader in seen),
    }
