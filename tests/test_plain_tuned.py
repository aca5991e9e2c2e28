"""The plain baselines of tuned towers compute what the published code does."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

FOLDER = Path(__file__).parent / "parity"
WORDS = "a photo of a {}."
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))


@pytest.fixture(scope="module")
def clip(tiny_options):
    """The model of open_clip with the seeded weights of the fixtures."""
    from plp.backbones import OpenCLIPBackbone

    options = {key.rpartition(".")[2]: value for key, value in tiny_options.items()}
    return OpenCLIPBackbone(**options, quick_gelu=True).model


def built(method, clip, texts, start, meta, arrays):
    import plain_tuned

    if method == "maple":
        return plain_tuned.PlainMaPLe(clip, texts, start)
    if method == "promptsrc":
        return plain_tuned.PlainPromptSRC(clip, texts, start, arrays["teacher_text_features"])
    if method == "cliplora":
        return plain_tuned.PlainCLIPLoRA(clip, texts, start)
    if method == "mma":
        return plain_tuned.PlainMMA(clip, texts, start, first=1, scale=meta["scale"])
    return plain_tuned.PlainMMRL(clip, texts, start, 1, meta["alpha"], meta["reg"])


@pytest.mark.parametrize("method", ["maple", "promptsrc", "cliplora", "mma", "mmrl"])
def test_losses_and_gradients_of_the_published_code(method, clip):
    file = np.load(FOLDER / f"{method}_tiny.npz")
    arrays = {n: torch.from_numpy(file[n]) for n in file.files if file[n].dtype.kind in "fi"}
    meta = json.loads(file["meta"].item())
    names = [name.replace("_", " ") for name in file["class_names"].tolist()]
    template = meta.get("template", WORDS) if method == "mmrl" else WORDS
    start = {n.removeprefix("start_"): v for n, v in arrays.items() if n.startswith("start_")}
    texts = [template.format(name) for name in names]
    model = built(method, clip, texts, start, meta, arrays)
    loss = model.loss(arrays["images"].float(), arrays["labels"])
    assert_close(loss.detach(), arrays["loss"].reshape(()), rtol=1e-5, atol=1e-5)
    loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            expected = arrays[f"grad_{name.rstrip('_')}"]
            off = (parameter.grad - expected).norm() / expected.norm()
            assert off < 2e-5, (name, off)
