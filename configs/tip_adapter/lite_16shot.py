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
            alpha_grid=(50, 100),  # up to the largest published limits, those of Oxford Flowers
            beta_grid=(50, 100),
        )
    )
)
train_cfg = dict(max_epochs=0)
recipes = dict(_delete_=True)
shot_recipes = dict(_delete_=True)
