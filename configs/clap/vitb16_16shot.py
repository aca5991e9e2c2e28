# CLAP: ZS-LP with a penalty that keeps a class near its text where the text is right already.
#
#   python tools/train.py configs/clap/vitb16_16shot.py
_base_ = "../zslp/vitb16_16shot.py"
model = dict(branches=dict(probe=dict(penalty=1.0)))
