# LP++: a linear probe blended with the texts; its starts and rates follow from the features.
#
#   python tools/train.py configs/lpplus/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches=dict(
        probe=dict(
            type="BlendedProbe", prompt=dict(type="TemplatePrompt", templates="one"), steps=300
        )
    )
)
data = dict(drop_last=False, views=1, train_transform=dict(type="FewShotTrain", scale=(0.5, 1.0)))
train_cfg = dict(max_epochs=0)
shot_recipes = dict(_delete_=True)
_texts = "model.branches.probe.prompt.templates"
recipes = {name: {_texts: texts} for name, texts in _base_._templates.items()}
recipes["imagenet"] = {_texts: "clip_7"}
