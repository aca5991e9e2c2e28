# CoCoOp: a shared context plus a bias that a small network computes from each image.
#
#   python tools/train.py configs/cocoop/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="ImageContext", words="a photo of a", suffix="."),
        )
    },
)
data = dict(batch_size=1)
train_cfg = dict(max_epochs=10, val_interval=5)
shot_recipes = dict(_delete_=True)
