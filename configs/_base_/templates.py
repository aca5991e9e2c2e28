# Hand-written templates by data set, as CoOp's zero-shot script has them; methods that stand on
# them take them from here, as `_base_._templates`. Data sets not listed: "a photo of a {}.".
from importlib import import_module

_templates = import_module("plp.datasets.benchmarks").templates()
_clip_7 = import_module("plp.prompts.template_sets").CLIP_7
_imagenet_templates = [*_clip_7, "a photo of a {}."]  # CLIP's seven, then the plain one
