"""A tiny model like SigLIP, saved as its makers publish: squashed, wide, biased, not causal."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

SIZE = (32, 64)  # height and width
PREPROCESS = {
    "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear",
    "resize_mode": "squash",
}  # fmt: skip
SCALE, BIAS = 40.0, -3.0


def model_config() -> dict[str, Any]:
    """Return an open_clip model config: padding counts, read at the last place, mean pooling."""
    return {
        "embed_dim": 32,
        "custom_text": True,
        "init_logit_bias": BIAS,
        "quick_gelu": False,
        "vision_cfg": {
            "image_size": list(SIZE), "patch_size": 16, "width": 64, "layers": 2, "head_width": 32,
            "pool_type": "avg",
        },
        "text_cfg": {
            "context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1,
            "no_causal_mask": True, "pool_type": "last", "proj_bias": True,
        },
    }  # fmt: skip


def write_siglip(folder: Path, biased: bool = True) -> Path:
    """Save config and seeded weights as a folder that open_clip and plp read."""
    folder.mkdir(parents=True)
    config = model_config()
    if not biased:
        del config["init_logit_bias"]
    stated = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.CustomTextCLIP(
            **{k: v for k, v in config.items() if k not in ("custom_text",)}
        )
        with torch.no_grad():
            model.logit_scale.fill_(torch.tensor(SCALE).log())
            for parameter in model.text.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder
