# LoCoOp: CoOp that makes patches which do not show the class look like no class.
#
#   python tools/train.py configs/locoop/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", suffix="."),
            stream="grid",
        )
    },
    losses=dict(background=dict(type="BackgroundEntropy", weight=0.25, top=0.2)),
)
optim_wrapper = dict(optimizer=dict(lr=2.0))  # chosen on validation images: configs/README.md
