# SOT-GLP (arXiv 2603.08347) on CLIP ViT-B/16: numerics, crops and batches of the published code.
#
#   python tools/train.py configs/sotglp/vitb16_16shot.py
#   python tools/train.py configs/sotglp/vitb16_16shot.py --dataset folder --data-root DIR
_base_ = [
    "../_base_/runtime.py",
    "../_base_/datasets/textile.py",
    "../_base_/schedules/sgd_cosine.py",
    "../_base_/recipes/sotglp.py",
]
model = dict(
    type="PromptLearner",
    backbone=dict(
        type="OpenCLIPBackbone",
        arch="ViT-B-16",
        pretrained="openai",
        quick_gelu=True,  # OpenAI's weights were trained with it
        alias_first_block=True,  # an accident of the published code, kept here
    ),
    branches={
        "global": dict(
            type="GlobalBranch",
            prompt=dict(type="SharedContext", num_prompts=3, words="A photo of a"),
            dropout=0.75,
        ),
        "local": dict(
            type="LocalBranch",
            stream="vv",
            prompt=dict(type="ClassContext", num_prompts=4, num_tokens=4, init="xavier_uniform"),
            projection=dict(type="LinearProjection"),
            selector=dict(type="SharedTopK", k=10),
            aligner=dict(type="SinkhornAligner", epsilon=0.1),
            score_scale="published_code",  # 1 / N of the paper's score
        ),
    },
    references=dict(
        zero_shot=dict(type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates="one"))
    ),
)
data = dict(drop_last=True)
