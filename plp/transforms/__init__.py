"""Transforms: PIL image in, uint8 [3, size, size] out."""

from plp.transforms.base import CropGeometry, EvalTransform, Transform
from plp.transforms.clip_eval import ClipEval
from plp.transforms.few_shot_train import FewShotTrain
from plp.transforms.pixels import to_rgb
from plp.transforms.resized_center_crop import ResizedCenterCrop
from plp.transforms.squash import Squash

__all__ = [
    "ClipEval",
    "CropGeometry",
    "EvalTransform",
    "FewShotTrain",
    "ResizedCenterCrop",
    "Squash",
    "Transform",
    "to_rgb",
]
