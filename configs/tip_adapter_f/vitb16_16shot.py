# Tip-Adapter-F: Tip-Adapter whose keys are learned.
#
#   python tools/train.py configs/tip_adapter_f/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches=dict(
        cache=dict(
            type="CacheBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            learn_keys=True,
        )
    )
)
data = dict(
    batch_size=256,
    drop_last=False,
    views=10,
    train_transform=dict(type="FewShotTrain", scale=(0.5, 1.0)),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.001, eps=1e-4, weight_decay=0.01),
)
param_scheduler = dict(type="CosineAnnealingLR", by_epoch=True)
train_cfg = dict(max_epochs=20, val_interval=10)
recipes = dict(eurosat={"train_cfg.max_epochs": 100})
shot_recipes = dict(_delete_=True)
