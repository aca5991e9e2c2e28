# As vitb16_16shot.py, with the paper's equations where the published code departs from them: the
# local score is not divided by N, and the V-V stream starts at the patch embedding.
#
#   python tools/train.py configs/sotglp/vitb16_16shot_paper.py
_base_ = "vitb16_16shot.py"
model = dict(
    backbone=dict(alias_first_block=False),
    branches=dict(local=dict(score_scale="paper")),
)
