# As vitb16_16shot.py with the class name in front of the context.
#
#   python tools/train.py configs/coop/vitb16_16shot_front.py
_base_ = "vitb16_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(position="front")),
    }
)
