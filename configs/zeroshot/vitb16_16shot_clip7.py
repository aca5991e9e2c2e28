# As vitb16_16shot.py with CLIP's 7 templates, whose texts are averaged.
#
#   python tools/train.py configs/zeroshot/vitb16_16shot_clip7.py
_base_ = "vitb16_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(templates="clip_7"), ensemble="texts"),
    }
)
