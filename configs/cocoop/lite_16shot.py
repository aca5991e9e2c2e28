# CoCoOp: a shared context plus a bias that a small network computes from each image.
#
#   python tools/train.py configs/cocoop/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="ImageContext", words="a photo of a", suffix="."),
        )
    },
)
optim_wrapper = dict(optimizer=dict(lr=0.2))  # chosen on validation images: configs/README.md
