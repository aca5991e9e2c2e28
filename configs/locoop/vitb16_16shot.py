# LoCoOp: CoOp that makes patches which do not show the class look like no class.
#
#   python tools/train.py configs/locoop/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_tokens=16, std=0.02, suffix="."),
            stream="value",
        )
    },
    losses=dict(background=dict(type="BackgroundEntropy", weight=0.25, top=0.2)),
)
train_cfg = dict(max_epochs=50)
shot_recipes = dict(_delete_=True)
