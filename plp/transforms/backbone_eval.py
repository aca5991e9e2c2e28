"""The test transform that the weights of a backbone ask for."""

from typing import Any

from plp.registry import TRANSFORMS
from plp.transforms.base import EvalTransform
from plp.transforms.clip_eval import ClipEval
from plp.transforms.letterbox import Letterbox
from plp.transforms.preprocessing import Preprocessing
from plp.transforms.resized_center_crop import ResizedCenterCrop
from plp.transforms.squash import Squash


@TRANSFORMS.register_module(name="BackboneEval")
def backbone_eval(preprocessing: Preprocessing) -> EvalTransform:
    """What the backbone's weights were tested with: clip, crop, squash or letterbox.

    It is one of the transforms of those names, with the backbone's settings; descriptions and
    caches of features have its name.

    Args:
        preprocessing: The backbone's; the assembling code fills it in.

    Example:
        >>> half = (0.5, 0.5, 0.5)
        >>> backbone_eval(Preprocessing((224, 224), half, half, 'squash', 'bilinear'))
        Squash(size=224, interpolation=bilinear)
    """
    settings: dict[str, Any] = {
        "size": preprocessing.size,
        "interpolation": preprocessing.interpolation,
    }
    if preprocessing.resize_mode == "longest":
        return Letterbox(**settings, fill=preprocessing.fill_color, resize=preprocessing.box)
    if preprocessing.resize_mode == "squash":
        return Squash(**settings, resize=preprocessing.box)
    if preprocessing.box == preprocessing.size:
        return ClipEval(**settings)
    return ResizedCenterCrop(**settings, resize=preprocessing.box)
