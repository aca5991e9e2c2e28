# MMA: adapters beside the upper blocks of both towers, joined by a matrix that the towers share.
#
#   python tools/train.py configs/mma/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    },
    tuners=dict(
        adapters=dict(
            type="ResidualAdapters",
            blocks=[4, 5, 6, 7, 8, 9, 10, 11],
            width=32,
            scale=0.001,
            divide_gradients_by_scale=True,  # the published step back: 1000 times the rate
        )
    ),
)
data = dict(batch_size=16)
optim_wrapper = dict(optimizer=dict(lr=0.0015))
param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=True)]  # no warm-up
train_cfg = dict(max_epochs=5, val_interval=5)
shot_recipes = dict(_delete_=True)
recipes = dict(imagenet={"data.batch_size": 128})
