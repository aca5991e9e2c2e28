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
recipes = {
    name: {"data.batch_size": 32} for name in ("oxford_flowers", "fgvc_aircraft", "stanford_cars")
}
recipes["imagenet"] = {"train_cfg.max_epochs": 50}
