# MMRL as published for new classes: 10 epochs of batches of 4.
#
#   python tools/train.py configs/mmrl/vitb16_16shot_base_to_new.py
_base_ = "vitb16_16shot.py"
data = dict(batch_size=4)
train_cfg = dict(max_epochs=10, val_interval=5)
