# PromptSRC as published for new classes: 20 epochs, averaged around the fifteenth.
#
#   python tools/train.py configs/promptsrc/vitb16_16shot_base_to_new.py
_base_ = "vitb16_16shot.py"
train_cfg = dict(max_epochs=20)
hooks = dict(aggregation=dict(mean=15, std=1))
_sets = ("stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat")
recipes = {name: {"hooks.aggregation.mean": 15, "hooks.aggregation.std": 1} for name in _sets}
