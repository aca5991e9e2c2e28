"""One architecture of open_clip, measured in this process, which `coverage.py` forks."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import starmap
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers
from _coverage_build import Built, WithoutInit
from _coverage_methods import (
    CLASS_CONTEXT,
    CLASSES,
    METHODS,
    attempt,
    learner_of,
    remember_texts,
    run_method,
    timed_step,
)
from torch.nn import functional as F

from plp.backbones._openclip_build import build_model
from plp.backbones._openclip_spec import resolve
from plp.testing.hub_stand_ins import write_stand_in

BLOCKS = 4  # that are left of the towers of large models
FAMILIES = {  # the first that matches
    "CoCa": "coca", "ConvNeXt": "convnext", "EVA": "EVA", "MobileCLIP2": "MobileCLIP2",
    "MobileCLIP": "MobileCLIP", "mT5": "mt5", "NLLB-SigLIP": "nllb.*siglip", "NLLB": "nllb",
    "Perception Encoder": "PE-Core", "CLIP ResNet": "RN", "XLM-RoBERTa": "xlm",
    "RoBERTa": "roberta", "Swin": "swin", "SigLIP2": ".*SigLIP2", "SigLIP": ".*SigLIP",
    "CLIPA": ".*CLIPA", "MetaCLIP 2": ".*worldwide", "ViTamin": "ViTamin", "ViT of timm": "vit_",
    "CLIP ViT": "ViT",
}  # fmt: skip


def family(arch: str) -> str:
    """Return the family of an arch by its name."""
    return next(name for name, start in FAMILIES.items() if re.match(start, arch))


def rows(arch: str, largest: float) -> Iterator[dict[str, Any]]:
    """Yield what is known of an arch after each stage: a row cut off says how far it came."""
    import plp.backbones.openclip as module
    from plp.backbones import OpenCLIPBackbone

    row: dict[str, Any] = {"arch": arch, "family": family(arch), "finished": False}
    built = Built(module.build_model, largest, BLOCKS)
    module.build_model = built
    try:
        backbone = OpenCLIPBackbone(arch, pretrained=None)
    except Exception as error:  # a refusal is a row
        row["parameters"] = built.parameters
        yield row | {"refused": f"{type(error).__name__}: {error}", "finished": True}
        return
    row |= described(backbone, built)
    yield row
    images = noise(*backbone.image_size)
    remember_texts(backbone)
    with torch.no_grad():
        features = backbone.encode_image(backbone.normalise(images), backbone.streams)
    row["zero_shot"] = attempt(lambda: zero_shot(backbone, images, features))
    yield row
    row["methods"] = {}
    timed = attempt(lambda: timed_step(backbone, images))
    if isinstance(timed, str):
        row["step"] = {"refused": timed}
    else:
        name, stream, cost = timed
        row["step"] = {"of": name, "seconds": round(cost.seconds, 2), "mib": round(cost.memory)}
        row["methods"][name] = stream or "yes"
    yield row
    row["ClassContext"] = attempt(lambda: run_method(backbone, CLASS_CONTEXT, features))
    yield row
    for name in METHODS:
        if name not in row["methods"]:
            row["methods"][name] = attempt(
                lambda method=METHODS[name]: run_method(backbone, method, features)
            )
            yield row
    yield row | {"finished": True}


def noise(height: int, width: int) -> torch.Tensor:
    """Return an image of seeded pixels."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, 3, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def described(backbone: Any, built: Built) -> dict[str, Any]:
    """Return what a backbone is."""
    return {
        "image": image_tower(backbone.model.visual),
        "text": text_tower(backbone.model),
        "parameters": built.parameters,
        "cut": built.was_cut,
        "image_size": list(backbone.image_size),
        "context_length": backbone.context_length,
        "tokenizer": tokenizer(backbone),
        "streams": [name for name in ("tokens", "value", "vv") if name in backbone.streams],
    }


def image_tower(visual: Any) -> str:
    """Return what an image tower is, and how it pools."""
    trunk = getattr(visual, "trunk", None)
    if trunk is not None:
        pool = str(getattr(trunk, "global_pool", "") or "") or "avg"
        head = [name for name, _ in visual.head.named_children()]
        return f"timm {type(trunk).__name__}, {pool}" + (", pool of the head" * ("pool" in head))
    if getattr(visual, "attn_pool", None) is not None:
        return f"{type(visual).__name__}, attention pool"
    return f"{type(visual).__name__}, {getattr(visual, 'pool_type', 'attention pool')}"


def text_tower(model: Any) -> str:
    """Return what a text tower is, and where it is read."""
    tower = getattr(model, "text", model)
    if hasattr(tower, "pooler"):
        kind = type(tower.transformer).__name__
        return f"{kind}, {type(tower.pooler).__name__}"
    causal = "causal" if getattr(tower, "attn_mask", None) is not None else "not causal"
    if getattr(tower, "cls_emb", None) is not None:
        return f"{causal}, class token appended"
    pool = getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", "argmax")
    place = {"argmax": "end token", "eos": "end token", "last": "last place"}
    return f"{causal}, {place.get(pool, pool)}"


def tokenizer(backbone: Any) -> dict[str, Any]:
    """Return the class and vocabulary of a tokenizer, and whether it stands for one of the hub."""
    tokenizer = own_tokenizer(backbone.arch)
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:
        return {"class": type(tokenizer).__name__, "size": tokenizer.vocab_size, "stand_in": False}
    return {"class": type(inner).__name__, "size": len(inner), "stand_in": True}


def own_tokenizer(arch: str) -> Any:
    """Return open_clip's tokenizer of an arch."""
    return open_clip.get_tokenizer(arch)


@torch.no_grad()
def zero_shot(backbone: Any, images: torch.Tensor, features: Any) -> float:
    """Classify; return the largest difference of features from open_clip's own, to the largest.

    Raises:
        ValueError: for logits that are not numbers, or that do not tell classes apart.
    """
    learner = learner_of(backbone, "zeroshot/vitb16_16shot").eval()
    logits = learner(features)["logits"]
    if not bool(logits.isfinite().all()) or bool((logits[:, 0] == logits[:, 1]).any()):
        raise ValueError(f"expected two different numbers, got {logits.tolist()}")
    tokens = own_tokenizer(backbone.arch)([f"a photo of a {name}." for name in CLASSES])
    model = backbone.model
    pairs = (
        (learner.encode_text()["global"][:, 0], model.encode_text(tokens)),
        (features.pooled, model.encode_image(backbone.normalise(images))),
    )
    return float(f"{max(starmap(distance, pairs)):.1e}")


def distance(found: torch.Tensor, own: torch.Tensor) -> float:
    """Return the largest difference to the largest number; of directions, which is what counts."""
    found, own = F.normalize(found, dim=-1), F.normalize(own, dim=-1)  # CoCa's own are normalised
    return float((found - own).abs().max() / own.abs().max())


def write_stages(arch: str, home: Path, out: Path, largest: float) -> None:
    """Write a JSON line after each stage of an arch.

    Args:
        arch: Of open_clip.
        home: Folder of stand-ins for what the hub holds; `HF_HOME` of this process.
        out: File of the lines.
        largest: Parameters above which a model is cut.
    """
    torch.set_num_threads(1)
    row: dict[str, Any] = {"arch": arch, "family": family(arch), "finished": False}
    with open(out, "w", buffering=1) as file:
        try:
            write_stand_ins(home, [arch])
            for row in rows(arch, largest):
                print(json.dumps(row), file=file)
        except Exception as error:  # the process ends; its row says why
            print(json.dumps(row | {"early": f"{type(error).__name__}: {error}"}), file=file)


def write_sizes(home: Path, out: Path) -> None:
    """Write the parameters of every arch as a JSON object; nothing is drawn."""
    write_stand_ins(home, open_clip.list_models())
    counts = {}
    for arch in open_clip.list_models():
        spec = resolve(arch, None, None, None, None)
        with WithoutInit():
            model = build_model(spec.config, False, None, 0, None)
        counts[arch] = sum(p.numel() for p in model.parameters())
    out.write_text(json.dumps(counts))


def write_stand_ins(home: Path, archs: Iterable[str]) -> None:
    """Write what some archs take from the hub."""
    transformers.utils.logging.set_verbosity_error()
    for name in sorted(set().union(*map(hub_names, archs))):
        write_stand_in(home, name)


def hub_names(arch: str) -> set[str]:
    """Return the models of the hub that an arch takes its tokenizer or text tower from."""
    text = open_clip.get_model_config(arch)["text_cfg"]
    return {text[key] for key in ("hf_model_name", "hf_tokenizer_name") if text.get(key)}
