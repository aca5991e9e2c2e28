# Methods that need no texts, on DINOv2 ViT-S/14: an image tower alone, so there is no zero-shot
# reference. Other names of timm fit too: model.backbone.arch. Images of 224 pixels, as DINOv2's
# linear classifiers were trained with (its own size, 518, takes five times the patches).
_base_ = ["runtime.py", "datasets/textile.py", "schedules/sgd_cosine.py"]
model = dict(
    type="PromptLearner",
    backbone=dict(
        type="ImageOnlyBackbone", arch="timm:vit_small_patch14_dinov2.lvd142m", image_size=224
    ),
)
data = dict(
    batch_size=16,
    views=1,
    cache_features=True,
    train_transform=dict(_delete_=True, type="BackboneEval"),
)
