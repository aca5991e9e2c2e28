# PromptSRC: IVLP held near the frozen model, averaged over the epochs.
#
#   python tools/train.py configs/promptsrc/vitb16_16shot.py
_base_ = "../_base_/vitb16.py"
model = dict(
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", words="a photo of a", num_tokens=4, suffix="."),
        )
    },
    tuners=dict(prompts=dict(type="DeepPrompts", image_length=4, image_depth=9, text_depth=9)),
    references=dict(
        teacher=dict(
            type="GlobalBranch",
            prompt=dict(type="TemplatePrompt", templates="clip_60"),
            ensemble="raw_texts",
        ),
    ),
    losses=dict(
        text=dict(
            type="TextAnchor", teacher="teacher", weight=25.0, distance="l1", templates="raw"
        ),
        image=dict(type="ImageAnchor", weight=10.0, distance="l1"),
        logits=dict(type="TeacherDivergence", teacher="teacher", mean_over="images_and_classes"),
    ),
)
data = dict(batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=0.0025))
train_cfg = dict(max_epochs=50, val_interval=10)
shot_recipes = dict(_delete_=True)
hooks = dict(aggregation=dict(type="PromptAggregationHook", mean=30, std=30))
_late = {"hooks.aggregation.mean": 45, "hooks.aggregation.std": 5}
_sets = ("stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat")
recipes = dict.fromkeys(_sets, _late)
