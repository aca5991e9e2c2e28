# ProLIP: a projection of image features, learned near the identity: this backbone has none.
#
#   python tools/train.py configs/prolip/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    },
    tuners=dict(projection=dict(type="TrainableProjection", penalty=1 / 16)),  # 1 / shots
)
optim_wrapper = dict(optimizer=dict(lr=0.016))  # chosen on validation images: configs/README.md
_penalty = "model.tuners.projection.penalty"
_epochs, _look = "train_cfg.max_epochs", "train_cfg.val_interval"
shot_recipes = {
    "1": {_penalty: 1.0, _epochs: 90, _look: 30},
    "2": {_penalty: 1 / 2, _epochs: 60, _look: 20},
    "4": {_penalty: 1 / 4, _epochs: 60, _look: 20},
    "8": {_penalty: 1 / 8},
}
