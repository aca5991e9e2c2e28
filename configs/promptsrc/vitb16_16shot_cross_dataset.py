# PromptSRC as published for other datasets: 20 epochs, three blocks with prompts.
#
#   python tools/train.py configs/promptsrc/vitb16_16shot_cross_dataset.py
_base_ = "vitb16_16shot.py"
model = dict(tuners=dict(prompts=dict(image_depth=3, text_depth=3)))
train_cfg = dict(max_epochs=20)
hooks = dict(aggregation=dict(mean=6, std=10))
_sets = ("stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat")
recipes = {name: {"hooks.aggregation.mean": 6, "hooks.aggregation.std": 10} for name in _sets}
