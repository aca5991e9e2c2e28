# LP++: a linear probe blended with the texts; its starts and rates follow from the features.
#
#   python tools/train.py configs/lpplus/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches=dict(
        probe=dict(
            type="BlendedProbe", prompt=dict(type="TemplatePrompt", templates="one"), steps=300
        )
    )
)
train_cfg = dict(max_epochs=0)
recipes = dict(_delete_=True)
shot_recipes = dict(_delete_=True)
