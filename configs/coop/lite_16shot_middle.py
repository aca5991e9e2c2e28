# As lite_16shot.py with the class name in the middle of the context.
#
#   python tools/train.py configs/coop/lite_16shot_middle.py
_base_ = "lite_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(position="middle")),
    }
)
