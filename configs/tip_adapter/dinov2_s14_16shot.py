# Tip-Adapter without its text term, on an image tower without texts, DINOv2 ViT-S/14: a cache of
# the shots, nothing trained; its two constants are searched on validation images.
#
#   python tools/train.py configs/tip_adapter/dinov2_s14_16shot.py
_base_ = "../_base_/dinov2_s14.py"
model = dict(
    branches=dict(cache=dict(type="CacheBranch", alpha_grid=(50, 100), beta_grid=(50, 100)))
)
train_cfg = dict(max_epochs=0)
