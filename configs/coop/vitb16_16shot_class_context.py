# As vitb16_16shot.py with a context of each class's own (CSC).
#
#   python tools/train.py configs/coop/vitb16_16shot_class_context.py
_base_ = "vitb16_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(type="ClassContext")),
    }
)
