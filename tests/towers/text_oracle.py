"""Backbones with tiny text towers of each family, and what the library itself makes of texts."""

from pathlib import Path

import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from towers.text_cases import CASES

from plp.backbones import OpenCLIPBackbone
from plp.learners.class_names import name_tokens
from plp.prompts import TemplatePrompt
from plp.towers.select import read_text

NAMES = ["ox", "kite (bird)", "great grey owl", "ox."]
TEMPLATE = "a pic of a {}."
TEXT = {"width": 32, "heads": 2, "layers": 2, "context_length": 48}
VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}


def build(name: str, folder: Path) -> OpenCLIPBackbone:
    """Return a backbone with a text tower of a family."""
    text = {**TEXT, **CASES[name](folder)}
    later = {key: text.pop(key) for key in ("use_pad_mask", "correct_cls_mask") if key in text}
    config = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text, "custom_text": True}
    built = OpenCLIPBackbone("tiny", None, model_config=config, quick_gelu=False)
    for key, value in later.items():  # open_clip's tower has them, its config does not
        setattr(built.model.text, key, value)
    built._text = read_text(built.model, text)
    generator = torch.Generator().manual_seed(0)
    for _, parameter in sorted(built.model.named_parameters()):  # nothing stays at zero or one
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return built


def own_ids(backbone, sentences):
    """Return the tokens of whole sentences, padded as open_clip pads them."""
    tokens = backbone._text.tokens
    options = getattr(tokens, "_options", {})
    name = getattr(tokens, "_name", None)
    if name is None:
        tokenizer = SimpleTokenizer(context_length=backbone.context_length)
    else:
        tokenizer = HFTokenizer(name, context_length=backbone.context_length, **options)
    return tokenizer(sentences)


def own(backbone, sentences):
    """Return the features that open_clip gives whole sentences."""
    text = getattr(backbone.model, "text", backbone.model)
    features = text(own_ids(backbone, sentences))
    return features[0] if isinstance(features, tuple) else features


def filled(backbone, template, names):
    tokens = name_tokens(names, backbone.embed_words)
    return TemplatePrompt([template], embed_words=backbone.embed_words)(tokens)
