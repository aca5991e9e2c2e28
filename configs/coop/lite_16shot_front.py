# As lite_16shot.py with the class name in front of the context.
#
#   python tools/train.py configs/coop/lite_16shot_front.py
_base_ = "lite_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(position="front")),
    }
)
