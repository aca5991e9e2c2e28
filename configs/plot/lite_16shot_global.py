# As lite_16shot.py plus the logits of the whole image: PLOT's variant for ImageNet.
#
#   python tools/train.py configs/plot/lite_16shot_global.py
_base_ = "lite_16shot.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="BorrowedPrompt", branch="local"),
            ensemble="texts",
        )
    },
    fusion="sum",
    objective="fused",
)
