# PLOT: four prompts shared by all classes, balanced transport to all patches.
#
#   python tools/train.py configs/plot/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches=dict(
        local=dict(
            type="LocalBranch",
            stream="tokens",
            prompt=dict(type="SharedContext", num_prompts=4, num_tokens=16, std=0.02, suffix="."),
            selector=dict(type="AllPatches"),
            aligner=dict(type="SinkhornAligner", epsilon=0.1),
        )
    )
)
data = dict(batch_size=128)
train_cfg = dict(max_epochs=50)
shot_recipes = dict(_delete_=True)
