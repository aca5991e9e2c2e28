# Hand-written templates by data set, as CoOp's zero-shot script has them; methods that stand on
# them take them from here, as `_base_._templates`. Data sets not listed: "a photo of a {}.".
_templates = dict(
    oxford_pets=["a photo of a {}, a type of pet."],
    oxford_flowers=["a photo of a {}, a type of flower."],
    fgvc_aircraft=["a photo of a {}, a type of aircraft."],
    dtd=["{} texture."],
    eurosat=["a centered satellite photo of {}."],
    food101=["a photo of {}, a type of food."],
    ucf101=["a photo of a person doing {}."],
)
_imagenet_templates = [  # the seven that CLIP's authors selected, then the plain one
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
    "a photo of a {}.",
]
