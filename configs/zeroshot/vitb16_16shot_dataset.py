# As vitb16_16shot.py with the field's template of the dataset, where it has one.
#
#   python tools/train.py configs/zeroshot/vitb16_16shot_dataset.py
_base_ = "vitb16_16shot.py"
_key = "model.branches.global.prompt.templates"
recipes = {name: {_key: texts} for name, texts in _base_._templates.items()}
