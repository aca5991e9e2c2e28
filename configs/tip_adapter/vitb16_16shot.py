# Tip-Adapter: a cache of the shots beside the texts, nothing trained; its two constants are
# searched on validation images.
#
#   python tools/train.py configs/tip_adapter/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches=dict(
        cache=dict(
            type="CacheBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            learn_keys=False,
        )
    )
)
data = dict(
    drop_last=False,
    views=10,
    train_transform=dict(type="FewShotTrain", scale=(0.5, 1.0)),
)
train_cfg = dict(max_epochs=0)
shot_recipes = dict(_delete_=True)
