# PLOT: four prompts shared by all classes, balanced transport to all patches.
#
#   python tools/train.py configs/plot/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches=dict(
        local=dict(
            type="LocalBranch",
            stream="grid",
            prompt=dict(type="SharedContext", num_prompts=4, num_tokens=4, std=0.02, suffix="."),
            selector=dict(type="AllPatches"),
            aligner=dict(type="SinkhornAligner", epsilon=0.1),
        )
    )
)
