# ProLIP: the image tower's joint projection, learned near its start.
#
#   python tools/train.py configs/prolip/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            ensemble="texts",
        )
    },
    tuners=dict(projection=dict(type="TrainableProjection", penalty=1 / 16)),  # 1 / shots
)
data = dict(
    batch_size=16384,  # all shots in one step, those of ImageNet too
    views=300,
    cache_features=True,
    train_transform=dict(type="FewShotTrain", scale=(0.5, 1.0)),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="Adam", lr=1e-5, eps=1e-4, weight_decay=0.0)
)
param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=True)]
train_cfg = dict(max_epochs=300, val_interval=100)
_penalty, _texts = "model.tuners.projection.penalty", "model.branches.global.prompt.templates"
shot_recipes = {"_delete_": True, **{str(k): {_penalty: 1 / k} for k in (1, 2, 4, 8, 16)}}
recipes = {name: {_texts: texts} for name, texts in _base_._templates.items()}
recipes["imagenet"] = {_texts: "clip_7"}
