# CLIP-LoRA: low-rank updates of queries, keys and values in every block of both towers.
#
#   python tools/train.py configs/cliplora/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    },
    tuners=dict(
        lora=dict(
            type="LowRank",
            towers="both",
            matrices=("q", "k", "v"),
            r=2,
            alpha=1.0,
            scaling="alpha/sqrt(r)",  # as the published code computes; the paper has alpha / r
            dropout=0.25,
        )
    ),
)
data = dict(drop_last=False)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, weight_decay=0.01))
param_scheduler = [  # every step
    dict(type="CosineAnnealingLR", by_epoch=False, T_max="max_steps", eta_min=1e-6)
]
train_cfg = dict(_delete_=True, steps_per_shot=500)
shot_recipes = dict(_delete_=True)
