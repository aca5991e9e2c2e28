# SOT-GLP on the lite backbone: real weights from pip packages, minutes on a CPU.
#
#   python tools/train.py configs/sotglp/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_prompts=3, words="a photo of a"),
            dropout=0.75,
        ),
        "local": dict(
            type="LocalBranch",
            stream="grid",  # the convolutional tower's last map; it has no V-V attention
            prompt=dict(type="ClassContext", num_prompts=4, num_tokens=4, init="xavier_uniform"),
            projection=dict(type="LinearProjection"),
            selector=dict(type="SharedTopK", k=10),
            aligner=dict(type="SinkhornAligner", epsilon=0.1),
        ),
    },
)
# Chosen on validation images (README). Class-specific context takes another rate than shared one.
optim_wrapper = dict(
    optimizer=dict(lr=0.5),
    paramwise_cfg=dict(
        custom_keys={"projection": dict(lr_mult=0.05), "branches.global": dict(lr_mult=16)}
    ),
)
