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
            alpha_grid=(50, 100),  # up to the largest published limits, those of Oxford Flowers
            beta_grid=(50, 100),
        )
    )
)
optim_wrapper = dict(optimizer=dict(lr=0.02))  # chosen on validation images: configs/README.md
