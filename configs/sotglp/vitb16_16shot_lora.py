# SOT-GLP whose image tower learns low-rank updates under both branches: a variant that nobody has
# published, composed of what is here. Nothing of it was tuned.
#
#   python tools/train.py configs/sotglp/vitb16_16shot_lora.py
_base_ = "vitb16_16shot.py"
model = dict(
    tuners=dict(
        lora=dict(
            type="LowRank",
            towers="image",
            matrices=("q", "k", "v"),
            r=2,
            scaling="alpha/sqrt(r)",
            dropout=0.25,
        )
    )
)
