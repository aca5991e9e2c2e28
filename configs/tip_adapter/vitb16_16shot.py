# Tip-Adapter: a cache of the shots beside the texts, nothing trained; its two constants are
# searched on validation images. Start and range of the search by dataset, as published.
#
#   python tools/train.py configs/tip_adapter/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
_cache = "model.branches.cache."
model = dict(
    branches=dict(
        cache=dict(
            type="CacheBranch",
            prompt=dict(type="TemplatePrompt", templates="one"),
            learn_keys=False,
        )
    )
)
data = dict(drop_last=False, views=10, train_transform=dict(type="FewShotTrain", scale=(0.5, 1.0)))
train_cfg = dict(max_epochs=0)
shot_recipes = dict(_delete_=True)
recipes = {
    name: {
        _cache + "alpha": alpha, _cache + "alpha_grid": (up_to[1], 20),
        _cache + "beta": 1.0, _cache + "beta_grid": (up_to[0], 200),
        _cache + "prompt.templates": _base_._templates.get(name, "one"),
    }
    for name, alpha, up_to in (
        ("caltech101", 3.0, (12, 5)), ("dtd", 2.0, (13, 13)), ("eurosat", 2.0, (12, 10)),
        ("fgvc_aircraft", 5.0, (30, 30)), ("food101", 1.17, (10, 10)), ("imagenet", 1.17, (7, 3)),
        ("oxford_flowers", 10.0, (50, 50)), ("oxford_pets", 1.17, (7, 3)),
        ("stanford_cars", 3.0, (20, 10)), ("sun397", 1.17, (12, 10)), ("ucf101", 3.0, (7, 3)),
    )
}  # fmt: skip
recipes["imagenet"][_cache + "prompt.templates"] = "clip_7"
