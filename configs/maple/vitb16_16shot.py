# MaPLe: text prompts in the first nine blocks, and image prompts that are functions of them.
#
#   python tools/train.py configs/maple/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", num_tokens=2, suffix="."),
        )
    },
    tuners=dict(prompts=dict(type="CoupledPrompts", depth=9)),
)
data = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.0035))
param_scheduler = [
    dict(type="ConstantLR", factor=1e-5 / 0.0035, by_epoch=True, end=2),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=1, T_max="max_epochs"),
]
train_cfg = dict(max_epochs=5, val_interval=5)
shot_recipes = dict(_delete_=True)
