"""The text part of a step reads nothing from the device, so that its kernels can be queued ahead.

On a CPU the meta device stands for an accelerator: its tensors have no values, and whatever would
read one (`item`, `nonzero`, `cpu`, a comparison) fails.
"""

import contextlib

import pytest
import torch

import plp
from plp.structures import ImageFeatures

NAMES = ["cat", "old oak tree", "red car", "golden retriever", "dog"] * 13
NAMES = [f"{name} {i}" for i, name in enumerate(NAMES)]  # enough to be split by length
CONFIGS = ["sotglp/vitb16_16shot", "coop/vitb16_16shot", "cocoop/vitb16_16shot",
           "kgcoop/vitb16_16shot", "prograd/vitb16_16shot"]  # fmt: skip


def text_step(learner, device):
    """Encode the texts of all branches and references, and go back."""
    pooled = torch.zeros(2, learner.backbone.embed_dim, device=device)
    features = ImageFeatures(pooled, {}, (1, 1))
    frozen = learner.encode_text(features, references=True)
    texts = learner.encode_text(features)
    sum(text.sum() for text in texts.values()).backward()
    return frozen | texts


@pytest.fixture
def on_meta(root, tiny_options, monkeypatch):
    """Build learners on the meta device, which autocast does not know."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)

    def build(name, options):
        config = root / "configs" / f"{name}.py"
        return plp.build_learner(config, NAMES, tiny_options | options).to("meta").train()

    return build


@pytest.mark.parametrize("chunk", [None, 20])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_of_the_text_tower_reads_nothing_from_the_device(on_meta, name, chunk):
    learner = on_meta(name, {"model.text_chunk": chunk})
    texts = text_step(learner, "meta")
    assert all(text.device.type == "meta" for text in texts.values())
    prompts = learner.branches.prompts.values()
    grads = [p.grad for prompt in prompts for p in prompt.parameters() if p.requires_grad]
    assert grads
    assert all(grad is not None and grad.device.type == "meta" for grad in grads)


def test_reading_would_be_noticed(on_meta):
    """Lengths on the device, where they used to be."""
    learner = on_meta("coop/vitb16_16shot", {})
    learner.name_lengths = learner.name_lengths.to("meta")
    with pytest.raises(NotImplementedError, match="meta"):
        text_step(learner, "meta")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("chunk", [None, 20])
@pytest.mark.parametrize("name", CONFIGS)
def test_on_a_gpu_nothing_waits(root, tiny_options, name, chunk):
    config, options = root / "configs" / f"{name}.py", {"model.text_chunk": chunk}
    learner = plp.build_learner(config, NAMES, tiny_options | options).cuda().train()
    text_step(learner, "cuda")  # the first step may set things up
    torch.cuda.set_sync_debug_mode("error")
    try:
        text_step(learner, "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")
