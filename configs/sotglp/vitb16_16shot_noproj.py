# As vitb16_16shot.py without the local projection: the paper's setting for telling OOD images.
#
#   python tools/train.py configs/sotglp/vitb16_16shot_noproj.py
_base_ = "vitb16_16shot.py"
model = dict(branches=dict(local=dict(projection=dict(_delete_=True, type="IdentityProjection"))))
