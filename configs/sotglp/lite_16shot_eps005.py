# Ablation: epsilon 0.05; the published 0.1 is lite_16shot.py.
#
#   python tools/train.py configs/sotglp/lite_16shot_eps005.py
_base_ = "lite_16shot.py"
model = dict(branches=dict(local=dict(aligner=dict(epsilon=0.05))))
