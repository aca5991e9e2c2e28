# 2SFS: norms of both towers first, then a classifier that starts at the texts.
#
#   python tools/train.py configs/twostage/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="StagedClassifier",
            prompt=dict(type="TemplatePrompt", templates="one"),
            stage=1,
        )
    },
    tuners=dict(
        norms=dict(type="TrainableNorms", towers="both", norms=("norm1", "norm2"), learned_in=(0,))
    ),
)
data = dict(drop_last=False)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, weight_decay=0.01))
param_scheduler = [dict(type="CosineRestartLR", by_epoch=False, periods="stages", eta_min=1e-6)]
train_cfg = dict(_delete_=True, steps_per_shot=300, stages=(0.6, 0.4))
shot_recipes = dict(_delete_=True)
