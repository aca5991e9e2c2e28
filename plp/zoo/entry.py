"""One backbone with a short name."""

from typing import Any, NamedTuple

# Which dense streams the image towers of a kind have, see docs/architecture.md.
STREAMS = {
    "transformer": ("tokens", "value", "vv"),
    "resnet": ("tokens", "value"),
    "convolutional": ("tokens",),
    "lite": ("grid",),
}


class Entry(NamedTuple):
    """A backbone with a short name.

    Attributes:
        name: The short name.
        family: What it belongs to, in words: model and training data.
        arch: As the backbone's class takes it; '' for a class that is one model.
        pretrained: Tag of `open_clip.list_pretrained()`; None where `arch` names the weights, too.
        image_size: Side of the input in pixels; None where only its files say it.
        licence: Of the weights, as their publisher states it.
        tower: Kind of the image tower, a key of `STREAMS`.
        type: The class, by its registered name.
    """

    name: str
    family: str
    arch: str
    pretrained: str | None
    image_size: int | None
    licence: str
    tower: str = "transformer"
    type: str = "OpenCLIPBackbone"

    @property
    def full_name(self) -> str:
        """Arch and tag as `--backbone` takes them, too.

        Example:
            >>> Entry('vit-b16', 'CLIP', 'ViT-B-16', 'openai', 224, 'MIT').full_name
            'ViT-B-16:openai'
        """
        if not self.arch:
            return self.name
        return f"{self.arch}:{self.pretrained}" if self.pretrained else self.arch

    @property
    def streams(self) -> tuple[str, ...]:
        """Dense streams of the image tower."""
        return STREAMS[self.tower]

    @property
    def has_text(self) -> bool:
        """Whether there is a text tower."""
        return self.type != "ImageOnlyBackbone"

    @property
    def config(self) -> dict[str, Any]:
        """`model.backbone` of a config."""
        return backbone_config(self.type, self.arch, self.pretrained)


def backbone_config(kind: str, arch: str, pretrained: str | None) -> dict[str, Any]:
    """Return `model.backbone` of a config.

    Example:
        >>> backbone_config('OpenCLIPBackbone', 'ViT-B-16', 'openai')
        {'type': 'OpenCLIPBackbone', 'arch': 'ViT-B-16', 'pretrained': 'openai'}
    """
    if kind == "OpenCLIPBackbone":
        return {"type": kind, "arch": arch, "pretrained": pretrained}
    if kind == "TransformersBackbone":
        return {"type": kind, "name_or_folder": arch.removeprefix("transformers:")}
    return {"type": kind, "arch": arch} if arch else {"type": kind}
