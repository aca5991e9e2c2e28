# Tip-Adapter-F: Tip-Adapter whose keys are learned.
#
#   python tools/train.py configs/tip_adapter_f/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches=dict(
        cache=dict(
            type="CacheBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            learn_keys=True,
        )
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.02))  # chosen on validation images: configs/README.md
