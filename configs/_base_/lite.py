# Methods on the lite backbone (real weights from pip packages, minutes on a CPU). Views are fixed,
# so that each image goes through the frozen tower once.
_base_ = ["runtime.py", "datasets/textile.py", "schedules/sgd_cosine.py"]
model = dict(
    type="PromptLearner",
    backbone=dict(type="LiteBackbone"),
    references=dict(
        zero_shot=dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    ),
)
data = dict(
    batch_size=16,
    views=1,
    cache_features=True,
    train_transform=dict(_delete_=True, type="ClipEval"),
)
optim_wrapper = dict(optimizer=dict(lr=8.0, weight_decay=1e-4))  # chosen as configs/README.md says
train_cfg = dict(max_epochs=30, val_interval=10)
shot_recipes = {  # fewer images, more epochs
    "1": {"train_cfg.max_epochs": 90, "train_cfg.val_interval": 30},
    "4": {"train_cfg.max_epochs": 60, "train_cfg.val_interval": 20},
}
recipes = {  # a hundred classes: fewer, larger steps
    name: {"data.batch_size": 128} for name in ("caltech101", "oxford_flowers")
}
