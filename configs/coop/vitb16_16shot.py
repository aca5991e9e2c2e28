# CoOp: one context shared by all classes, learned by cross-entropy.
# Sixteen tokens that start at random.
#
#   python tools/train.py configs/coop/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_tokens=16, std=0.02, suffix="."),
        )
    },
)
recipes = dict(imagenet={"train_cfg.max_epochs": 50})
