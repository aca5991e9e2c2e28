# TaskRes: a learned offset of each class's text.
#
#   python tools/train.py configs/taskres/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            text_head=dict(type="ClassResidual", scale=0.5),
        )
    },
)
optim_wrapper = dict(optimizer=dict(lr=2.0))  # chosen on validation images: configs/README.md
