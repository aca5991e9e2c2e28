# TCP: context that is replaced, half-way up the text tower, by tokens made of each class's text.
#
#   python tools/train.py configs/tcp/vitb16_16shot.py
_base_ = ["../_base_/vitb16.py", "../_base_/recipes/tcp.py"]
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch", prompt=dict(type="SharedContext", num_tokens=4, suffix=".")
        )
    },
    tuners=dict(class_aware=dict(type="ClassAwareTokens", block=8, num_tokens=4)),
    losses=dict(anchor=dict(type="TextAnchor", weight=8.0)),  # to the texts of references.zero_shot
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="Adam", lr=0.002, weight_decay=5e-4),  # coupled: L2
)
train_cfg = dict(max_epochs=50)
shot_recipes = dict(_delete_=True)
recipes = _base_._tcp_recipes
