# Hand-written templates by dataset, as CoOp's zero-shot script has them; methods that stand on
# them take them from here, as `_base_._templates`. Datasets not listed: "a photo of a {}.".
_base_ = []  # comes first: with an import above it, mmengine reads a file as another kind of config
from plp.datasets.benchmarks import templates as _templates_of  # noqa: E402
from plp.prompts.template_sets import template_set as _template_set  # noqa: E402

_templates = _templates_of()
_imagenet_templates = [*_template_set("clip_7"), *_template_set("one")]
