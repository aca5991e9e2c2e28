# CoOp: one context shared by all classes, learned by cross-entropy.
# Starts as words: sixteen random tokens are lite_16shot_random16.py.
#
#   python tools/train.py configs/coop/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", suffix="."),
        )
    },
)
optim_wrapper = dict(optimizer=dict(lr=20.0))  # chosen on validation images: configs/README.md
