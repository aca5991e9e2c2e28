# ProGrad: CoOp whose updates do not work against the zero-shot classifier.
#
#   python tools/train.py configs/prograd/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", suffix="."),
        )
    },
    losses=dict(teacher=dict(type="SoftTargets")),  # of references.zero_shot
)
optim_wrapper = dict(type="GradientProjection", guide="teacher", optimizer=dict(lr=20.0))
