# As vitb16_16shot.py with the class name in the middle of the context.
#
#   python tools/train.py configs/coop/vitb16_16shot_middle.py
_base_ = "vitb16_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(position="middle")),
    }
)
