# ZS-LP: a linear probe that starts at the texts.
#
#   python tools/train.py configs/zslp/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches=dict(
        probe=dict(
            type="TextStartedProbe",
            prompt=dict(type="TemplatePrompt", templates="one"),
            penalty=0.0,
        )
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.63))  # chosen on validation images: configs/README.md
