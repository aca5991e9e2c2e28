# Ablation: epsilon 0.01, transport that departs from the uniform plan.
#
#   python tools/train.py configs/sotglp/lite_16shot_eps001.py
_base_ = "lite_16shot.py"
model = dict(branches=dict(local=dict(aligner=dict(epsilon=0.01))))
