# Methods on OpenAI's CLIP ViT-B/16 by the recipe that CoOp set and others kept: SGD 0.002, momentum
# 0.9, weight decay 5e-4, one warm-up epoch at 1e-5, then cosine; 50 epochs for one shot, 100 for
# two to four, 200 for more. The reference takes the field's template of a dataset.
_base_ = ["runtime.py", "datasets/textile.py", "recipes/templates.py"]
model = dict(
    type="PromptLearner",
    backbone=dict(type="OpenCLIPBackbone", arch="ViT-B-16", pretrained="openai", quick_gelu=True),
    references=dict(
        zero_shot=dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    ),
)
data = dict(drop_last=True)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.002, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    # In the first epoch, whatever lr is; mmengine gives the rate back in epoch `end - 1`.
    dict(type="ConstantLR", start_rate=1e-5, by_epoch=True, end=2),
    # As Dassl's: begins after the warm-up and spans as many epochs as the run has, so that the last
    # is not at zero.
    dict(type="CosineAnnealingLR", by_epoch=True, begin=1, T_max="max_epochs"),
]
train_cfg = dict(max_epochs=200, val_interval=50)
shot_recipes = {
    "1": {"train_cfg.max_epochs": 50},
    "4": {"train_cfg.max_epochs": 100},
}
