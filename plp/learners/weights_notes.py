"""What a reader of results must know of a backbone's weights."""

from plp.backbones.base import Backbone


def weights_notes(backbone: Backbone) -> tuple[str, ...]:
    """Say that nothing was loaded, as `pretrained=None` means it; () of other backbones."""
    if not backbone.random_weights:
        return ()
    return (
        f"the weights of {backbone.label} are random (pretrained=None): the numbers say "
        "nothing about a method",
    )
