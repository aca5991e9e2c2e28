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
