# MaPLe: text prompts in the first nine blocks, and image prompts that are functions of them.
#
#   python tools/train.py configs/maple/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", num_tokens=2, suffix="."),
        )
    },
    tuners=dict(prompts=dict(type="CoupledPrompts", depth=9)),
)
data = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.0035))
train_cfg = dict(max_epochs=5, val_interval=5)
shot_recipes = dict(_delete_=True)
