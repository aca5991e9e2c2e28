# PLOT++, first of two runs: image prompts alone, beside texts that stay as they are written.
#
#   python tools/train.py configs/plotpp/vitb16_16shot_stage1.py
_base_ = "vitb16_16shot.py"
model = dict(branches=dict(passes=dict(add_global=True, freeze_prompt=True)))
