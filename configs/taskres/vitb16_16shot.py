# TaskRes: a learned offset of each class's text.
#
#   python tools/train.py configs/taskres/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            text_head=dict(type="ClassResidual", scale=0.5),
        )
    },
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="Adam", lr=0.002, weight_decay=5e-4),
)
data = dict(batch_size=256, drop_last=False)
_alpha = "model.branches.global.text_head.scale"
recipes = dict(oxford_flowers={_alpha: 1.0}, imagenet={"optim_wrapper.optimizer.lr": 0.0002})
