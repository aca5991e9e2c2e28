# Tip-Adapter: a cache of the shots beside the texts, nothing trained; its two constants are
# searched on validation images.
#
#   python tools/train.py configs/tip_adapter/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches=dict(
        cache=dict(
            type="CacheBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            learn_keys=False,
        )
    )
)
train_cfg = dict(max_epochs=0)
recipes = dict(_delete_=True)
shot_recipes = dict(_delete_=True)
