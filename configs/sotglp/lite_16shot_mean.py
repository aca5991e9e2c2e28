# Ablation: no transport. The mean over the shared support, every pair alike.
#
#   python tools/train.py configs/sotglp/lite_16shot_mean.py
_base_ = "lite_16shot.py"
model = dict(branches=dict(local=dict(aligner=dict(_delete_=True, type="MeanAligner"))))
