# ZS-LP: a linear probe on cached features that starts at the texts.
#
#   python tools/train.py configs/zslp/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches=dict(
        probe=dict(
            type="TextStartedProbe",
            prompt=dict(type="TemplatePrompt", templates="one"),
            penalty=0.0,
        )
    )
)
data = dict(batch_size=256, views=20, cache_features=True)
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=0.0))
train_cfg = dict(max_epochs=300, val_interval=50)
shot_recipes = dict(_delete_=True)
_texts = "model.branches.probe.prompt.templates"
recipes = {name: {_texts: texts} for name, texts in _base_._templates.items()}
recipes["imagenet"] = {_texts: _base_._imagenet_templates}
