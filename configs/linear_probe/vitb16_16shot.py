# Logistic regression on frozen image features, its regularisation chosen on validation images.
#
#   python tools/train.py configs/linear_probe/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(branches=dict(probe=dict(type="LinearProbe")))
# The probe sees each shot once, as CLIP's authors do it.
data = dict(drop_last=False, views=1, train_transform=dict(_delete_=True, type="BackboneEval"))
train_cfg = dict(max_epochs=0)
shot_recipes = dict(_delete_=True)
