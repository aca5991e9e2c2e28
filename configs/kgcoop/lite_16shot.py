# KgCoOp: CoOp that keeps its texts near those of a template.
#
#   python tools/train.py configs/kgcoop/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", suffix="."),
        )
    },
    losses=dict(anchor=dict(type="TextAnchor", weight=8.0)),  # to the texts of references.zero_shot
)
optim_wrapper = dict(optimizer=dict(lr=20.0))  # chosen on validation images: configs/README.md
