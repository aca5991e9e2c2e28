# As vitb16_16shot.py, starting as "a photo of a" (four tokens).
#
#   python tools/train.py configs/coop/vitb16_16shot_words.py
_base_ = "vitb16_16shot.py"
model = dict(
    branches={
        "global": dict(prompt=dict(num_tokens=None, std=None, words="a photo of a")),
    }
)
