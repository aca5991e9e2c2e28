# As lite_16shot.py with sixteen tokens that start at random, as published.
#
#   python tools/train.py configs/coop/lite_16shot_random16.py
_base_ = "lite_16shot.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(_delete_=True, type="SharedContext", num_tokens=16, std=0.02, suffix="."),
        )
    },
)
