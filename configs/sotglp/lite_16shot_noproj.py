# Ablation: no projection, so that patches stay where the backbone puts them; the paper's setting
# for out-of-distribution detection.
#
#   python tools/train.py configs/sotglp/lite_16shot_noproj.py
_base_ = "lite_16shot.py"
model = dict(branches=dict(local=dict(projection=dict(_delete_=True, type="IdentityProjection"))))
