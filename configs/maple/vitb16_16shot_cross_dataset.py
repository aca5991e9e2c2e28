# MaPLe as published for other datasets: two epochs, three blocks with prompts.
#
#   python tools/train.py configs/maple/vitb16_16shot_cross_dataset.py
_base_ = "vitb16_16shot.py"
model = dict(tuners=dict(prompts=dict(depth=3)))
optim_wrapper = dict(optimizer=dict(lr=0.0026))
param_scheduler = [
    dict(type="ConstantLR", factor=1e-5 / 0.0026, by_epoch=True, end=2),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=1, T_max="max_epochs"),
]
train_cfg = dict(max_epochs=2, val_interval=2)
