# ProGrad: CoOp whose updates do not work against the zero-shot classifier.
#
#   python tools/train.py configs/prograd/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", num_tokens=16, suffix="."),
        )
    },
    losses=dict(teacher=dict(type="SoftTargets")),  # of references.zero_shot
)
optim_wrapper = dict(type="GradientProjection", guide="teacher")
_start = "model.branches.global.prompt.words"
_teacher = "model.references.zero_shot.prompt.templates"
_words = dict(
    oxford_pets="a type of pet, a photo of a",
    oxford_flowers="a type of flower, a photo of a",
    fgvc_aircraft="a type of aircraft, a photo of a",
    food101="a type of food, a photo of",
    dtd="a texture of",
    eurosat="a centered satellite photo of",
    ucf101="a photo of a person doing",
)
recipes = {name: {_start: text, _teacher: [f"{text} {{}}."]} for name, text in _words.items()}
_strength = "optim_wrapper.strength"
for _name in ("oxford_flowers", "dtd", "eurosat"):  # weaker with 8 and 16 shots
    recipes[_name]["shots"] = {"4": {_strength: 1.0}, "16": {_strength: 0.8}}
recipes["imagenet"] = {"train_cfg.max_epochs": 50}
