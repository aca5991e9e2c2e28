"""Transforms: PIL image in, uint8 [3, height, width] out."""

from plp.transforms.backbone_eval import backbone_eval
from plp.transforms.base import CropGeometry, EvalTransform, Transform
from plp.transforms.clip_eval import ClipEval
from plp.transforms.few_shot_train import FewShotTrain
from plp.transforms.letterbox import Letterbox
from plp.transforms.pixels import to_rgb
from plp.transforms.preprocessing import Preprocessing
from plp.transforms.resized_center_crop import ResizedCenterCrop
from plp.transforms.squash import Squash

__all__ = [
    "ClipEval",
    "CropGeometry",
    "EvalTransform",
    "FewShotTrain",
    "Letterbox",
    "Preprocessing",
    "ResizedCenterCrop",
    "Squash",
    "Transform",
    "backbone_eval",
    "to_rgb",
]
