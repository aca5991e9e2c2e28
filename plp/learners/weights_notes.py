"""What a reader of results must know of a backbone: its weights, and how it was run."""

from plp.backbones.base import Backbone
from plp.tuners.collection import Tuners


def weights_notes(backbone: Backbone) -> tuple[str, ...]:
    """Say that nothing was loaded, as `pretrained=None` means it; () of other backbones."""
    if not backbone.random_weights:
        return ()
    return (
        f"the weights of {backbone.label} are random (pretrained=None): the numbers say "
        "nothing about a method",
    )


def compile_notes(backbone: Backbone, tuners: Tuners) -> tuple[str, ...]:
    """Say that passes are not compiled in which tuners act; () where nothing was asked for."""
    if backbone.compile_vision is None or not tuners.acts_on_images:
        return ()
    return (
        f"compile_vision={backbone.compile_vision!r} compiles the frozen passes of the image tower "
        "alone: those that tuners act in run as they are",
    )
