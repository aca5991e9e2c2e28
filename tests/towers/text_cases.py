"""Tiny text towers of each family: the rows that every law and oracle of text towers runs over.

Tokenizers and encoders of the hub are stand-ins: the real classes, with a vocabulary of letters and
the special tokens, order and padding of the published ones.
"""

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    GemmaTokenizer,
    M2M100Config,
    MT5Config,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
    XLMRobertaConfig,
)

LETTERS = [*string.ascii_letters, *string.digits, *".,()'-"]


class Frame(NamedTuple):
    """Special tokens of a published tokenizer, and its ids 0, 1, 2, ..."""

    special: tuple[str, ...]
    single: str
    pad: str


BERT = Frame(("[PAD]", "[UNK]", "[CLS]", "[SEP]"), "[CLS] $A [SEP]", "[PAD]")
T5 = Frame(("<pad>", "</s>", "<unk>"), "$A </s>", "<pad>")
XLM = Frame(("<s>", "<pad>", "</s>", "<unk>"), "<s> $A </s>", "<pad>")
NLLB = Frame(("<s>", "<pad>", "</s>", "<unk>", "eng_Latn"), "eng_Latn $A </s>", "<pad>")


def write_tokenizer(folder: Path, frame: Frame) -> Path:
    """Save a tokenizer of letters: a word is its letters, as a piece each."""
    vocabulary = [*frame.special, *LETTERS]
    unknown = next(token for token in frame.special if "unk" in token.lower())
    tokenizer = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token=unknown)
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    used = [(t, vocabulary.index(t)) for t in frame.special if t in frame.single.split()]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=frame.single, special_tokens=used
    )
    ends = {"sep_token": "[SEP]"} if "[SEP]" in frame.special else {"eos_token": "</s>"}
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=frame.pad, unk_token=unknown, **ends
    )
    whole.save_pretrained(folder)
    return folder


def write_byte_level(folder: Path) -> Path:
    """Save RoBERTa's tokenizer: a letter behind a space is another token than one without."""
    letters = [*LETTERS, *(set(pre_tokenizers.ByteLevel.alphabet()) - set(LETTERS))]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = [*special, *letters, *(f"Ġ{letter}" for letter in LETTERS)]
    tokenizer = RobertaTokenizer(
        vocab={token: i for i, token in enumerate(vocabulary)},
        merges=[("Ġ", letter) for letter in LETTERS],
    )
    tokenizer.save_pretrained(folder)
    return folder


def write_gemma(folder: Path) -> Path:
    """Save Gemma's tokenizer with SigLIP2's options: no start token, no space before a text."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    vocabulary = [*special, *LETTERS, "▁", *(f"▁{letter}" for letter in LETTERS)]
    tokenizer = GemmaTokenizer(
        vocab={token: i for i, token in enumerate(vocabulary)},
        merges=[("▁", letter) for letter in LETTERS],
        padding_side="right", add_bos_token=False, add_eos_token=True,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder


SIZES = {"vocab_size": 400}
ENCODER = {
    **SIZES, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 60,
}  # fmt: skip


def write_encoder(folder: Path, config: Any, frame: Frame) -> str:
    """Save what open_clip needs of a hub folder: a config, and a tokenizer."""
    config.save_pretrained(folder)
    write_tokenizer(folder, frame)
    return str(folder)


def bert(folder: Path) -> str:
    return write_encoder(folder, BertConfig(**ENCODER, pad_token_id=0), BERT)


def roberta(folder: Path) -> str:
    RobertaConfig(**ENCODER, pad_token_id=1).save_pretrained(folder)
    return str(write_byte_level(folder))


def xlm_roberta(folder: Path) -> str:
    return write_encoder(folder, XLMRobertaConfig(**ENCODER, pad_token_id=1), XLM)


def mt5(folder: Path) -> str:
    sizes = dict(d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, num_decoder_layers=1)
    return write_encoder(folder, MT5Config(**SIZES, **sizes, pad_token_id=0), T5)


def nllb(folder: Path) -> str:
    sizes = dict(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48,
        max_position_embeddings=60,
    )  # fmt: skip
    return write_encoder(folder, M2M100Config(**SIZES, **sizes, pad_token_id=1), NLLB)


def tokenizer_of(made: Frame | Callable[[Path], Path]) -> Callable[[Path], dict[str, Any]]:
    def options(folder: Path) -> dict[str, Any]:
        saved = write_tokenizer(folder, made) if isinstance(made, Frame) else made(folder)
        return {"hf_tokenizer_name": str(saved), **SIZES}

    return options


def encoder_of(write: Callable[[Path], str], **more: Any) -> Callable[[Path], dict[str, Any]]:
    def options(folder: Path) -> dict[str, Any]:
        name = write(folder)
        return {
            "hf_model_name": name, "hf_tokenizer_name": name, "hf_model_pretrained": False, **more
        }  # fmt: skip

    return options


def plain(**options: Any) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: dict(options)


def both(one: Callable[[Path], dict[str, Any]], **more: Any) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: {**one(folder), **more}


LINEAR = {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}
# What makes `text_cfg` beside the sizes of open_clip's own transformer.
CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "clip": plain(),
    "not causal, read at the end token (MobileCLIP2)": plain(no_causal_mask=True),
    "not causal, read at the last place": plain(no_causal_mask=True, pool_type="last"),
    "causal, read at the last place": plain(pool_type="last"),
    "read at the first place": plain(no_causal_mask=True, pool_type="first"),
    "padding masked": plain(no_causal_mask=True, use_pad_mask=True),
    "class token appended, published mask (CoCa)": plain(embed_cls=True),
    "class token appended, right mask": plain(embed_cls=True, correct_cls_mask=True),
    "further norms": plain(scale_fc=True, qk_norm=True, scale_attn=True),
    "SigLIP": both(
        tokenizer_of(T5), no_causal_mask=True, pool_type="last", proj_bias=True,
        context_length=40, tokenizer_kwargs={"clean": "canonicalize"},
    ),
    "SigLIP2": both(
        tokenizer_of(write_gemma), no_causal_mask=True, pool_type="last", proj_bias=True,
        context_length=40, tokenizer_kwargs={"clean": "canonicalize"},
    ),
    "CLIPA": both(
        tokenizer_of(BERT), no_causal_mask=True, pool_type="last", context_length=40,
        tokenizer_kwargs={"strip_sep_token": True},
    ),
    "XLM-V vocabulary": both(tokenizer_of(XLM), pool_type="eos", eos_id=2),
    "mT5 vocabulary": both(
        tokenizer_of(T5), pool_type="eos", eos_id=1, tokenizer_kwargs={"clean": "canonicalize"}
    ),
    "BERT": encoder_of(bert, **LINEAR),
    "BERT, class token": encoder_of(bert, hf_proj_type="mlp", hf_pooler_type="cls_pooler"),
    "RoBERTa": encoder_of(roberta, **LINEAR),
    "XLM-RoBERTa": encoder_of(xlm_roberta, **LINEAR),
    "mT5": encoder_of(mt5, hf_pooler_type="mean_pooler"),
    "NLLB": encoder_of(nllb, hf_pooler_type="cls_pooler", hf_proj_type="linear"),
}  # fmt: skip
ENCODERS = ("BERT", "BERT, class token", "RoBERTa", "XLM-RoBERTa", "mT5", "NLLB")
# Rows of the default run: each way to read texts, and the shifted mask.
FEW = ("clip", "SigLIP", "class token appended, published mask (CoCa)", "BERT")
WITH_BLOCKS = tuple(name for name in CASES if name not in ENCODERS)  # read block by block
