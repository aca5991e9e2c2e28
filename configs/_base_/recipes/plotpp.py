# Published templates of PLOT++ by dataset: the four prompts start as these, as many tokens of each
# as the first has words; words beyond stay. ImageNet's third is one word shorter, see `fill` of
# SharedContext.
_base_ = "../vitb16.py"
_words = "model.branches.passes.prompt.words"
_tokens = "model.branches.passes.prompt.num_tokens"
_photo = ["a photo of a", "this is a photo", "this is picture of", "one picture of a"]
_starts = dict(
    caltech101=_photo,
    stanford_cars=_photo,
    sun397=_photo,
    imagenet=["a photo of a", "this is a photo", "this is a", "one picture of a"],
    dtd=[
        "a photo of a texture", "this is a photo texture", "this is a picture texture",
        "one picture of a texture",
    ],
    eurosat=[
        "a centered satellite photo of", "a centered satellite picture of",
        "this is centered satellite photo of", "one centered satellite photo of a",
    ],
    fgvc_aircraft=[
        "a photo of an aircraft", "a picture of an aircraft", "this is aircraft picture of",
        "one picture of an aircraft",
    ],
    food101=[
        "a photo of a food", "this is a food photo", "this is food picture of",
        "one picture of a food",
    ],
    oxford_flowers=[
        "a photo of a flower", "one picture of a flower", "this is flower picture of",
        "one picture of a flower",
    ],
    oxford_pets=[
        "a photo of a pet", "one picture of a pet", "this is pet picture of",
        "one picture of a pet",
    ],
    ucf101=[
        "a photo of a person doing", "this is a photo people doing",
        "this is picture of people doing", "one picture of a person doing",
    ],
)  # fmt: skip
recipes = {name: {_words: words, _tokens: len(words[0].split())} for name, words in _starts.items()}
recipes["imagenet"]["train_cfg.max_epochs"] = 50
