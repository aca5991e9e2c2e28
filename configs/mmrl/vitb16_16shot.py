# MMRL: tokens of one learned space in both towers, with a line of evidence of their own.
#
#   python tools/train.py configs/mmrl/vitb16_16shot.py
_base_ = ["../_base_/vitb16.py", "../_base_/recipes/mmrl.py"]
model = dict(
    branches={
        "global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one")),
        "tokens": dict(
            type="TokenBranch",
            prompt=dict(type="BorrowedPrompt", branch="global"),
            tokens="representation.tokens",
        ),
    },
    tuners=dict(
        representation=dict(
            type="RepresentationTokens", blocks=[5, 6, 7, 8, 9, 10, 11], num_tokens=5, width=512
        )
    ),
    losses=dict(
        image=dict(type="ImageAnchor", weight=0.5),
        text=dict(type="TextAnchor", weight=0.5),  # to references.zero_shot: the same template
    ),
    fusion={"global": 0.7, "tokens": 0.3},  # alpha and 1 - alpha, of scores and of losses
    objective="weighted",
)
data = dict(train_transform=dict(scale=(0.5, 1.0)))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.001, weight_decay=5e-4),
)
train_cfg = dict(max_epochs=50)
shot_recipes = dict(_delete_=True)
recipes = _base_._mmrl_recipes
