# KgCoOp: CoOp that keeps its texts near those of a template.
#
#   python tools/train.py configs/kgcoop/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", suffix="."),
        )
    },
    losses=dict(anchor=dict(type="TextAnchor", weight=8.0)),  # to the texts of references.zero_shot
)
data = dict(batch_size=128)
train_cfg = dict(max_epochs=100)
shot_recipes = dict(_delete_=True)
recipes = dict(
    dtd={"model.references.zero_shot.prompt.templates": ["a photo of a {}, a type of texture."]}
)
