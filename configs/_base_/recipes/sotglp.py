# Published recipe of SOT-GLP by dataset: learning rate, batch, local prompts per class; 200 epochs,
# 50 on ImageNet. Applied when the dataset has the name, printed at start, and overridden by
# --cfg-options. Datasets not listed here train with what the config says. The zero-shot reference
# takes the field's templates, as beside the other methods.
_base_ = "templates.py"
_lr = "optim_wrapper.optimizer.lr"
_batch = "data.batch_size"
_local = "model.branches.local.prompt.num_prompts"
recipes = {
    name: {_lr: lr, _batch: batch, _local: local}
    for name, lr, batch, local in (
        ("fgvc_aircraft", 0.01, 128, 2),
        ("caltech101", 0.005, 32, 6),
        ("stanford_cars", 0.005, 32, 4),
        ("dtd", 0.002, 128, 4),
        ("eurosat", 0.001, 10, 4),
        ("oxford_flowers", 0.005, 32, 6),
        ("food101", 0.005, 128, 6),
        ("imagenet", 0.01, 256, 4),
        ("oxford_pets", 0.005, 32, 6),
        ("sun397", 0.005, 128, 4),
        ("ucf101", 0.005, 128, 4),
    )
}
recipes["imagenet"]["train_cfg.max_epochs"] = 50
recipes["textile"] = {"train_cfg.max_epochs": 10}  # ours: the demonstration set ends in minutes
# Published for 16 shots only; fewer take the epochs of CoOp and GalLoP.
shot_recipes = {"1": {"train_cfg.max_epochs": 50}, "4": {"train_cfg.max_epochs": 100}}
