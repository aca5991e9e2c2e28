# CLIP-Adapter: a bottleneck network on the image feature, mixed with it.
#
#   python tools/train.py configs/clip_adapter/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            image_head=dict(type="ResidualAdapter", reduction=4, ratio=0.2),
        )
    },
)
_key = "model.branches.global.prompt.templates"
recipes = {name: {_key: texts} for name, texts in _base_._templates.items()}
recipes["imagenet"] = {"train_cfg.max_epochs": 50}
