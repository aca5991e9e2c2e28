# VPT-deep: prompts in every block of the image tower, texts of a template.
#
#   python tools/train.py configs/vpt/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    },
    tuners=dict(prompts=dict(type="DeepPrompts", image_length=8, image_depth=12)),
)
data = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.0025))
train_cfg = dict(max_epochs=5, val_interval=5)
shot_recipes = dict(_delete_=True)
