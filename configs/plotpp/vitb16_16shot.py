# PLOT++, second of two runs: image and text prompts joined by transport, both learned. It starts
# from the first run, vitb16_16shot_stage1.py, which is named by init_from=RUN (README.md).
#
#   python tools/train.py configs/plotpp/vitb16_16shot.py
_base_ = "../_base_/recipes/plotpp.py"
model = dict(
    branches=dict(
        passes=dict(
            type="PassBranch",
            prompt=dict(
                type="SharedContext",
                num_prompts=4,
                num_tokens=4,
                words=["a photo of a", "this is a photo", "this is picture of", "one picture of a"],
                fill="end_token",
                suffix=".",
            ),
            aligner=dict(type="SinkhornAligner", epsilon=0.1),
        )
    ),
    tuners=dict(image=dict(type="ImagePromptSets", num_sets=4, num_tokens=2)),
)
