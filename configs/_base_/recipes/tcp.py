# Published texts of TCP by dataset, taken as `_base_._tcp_recipes`: what stands behind the name in
# the learned texts, and the template of the frozen ones, which tokens are made of. Data
# sets not listed: "." and "a photo of a {}.".
_tcp_recipes = {
    name: {
        "model.branches.global.prompt.suffix": suffix,
        "model.references.zero_shot.prompt.templates": [teacher],
    }
    for name, suffix, teacher in (
        ("oxford_pets", ", a type of pet.", "a photo of a {}, a type of pet."),
        ("oxford_flowers", ", a type of flower.", "a photo of a {}, a type of flower."),
        ("food101", ", a type of food.", "a photo of a {}, a type of food."),
        ("fgvc_aircraft", ", a type of aircraft.", "a photo of an aircraft {}."),
        ("dtd", " texture.", "a photo of a {}, a type of texture."),
        ("stanford_cars", ", a type of car", "a photo of a {}."),
        ("eurosat", ".", "a centered satellite photo of {}."),
        ("ucf101", ".", "a photo of a person doing {}."),
    )
}
# Four tokens of these words are learned, from the words as start; the rest of them stays.
_tcp_recipes["ucf101"].update(
    {
        "model.branches.global.prompt.words": "a photo of a person doing",
        "model.branches.global.prompt.num_tokens": 4,
    }
)
