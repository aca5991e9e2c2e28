# TaskRes: a learned offset of each class's text.
#
#   python tools/train.py configs/taskres/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            text_head=dict(type="ClassResidual", scale=0.5),
        )
    },
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="Adam", lr=0.002, weight_decay=5e-4),
)
data = dict(batch_size=256)
shot_recipes = {"_delete_": True, "4": {"train_cfg.max_epochs": 100}}
_texts = "model.branches.global.prompt.templates"
recipes = {name: {_texts: texts} for name, texts in _base_._templates.items()}
recipes["oxford_flowers"]["model.branches.global.text_head.scale"] = 1.0
recipes["imagenet"] = {
    _texts: _base_._imagenet_templates,
    "model.branches.global.ensemble": "texts",
    "optim_wrapper.optimizer.lr": 0.0002,
}
