# Tip-Adapter-F: Tip-Adapter whose keys are learned.
#
#   python tools/train.py configs/tip_adapter_f/vitb16_16shot.py
_base_ = "../tip_adapter/vitb16_16shot.py"
model = dict(branches=dict(cache=dict(learn_keys=True)))
data = dict(batch_size=256)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.001, eps=1e-4, weight_decay=0.01),
)
param_scheduler = [dict(type="CosineAnnealingLR", convert_to_iter_based=True)]  # every step
train_cfg = dict(max_epochs=20, val_interval=10)
recipes = dict(eurosat={"train_cfg.max_epochs": 100})
