# CLIP-LoRA on the lite backbone: its text tower alone, since image features are cached.
#
#   python tools/train.py configs/cliplora/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    },
    tuners=dict(
        lora=dict(
            type="LowRank",
            towers="text",
            matrices=("q", "k", "v"),
            r=2,
            alpha=1.0,
            scaling="alpha/sqrt(r)",
            dropout=0.25,
        )
    ),
)
# AdamW, as published; its rate by the rule of configs/README.md.
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=1e-2, weight_decay=0.01))
param_scheduler = dict(
    _delete_=True, type="CosineAnnealingLR", by_epoch=False, T_max="max_steps", eta_min=1e-6
)
