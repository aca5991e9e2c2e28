# Tip-Adapter-F without its text term, on an image tower without texts, DINOv2 ViT-S/14.
#
#   python tools/train.py configs/tip_adapter_f/dinov2_s14_16shot.py
_base_ = "../_base_/dinov2_s14.py"
model = dict(
    branches=dict(
        cache=dict(type="CacheBranch", learn_keys=True, alpha_grid=(50, 100), beta_grid=(50, 100))
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.02, weight_decay=1e-4))  # those of the lite config
train_cfg = dict(max_epochs=30, val_interval=10)
