# As lite_16shot.py with a context of each class's own (CSC).
#
#   python tools/train.py configs/coop/lite_16shot_class_context.py
_base_ = "lite_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(type="ClassContext")),
    }
)
