# Zero-shot classification: the cosine of the image with the text of each class. Nothing is trained.
# One template: "a photo of a {}."
#
#   python tools/train.py configs/zeroshot/lite_16shot.py
_base_ = "../_base_/lite.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
        )
    },
    references=dict(_delete_=True),
)
train_cfg = dict(max_epochs=0)
recipes = dict(_delete_=True)
shot_recipes = dict(_delete_=True)
