# CLAP: ZS-LP with a penalty that keeps a class near its text where the text is right already.
#
#   python tools/train.py configs/clap/lite_16shot.py
_base_ = "../zslp/lite_16shot.py"
model = dict(branches=dict(probe=dict(penalty=1.0)))
optim_wrapper = dict(optimizer=dict(lr=2.0))  # chosen on validation images: configs/README.md
