# Published recipe of MMRL by dataset, taken as `_base_._mmrl_recipes`: the template of the learned
# texts (the frozen ones have it already), the weight lambda of the two cosine terms, ImageNet's
# epochs, EuroSAT's width.
_base_ = []  # comes first: with an import above it, mmengine reads a file as another kind of config
from plp.datasets.benchmarks import templates as _templates_by_name  # noqa: E402

_mmrl_weights = dict(
    stanford_cars=7.0,
    fgvc_aircraft=6.0,
    sun397=6.0,
    dtd=6.0,
    food101=5.0,
    oxford_flowers=4.0,
    ucf101=3.0,
    imagenet=0.5,
    caltech101=0.5,
    oxford_pets=0.2,
    eurosat=0.01,
)
_mmrl_recipes = {
    name: {"model.losses.image.weight": weight, "model.losses.text.weight": weight}
    for name, weight in _mmrl_weights.items()
}
for _name, _texts in _templates_by_name().items():
    _mmrl_recipes[_name]["model.branches.global.prompt.templates"] = _texts
_mmrl_recipes["eurosat"]["model.tuners.representation.width"] = 2048
_mmrl_recipes["imagenet"].update({"train_cfg.max_epochs": 5})
