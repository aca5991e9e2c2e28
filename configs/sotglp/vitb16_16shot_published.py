# As vitb16_16shot.py, and with the data of the published code: a stratified draw (K times C images
# in proportion to class size) and Resize(256) + CenterCrop(224) for testing.
#
#   python tools/train.py configs/sotglp/vitb16_16shot_published.py --dataset coop --data-root DIR
_base_ = "vitb16_16shot.py"
data = dict(sampler="stratified", eval_transform=dict(type="ResizedCenterCrop", resize=256))
