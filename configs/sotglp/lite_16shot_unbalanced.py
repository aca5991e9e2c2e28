# Ablation: patches may get more or less than their share of the mass (KL-relaxed marginal).
#
#   python tools/train.py configs/sotglp/lite_16shot_unbalanced.py
_base_ = "lite_16shot.py"
model = dict(branches=dict(local=dict(aligner=dict(type="UnbalancedSinkhornAligner"))))
