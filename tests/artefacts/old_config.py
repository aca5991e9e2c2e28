# The whole config of the stored run: it inherits nothing, so that nothing changes under it.
default_scope = "plp"
randomness = {"seed": 1}
save_seconds = 0.0
report = False
selection = "val"
data = {
    "shots": 4,
    "sampler": "exact",
    "batch_size": 5,
    "eval_batch_size": 16,
    "num_workers": 0,
    "train_transform": {"type": "FewShotTrain"},
    "eval_transform": {"type": "ClipEval"},
    "drop_last": False,
}
optim_wrapper = {
    "type": "OptimWrapper",
    "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
}
param_scheduler = {"type": "CosineAnnealingLR", "by_epoch": True}
train_cfg = {"max_epochs": 4, "val_interval": 1}
model = {
    "type": "PromptLearner",
    "backbone": {
        "type": "OpenCLIPBackbone",
        "arch": "tiny",
        "pretrained": "tiny.pt",
        "quick_gelu": True,
        "alias_first_block": True,
        "model_config": {
            "embed_dim": 64,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": 96,
                "patch_size": 16,
                "width": 128,
                "layers": 4,
                "head_width": 64,
            },
            "text_cfg": {
                "context_length": 77,
                "vocab_size": 49408,
                "width": 128,
                "heads": 2,
                "layers": 4,
            },
        },
    },
    "branches": {
        "global": {
            "type": "GlobalBranch",
            "prompt": {"type": "SharedContext", "num_prompts": 3, "words": "A photo of a"},
            "dropout": 0.75,
        },
        "local": {
            "type": "LocalBranch",
            "stream": "vv",
            "prompt": {
                "type": "ClassContext",
                "num_prompts": 4,
                "num_tokens": 4,
                "init": "xavier_uniform",
            },
            "projection": {"type": "LinearProjection"},
            "selector": {"type": "SharedTopK", "k": 10},
            "aligner": {"type": "SinkhornAligner", "epsilon": 0.1},
            "score_scale": "published_code",
        },
    },
    "references": {
        "zero_shot": {
            "type": "GlobalBranch",
            "prompt": {"type": "TemplatePrompt", "templates": "one"},
        }
    },
}
