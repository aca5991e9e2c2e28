# As lite_16shot.py with the field's template of the data set, where it has one.
#
#   python tools/train.py configs/zeroshot/lite_16shot_dataset.py
_base_ = "lite_16shot.py"
_key = "model.branches.global.prompt.templates"
recipes = {
    "_delete_": True,
    "oxford_pets": {_key: ["a photo of a {}, a type of pet."]},
    "oxford_flowers": {_key: ["a photo of a {}, a type of flower."]},
    "fgvc_aircraft": {_key: ["a photo of a {}, a type of aircraft."]},
    "dtd": {_key: ["{} texture."]},
    "eurosat": {_key: ["a centered satellite photo of {}."]},
    "food101": {_key: ["a photo of {}, a type of food."]},
    "ucf101": {_key: ["a photo of a person doing {}."]},
}
