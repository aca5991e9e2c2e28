# ruff: noqa: D100
# SOT-GLP on the lite backbone with an aligner of a user's own in the place of transport.
#
#   python tools/train.py examples/custom_component/lite_16shot_attention.py
_base_ = "../../configs/sotglp/lite_16shot.py"
custom_imports = dict(imports=["attention_aligner"])  # the file beside this config
model = dict(
    branches=dict(
        local=dict(aligner=dict(_delete_=True, type="AttentionAligner", temperature=0.1)),
    ),
)
