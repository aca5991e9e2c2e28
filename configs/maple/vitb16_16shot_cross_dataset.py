# MaPLe as published for other datasets: two epochs, three blocks with prompts.
#
#   python tools/train.py configs/maple/vitb16_16shot_cross_dataset.py
_base_ = "vitb16_16shot.py"
model = dict(tuners=dict(prompts=dict(depth=3)))
optim_wrapper = dict(optimizer=dict(lr=0.0026))
train_cfg = dict(max_epochs=2, val_interval=2)
