# Ablation: each prompt of a class picks its own support, and averages over it; no transport, which
# would have no meaning between patches that differ from prompt to prompt.
#
#   python tools/train.py configs/sotglp/lite_16shot_prompt_topk.py
_base_ = "lite_16shot.py"
model = dict(
    branches=dict(
        local=dict(
            selector=dict(type="PromptTopK", k=10),
            aligner=dict(_delete_=True, type="MeanAligner"),
        )
    )
)
