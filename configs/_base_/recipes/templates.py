# The field's template of each data set (CoOp's zero-shot script), for the frozen reference.
_key = "model.references.zero_shot.prompt.templates"
recipes = {
    name: {_key: [template]}
    for name, template in (
        ("oxford_pets", "a photo of a {}, a type of pet."),
        ("oxford_flowers", "a photo of a {}, a type of flower."),
        ("fgvc_aircraft", "a photo of a {}, a type of aircraft."),
        ("dtd", "{} texture."),
        ("eurosat", "a centered satellite photo of {}."),
        ("food101", "a photo of {}, a type of food."),
        ("ucf101", "a photo of a person doing {}."),
    )
}
recipes["imagenet"] = {"train_cfg.max_epochs": 50}
