# Logistic regression on frozen features of an image tower without texts, DINOv2 ViT-S/14.
#
#   python tools/train.py configs/linear_probe/dinov2_s14_16shot.py
_base_ = "../_base_/dinov2_s14.py"
model = dict(branches=dict(probe=dict(type="LinearProbe")))
train_cfg = dict(max_epochs=0)
