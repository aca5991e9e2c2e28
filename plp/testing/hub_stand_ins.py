"""Stand-ins for the tokenizers and text encoders that open_clip's models name on the hub.

A folder laid out as the hub's cache, so that `HF_HOME` pointing to it serves models whose files
cannot be downloaded: the real classes of transformers, with the published vocabulary sizes and ids
of special tokens. Words and encoder weights are not the published ones.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

_MODEL_TYPES = {
    "bert-base-uncased": {"model_type": "bert"},
    "facebook/xlm-v-base": {"model_type": "xlm-roberta"},
}
LETTERS = [chr(code) for code in range(33, 127)]
COMMIT = "0" * 40


@dataclass(frozen=True)
class Layout:
    """A published tokenizer.

    Attributes:
        kind: Name of its class in transformers.
        size: Tokens of its vocabulary.
        special: Its special tokens by id.
        options: Of the class, beside the vocabulary.
        mask_last: Whether the mask token has the last id.
    """

    kind: str
    size: int
    special: dict[int, str]
    options: dict[str, Any] = field(default_factory=dict)
    mask_last: bool = False


_T5 = {0: "<pad>", 1: "</s>", 2: "<unk>"}
_ROBERTA = {0: "<s>", 1: "<pad>", 2: "</s>", 3: "<unk>"}
_SIGLIP = {"extra_ids": 0, "pad_token": "</s>"}
LAYOUTS = {
    "bert": Layout(
        "BertTokenizer", 30522,
        {0: "[PAD]", **{i: f"[unused{i - 1}]" for i in range(1, 100)},
         100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"},
    ),
    "gemma": Layout(
        "GemmaTokenizer", 256_000, {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>"},
        {"add_bos_token": False, "add_eos_token": True, "padding_side": "right"},
    ),
    "mt5": Layout("T5Tokenizer", 250_100, _T5, {"extra_ids": 0}),
    "nllb": Layout("NllbTokenizer", 256_204, _ROBERTA, mask_last=True),  # languages from 256001 on
    "roberta": Layout("RobertaTokenizer", 50_265, _ROBERTA, mask_last=True),
    "siglip": Layout("T5Tokenizer", 32_000, _T5, _SIGLIP),
    "siglip-i18n": Layout("T5Tokenizer", 250_000, _T5, _SIGLIP),
    "xlm-roberta": Layout("XLMRobertaTokenizer", 250_002, _ROBERTA, mask_last=True),
    "xlm-v": Layout("XLMRobertaTokenizer", 901_629, _ROBERTA, mask_last=True),
}  # fmt: skip


def _roberta(kind: str, vocabulary: int, width: int, layers: int) -> Any:
    import transformers

    return getattr(transformers, kind)(
        vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=width // 64, intermediate_size=4 * width, max_position_embeddings=514,
        type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip


def _mt5(width: int, inner: int, layers: int) -> Any:
    from transformers import MT5Config

    return MT5Config(
        vocab_size=250_112, d_model=width, d_kv=64, d_ff=inner, num_layers=layers,
        num_heads=width // 64, num_decoder_layers=1,  # open_clip drops the decoder
    )  # fmt: skip


def _nllb(layers: int, inner: int) -> Any:
    from transformers import M2M100Config

    return M2M100Config(
        vocab_size=256_206, d_model=1024, encoder_layers=layers, encoder_attention_heads=16,
        encoder_ffn_dim=inner, decoder_layers=1, decoder_attention_heads=16, decoder_ffn_dim=inner,
        max_position_embeddings=1024, pad_token_id=1,
    )  # fmt: skip


ENCODERS: dict[str, Callable[[], Any]] = {
    "roberta-base": lambda: _roberta("RobertaConfig", 50_265, 768, 12),
    "xlm-roberta-base": lambda: _roberta("XLMRobertaConfig", 250_002, 768, 12),
    "xlm-roberta-large": lambda: _roberta("XLMRobertaConfig", 250_002, 1024, 24),
    "google/mt5-base": lambda: _mt5(768, 2048, 12),
    "google/mt5-xl": lambda: _mt5(2048, 5120, 24),
    "facebook/nllb-200-distilled-600M": lambda: _nllb(12, 4096),
    "facebook/nllb-200-distilled-1.3B": lambda: _nllb(24, 8192),
}


def layout_of(name: str) -> str | None:
    """Return which of `LAYOUTS` a name on the hub has; None for a name that is not known."""
    patterns = {
        "bert-base-uncased": "bert", "timm/.*SigLIP2": "gemma", "timm/.*SigLIP-i18n": "siglip-i18n",
        "timm/.*SigLIP": "siglip", "google/mt5": "mt5", "facebook/nllb": "nllb",
        "facebook/xlm-v": "xlm-v", "xlm-roberta": "xlm-roberta", "roberta": "roberta",
    }  # fmt: skip
    return next((layout for start, layout in patterns.items() if re.match(start, name)), None)


def write_stand_in(home: Path, name: str) -> None:
    """Put a stand-in for a name on the hub into a folder that is to be `HF_HOME`.

    Args:
        home: The folder; what it holds of this name already is kept.
        name: Of a tokenizer or text encoder that a model of open_clip names.

    Raises:
        ValueError: for a name that open_clip 3.3.0 does not use.
    """
    layout = layout_of(name)
    if layout is None:
        raise ValueError(f"no stand-in is known for {name!r}; add its layout to LAYOUTS")
    repo = home / "hub" / f"models--{name.replace('/', '--')}"
    if (repo / "refs" / "main").exists():
        return
    shared = home / "tokenizers" / layout
    if not shared.exists():
        make_tokenizer(LAYOUTS[layout]).save_pretrained(shared)
    snapshot = repo / "snapshots" / COMMIT
    shutil.copytree(shared, snapshot, dirs_exist_ok=True)
    if name in ENCODERS:
        ENCODERS[name]().save_pretrained(snapshot)
    else:  # transformers wants one beside every tokenizer
        (snapshot / "config.json").write_text(json.dumps(_MODEL_TYPES.get(name, {})))
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(COMMIT)


def make_tokenizer(layout: Layout) -> Any:
    """Return a tokenizer of the published class, size and special tokens."""
    import transformers

    kind = getattr(transformers, layout.kind)
    mask = {layout.size - 1: "<mask>"} if layout.mask_last else {}
    special = {**layout.special, **mask}
    if layout.kind == "NllbTokenizer":
        from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

        special |= dict(enumerate(FAIRSEQ_LANGUAGE_CODES, start=256_001))
    unigram = layout.kind in ("T5Tokenizer", "XLMRobertaTokenizer")
    pieces = _unigram_pieces() if unigram else _PIECES[layout.kind]()
    vocabulary = _numbered(special, pieces, layout.size)
    if unigram:
        scores = [(token, -1.0 if len(token) > 1 else -20.0) for token in vocabulary]
        return kind(vocab=scores, **layout.options)
    options = dict(layout.options)
    if layout.kind != "BertTokenizer":
        options["merges"] = _merges(pieces, set(LETTERS) | {"▁", "Ġ"})
    return kind(vocab={token: i for i, token in enumerate(vocabulary)}, **options)


def _words() -> list[str]:
    text = " ".join(IMAGENET_CLASSNAMES).replace("'s", "")
    words = {*re.findall(r"[A-Za-z]+", text), "photo", "pic", "type", "itap", "origami"}
    return sorted(words | {word.lower() for word in words} | set("aA"))


def _unigram_pieces() -> list[str]:
    return ["▁", *LETTERS, *("▁" + word for word in _words())]


def _word_pieces() -> list[str]:
    return [*LETTERS, *("##" + letter for letter in LETTERS), *_words()]


def _grown(start: str) -> list[str]:
    """Return words with all their beginnings: what a byte-pair encoding grows them through."""
    grown = {start + word[:n] for word in _words() for n in range(1, len(word) + 1)}
    return [start, *LETTERS, *sorted(grown, key=lambda piece: (len(piece), piece))]


def _merges(pieces: Iterable[str], letters: set[str]) -> list[tuple[str, str]]:
    return [(piece[:-1], piece[-1]) for piece in pieces if piece not in letters]


_PIECES: dict[str, Callable[[], list[str]]] = {
    "BertTokenizer": _word_pieces,
    "GemmaTokenizer": lambda: _grown("▁"),
    "NllbTokenizer": lambda: _grown("▁"),
    "RobertaTokenizer": lambda: _grown("Ġ"),
}


def _numbered(special: dict[int, str], pieces: Iterable[str], size: int) -> list[str]:
    """Return all tokens in order of their ids; ids that no piece needs get a name of their own."""
    vocabulary: list[str] = []
    taken = set(special.values())
    rest = iter([piece for piece in dict.fromkeys(pieces) if piece not in taken])
    for i in range(size):
        vocabulary.append(special[i] if i in special else next(rest, f"<place {i}>"))
    return vocabulary
