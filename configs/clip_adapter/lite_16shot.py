# CLIP-Adapter: a bottleneck network on the image feature, mixed with it.
#
#   python tools/train.py configs/clip_adapter/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            image_head=dict(type="ResidualAdapter", reduction=4, ratio=0.2),
        )
    },
)
optim_wrapper = dict(optimizer=dict(lr=0.2))  # chosen on validation images: configs/README.md
