"""Tiny models of the transformers library, one of each family, saved as they lie on the hub.

Random weights; tokenizers are the library's own classes with a vocabulary of letters and the
special tokens, order and padding of the published ones. SigLIP's own class needs sentencepiece,
which tests do without: a tokenizer with its layout stands in.
"""

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers as hf
from towers.text_cases import T5, write_tokenizer

LETTERS = [*string.ascii_lowercase, *string.ascii_uppercase, *string.digits, *".,()'-"]
CHINESE = [*"一张的照片牛风筝大灰鸮。"]
SIDE = 32
TOWER = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
VISION = {**TOWER, "image_size": SIDE, "patch_size": 8}
EFFICIENTNET = {
    "image_size": 64, "width_coefficient": 0.5, "depth_coefficient": 0.3, "hidden_dim": 32,
    "in_channels": [32, 16], "out_channels": [16, 48], "kernel_sizes": [3, 3], "strides": [2, 2],
    "num_block_repeats": [1, 1], "expand_ratios": [1, 2],
}  # fmt: skip


def clip_tokenizer(folder: Path) -> Any:
    ends = [letter + "</w>" for letter in LETTERS]
    pieces = [*LETTERS, *ends, "<|startoftext|>", "<|endoftext|>"]
    return hf.CLIPTokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=32
    )


def siglip_tokenizer(folder: Path) -> Any:
    write_tokenizer(folder, T5)
    return hf.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="</s>", eos_token="</s>",
        unk_token="<unk>", model_max_length=40,
    )  # fmt: skip


def gemma(kind: str) -> Callable[[Path], Any]:
    def make(folder: Path) -> Any:
        pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS]
        pieces += [f"<0x{byte:02X}>" for byte in range(256)] + ["▁" + letter for letter in LETTERS]
        return getattr(hf, kind)(
            vocab={piece: i for i, piece in enumerate(pieces)},
            merges=[("▁", letter) for letter in LETTERS], add_bos_token=False, add_eos_token=True,
            padding_side="right",
        )  # fmt: skip

    return make


def xlm_tokenizer(folder: Path) -> Any:
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces = [("▁", -2.0), *((letter, -2.0) for letter in LETTERS), ("<mask>", 0.0)]
    return hf.XLMRobertaTokenizer(vocab=[*special, *pieces], model_max_length=40)


def bert_tokenizer(folder: Path) -> Any:
    letters = string.ascii_lowercase + string.digits
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *".,()'-", *CHINESE]
    pieces += [f"##{letter}" for letter in letters]
    return hf.BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=40)


def clip_images() -> Any:
    return hf.CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )


def squashed() -> Any:
    return hf.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})


def naflex() -> Any:
    return hf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)


def chinese() -> Any:
    return hf.ChineseCLIPImageProcessor(size={"height": SIDE, "width": SIDE}, do_center_crop=False)


def efficientnet() -> Any:
    return hf.EfficientNetImageProcessor(
        size={"height": 80, "width": 80}, crop_size={"height": 64, "width": 64}, resample=2,
        do_center_crop=True, rescale_factor=1 / 127.5, rescale_offset=True, do_normalize=False,
        include_top=False,
    )  # fmt: skip


PROJECTED = {"projection_dim": 24}


class Case(NamedTuple):
    """A family: what makes its model, its tokenizer and its image processor."""

    kind: str
    tokenizer: Callable[[Path], Any]
    images: Callable[[], Any]
    vision: dict[str, Any]
    text: dict[str, Any]
    whole: dict[str, Any] = PROJECTED


CLIP_TEXT = {**TOWER, "max_position_embeddings": 32, "projection_dim": 24}
SIGLIP_TEXT = {**TOWER, "max_position_embeddings": 40, "projection_size": 32}
BERT_TEXT = {**TOWER, "max_position_embeddings": 48, "pad_token_id": 0}
CASES: dict[str, Case] = {
    "clip": Case("CLIP", clip_tokenizer, clip_images, VISION, CLIP_TEXT),
    "clip, old config": Case(
        "CLIP", clip_tokenizer, clip_images, VISION, CLIP_TEXT | {"eos_token_id": 2}
    ),
    "metaclip_2": Case(
        "MetaClip2", xlm_tokenizer, squashed, VISION | {"hidden_act": "gelu"},
        CLIP_TEXT | {"eos_token_id": 2, "hidden_act": "gelu"},
    ),
    "siglip": Case("Siglip", siglip_tokenizer, squashed, VISION, SIGLIP_TEXT, {}),
    "siglip 2, fixed": Case("Siglip", gemma("GemmaTokenizer"), squashed, VISION, SIGLIP_TEXT, {}),
    "siglip 2, naflex": Case(
        "Siglip2", gemma("Siglip2Tokenizer"), naflex,
        {**TOWER, "patch_size": 8, "num_patches": 16}, SIGLIP_TEXT, {},
    ),
    "altclip": Case(
        "AltCLIP", xlm_tokenizer, clip_images, VISION,
        {**TOWER, "max_position_embeddings": 48, "project_dim": 20},
    ),
    "chinese_clip": Case("ChineseCLIP", bert_tokenizer, chinese, VISION, BERT_TEXT),
    "align": Case(
        "Align", bert_tokenizer, efficientnet, EFFICIENTNET, BERT_TEXT, {"projection_dim": 24}
    ),
}  # fmt: skip

# Rows of the default run: a causal text tower, one whose padding counts, an encoder.
FEW = ("clip", "siglip", "chinese_clip")


def make_model(name: str, vision: dict[str, Any] | None = None, **more: Any) -> Any:
    """Return a model of a family in evaluation mode, with seeded random weights."""
    case = CASES[name]
    text = {**more.get("text", {}), **case.text}
    config = getattr(hf, f"{case.kind}Config")(
        text_config=text, vision_config={**case.vision, **(vision or {})}, **case.whole
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(hf, f"{case.kind}Model")(config).eval()
    shake(model)
    return model


def write_model(name: str, folder: Path) -> Any:
    """Save a model of a family with all its files, and return it in evaluation mode."""
    case = CASES[name]
    tokenizer = case.tokenizer(folder)
    tokenizer.save_pretrained(folder)
    text = {"vocab_size": len(tokenizer)}
    if case.kind == "CLIP":
        text["eos_token_id"] = tokenizer.eos_token_id
    model = make_model(name, text=text)
    model.save_pretrained(folder)
    case.images().save_pretrained(folder)
    return model


@torch.no_grad()
def shake(model: Any) -> None:
    """Let no norm, scale, bias or position stay where it starts, and images reach the features."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if name in ("logit_scale", "logit_bias", "temperature"):
            parameter.fill_({"logit_scale": 1.5, "logit_bias": -2.0, "temperature": 0.2}[name])
        elif parameter.ndim == 4:  # as ALIGN's convolutions start, all images would look alike
            parameter.copy_(noise * parameter[0].numel() ** -0.5)
        else:
            parameter.add_(0.1 * noise)
