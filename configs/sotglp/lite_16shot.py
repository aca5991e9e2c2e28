# SOT-GLP on the lite backbone: real weights from pip packages, minutes on a CPU.
#
#   python tools/train.py configs/sotglp/lite_16shot.py
_base_ = [
    "../_base_/runtime.py",
    "../_base_/datasets/textile.py",
    "../_base_/schedules/sgd_cosine.py",
]
model = dict(
    type="PromptLearner",
    backbone=dict(type="LiteBackbone"),
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_prompts=3, words="a photo of a"),
            dropout=0.75,
        ),
        "local": dict(
            type="LocalBranch",
            stream="grid",  # the convolutional tower's last map; it has no V-V attention
            prompt=dict(type="ClassContext", num_prompts=4, num_tokens=4, init="xavier_uniform"),
            projection=dict(type="LinearProjection"),
            selector=dict(type="SharedTopK", k=10),
            aligner=dict(type="SinkhornAligner", epsilon=0.1),
        ),
    },
    references=dict(
        zero_shot=dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates=["a photo of a {}."]),
        ),
    ),
)
# Chosen on validation images (README): learning rates, batch, epochs. Views are fixed, so that each
# image goes through the frozen tower once.
data = dict(
    batch_size=16,
    views=1,
    cache_features=True,
    train_transform=dict(_delete_=True, type="ClipEval"),
)
optim_wrapper = dict(
    optimizer=dict(lr=0.5, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={"projection": dict(lr_mult=0.05)}),
)
train_cfg = dict(max_epochs=30, val_interval=10)
recipes = dict(  # 700 prompts a step there: fewer, larger steps
    caltech101={"data.batch_size": 128, "train_cfg.max_epochs": 10},
)
