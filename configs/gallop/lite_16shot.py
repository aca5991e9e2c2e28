# GalLoP: shared global prompts with dropout, shared local prompts on growing numbers of patches.
#
#   python tools/train.py configs/gallop/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_prompts=4, words="a photo of a"),
            dropout=0.75,
        ),
        "local": dict(
            type="LocalBranch",
            stream="grid",
            prompt=dict(type="SharedContext", num_prompts=4, words="a photo of a"),
            projection=dict(type="LinearProjection"),
            selector=dict(type="PromptTopK", k=(5, 10, 15, 20)),
            aligner=dict(type="MeanAligner"),
            loss="per_prompt",
        ),
    },
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"projection": dict(lr_mult=0.003)}))
