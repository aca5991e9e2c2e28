# 2SFS on the lite backbone: norms of its text tower alone, since image features are cached.
#
#   python tools/train.py configs/twostage/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="StagedClassifier", prompt=dict(type="TemplatePrompt", templates="one"), stage=1
        )
    },
    tuners=dict(norms=dict(type="TrainableNorms", towers="text", learned_in=(0,))),
)
# AdamW, as published; its rate by the rule of configs/README.md.
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=3.2e-3, weight_decay=0.01))
param_scheduler = dict(
    _delete_=True, type="CosineRestartLR", by_epoch=False, periods="stages", eta_min=1e-6
)
train_cfg = dict(stages=(0.6, 0.4))
