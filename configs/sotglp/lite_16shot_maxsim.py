# Ablation: each prompt looks at its most similar patch of the support only.
#
#   python tools/train.py configs/sotglp/lite_16shot_maxsim.py
_base_ = "lite_16shot.py"
model = dict(branches=dict(local=dict(aligner=dict(_delete_=True, type="MaxSimAligner"))))
