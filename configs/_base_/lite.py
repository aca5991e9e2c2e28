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
    train_transform=dict(_delete_=True, type="BackboneEval"),
)
optim_wrapper = dict(optimizer=dict(lr=8.0, weight_decay=1e-4))  # chosen as configs/README.md says
train_cfg = dict(max_epochs=30, val_interval=10)
_epochs, _look = "train_cfg.max_epochs", "train_cfg.val_interval"
shot_recipes = {"1": {_epochs: 90, _look: 30}, "4": {_epochs: 60, _look: 20}}
recipes = {  # a hundred classes: fewer, larger steps
    name: {
        "data.batch_size": 128,
        _epochs: 10,
        "shots": {"1": {_epochs: 90, _look: 30}, "4": {_epochs: 30, _look: 10}},
    }
    for name in ("caltech101", "oxford_flowers")
}
