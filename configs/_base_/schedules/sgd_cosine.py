# SGD with a cosine schedule stepped once an epoch, no warm-up (GalLoP and SOT-GLP). Weight decay
# acts on prompts and projection alike, as published.
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.005, momentum=0.9, weight_decay=0.01),
)
param_scheduler = dict(type="CosineAnnealingLR", by_epoch=True)
train_cfg = dict(max_epochs=200, val_interval=50)
