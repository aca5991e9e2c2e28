# As vitb16_16shot_published.py without the local projection: the setting of the published
# out-of-distribution table.
#
#   python tools/train.py configs/sotglp/vitb16_16shot_published_noproj.py --shots 16
_base_ = "vitb16_16shot_published.py"
model = dict(branches=dict(local=dict(projection=dict(_delete_=True, type="IdentityProjection"))))
