# Logistic regression on frozen image features, its regularisation chosen on validation images.
#
#   python tools/train.py configs/linear_probe/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(branches=dict(probe=dict(type="LinearProbe")))
train_cfg = dict(max_epochs=0)
recipes = dict(_delete_=True)
shot_recipes = dict(_delete_=True)
