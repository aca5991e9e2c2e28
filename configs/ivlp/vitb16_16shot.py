# IVLP: prompts in both towers, deep, each learned by itself.
#
#   python tools/train.py configs/ivlp/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", num_tokens=2, suffix="."),
        )
    },
    tuners=dict(
        prompts=dict(type="DeepPrompts", image_length=2, image_depth=12, text_depth=12),
    ),
)
data = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.0035))
train_cfg = dict(max_epochs=5, val_interval=5)
shot_recipes = dict(_delete_=True)
