# As vitb16_16shot.py, and with the shots of the published code: a stratified draw (K times C images
# in proportion to class size). Its test crop is CLIP's own, as everywhere here.
#
#   python tools/train.py configs/sotglp/vitb16_16shot_published.py --dataset coop --data-root DIR
_base_ = "vitb16_16shot.py"
data = dict(sampler="stratified")
