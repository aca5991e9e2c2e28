# GalLoP: shared global prompts with dropout, shared local prompts on growing numbers of patches.
#
#   python tools/train.py configs/gallop/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_prompts=4, words="A photo of a"),
            dropout=0.75,
        ),
        "local": dict(
            type="LocalBranch",
            stream="value",
            prompt=dict(type="SharedContext", num_prompts=4, words="A photo of a"),
            projection=dict(type="LinearProjection"),
            selector=dict(type="PromptTopK", k=(5, 10, 15, 20)),
            aligner=dict(type="MeanAligner"),
            loss="per_prompt",
        ),
    },
)
optim_wrapper = dict(optimizer=dict(weight_decay=0.01))
param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=True)]  # no warm-up
recipes = dict(
    imagenet={"data.batch_size": 128, "train_cfg.max_epochs": 50},
    sun397={"data.batch_size": 128},
    eurosat={"data.batch_size": 10},
)
