"""MiniLM as a text tower that takes token embeddings, for the lite backbone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from plp.backbones._lite_weights import REMEDY
from plp.errors import WeightsError
from plp.structures import NameTokens
from plp.towers.half_copy import HalfCopy
from plp.towers.points import TowerPoints
from plp.towers.text_encoder import TextEncoder
from plp.upload import upload


class MiniLM(nn.Module):
    """Sentence encoder all-MiniLM-L6-v2: BERT, mean over the tokens, unit length.

    It computes what sentence-transformers computes with the same folder, but is fed with token
    embeddings, loads nothing else, and asks no network.

    Args:
        folder: Holds `config.json`, `tokenizer.json`, `model.safetensors` and
            `sentence_bert_config.json`.

    Raises:
        WeightsError: if transformers is missing or the weights do not fit the config.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bert: Any = _load_bert(folder)
        self.tokenizer = _load_tokenizer(folder)
        self.max_tokens = _max_tokens(folder / "sentence_bert_config.json")
        self._half = HalfCopy()
        self.width: int = self.bert.config.hidden_size

    def look_up(self, texts: Sequence[str]) -> NameTokens:
        """Tokenise bare texts and look their word embeddings up."""
        rows = [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
        ids = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.long)
        for padded, row in zip(ids, rows, strict=True):
            padded[: len(row)] = torch.tensor(row, dtype=torch.long)
        padding = torch.arange(ids.shape[1]) >= lengths[:, None]
        table = self.bert.get_input_embeddings().weight.detach()
        embeddings = table[ids.to(table.device)]
        embeddings.masked_fill_(padding.to(table.device)[..., None], 0)
        start, end = (table[self.tokenizer.token_to_id(token)] for token in ("[CLS]", "[SEP]"))
        return NameTokens(embeddings, lengths, start.clone(), end.clone())

    @property
    def description(self) -> "LiteText":
        """The tower as points name its parts."""
        return LiteText(self.bert)

    def forward(
        self,
        embeddings: Float[Tensor, "M L D"],
        lengths: Int[Tensor, " M"],
        points: TowerPoints | None = None,
    ) -> Float[Tensor, "M D"]:
        """Encode M texts.

        Args:
            embeddings: Word embeddings from [CLS] to [SEP]; positions and token types are added
                here. What lies beyond a text's length is not read.
            lengths: Tokens of each text, [CLS] and [SEP] included; on the CPU.
            points: What acts on the tower.

        Returns:
            Sentence embeddings of unit length, float32 or better whatever autocast does.
        """
        order: list[Tensor] = []
        encoded: list[Tensor] = []
        # Texts of one length go together: no padding is computed, no mask is needed, and a text's
        # embedding does not depend on the lengths of its neighbours.
        tower = self.description.at(points)
        bert = self._half.of(tower.module, embeddings.device)
        for length in lengths.unique().tolist():
            index = (lengths == length).nonzero().squeeze(1)
            part = embeddings[:, :length].index_select(0, upload(index, embeddings.device))
            order.append(index)
            encoded.append(tower.features(bert, part))
        back = upload(torch.cat(order).argsort(), embeddings.device)
        return torch.cat(encoded).index_select(0, back)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Float[Tensor, "M D"]:
        """Encode plain texts, as sentence-transformers' `encode` does (but long ones uncut)."""
        names = self.look_up(texts)
        padded = F.pad(names.embeddings, (0, 0, 1, 1))  # room for the two special tokens
        padded[:, 0] = names.start
        padded[torch.arange(len(texts)), names.lengths + 1] = names.end
        return self(padded, names.lengths + 2)


class LiteText(TextEncoder):
    """MiniLM's BERT as points name its parts.

    Args:
        bert: The encoder.
    """

    def __init__(self, bert: Any) -> None:
        self.module = bert
        self.table = bert.get_input_embeddings()

    @property
    def network(self) -> nn.Module:
        """The encoder itself."""
        return self.module

    def features(
        self,
        module: Any,
        embeddings: Float[Tensor, "M L D"],
        seen: Int[Tensor, "M L"] | None = None,
    ) -> Float[Tensor, "M D"]:
        """Return the mean over the tokens, of length one; there is no padding to leave out."""
        hidden = at_least_float32(module(inputs_embeds=embeddings).last_hidden_state)
        return F.normalize(hidden.mean(dim=1), dim=-1)


def at_least_float32(values: Tensor) -> Tensor:
    """Undo autocast's half precision; leave float32 and float64 alone."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _load_bert(folder: Path) -> Any:
    try:
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise WeightsError(f"the lite backbone needs transformers. {REMEDY}") from error
    unused = ("pooler.", "embeddings.position_ids")  # a head; a buffer that some versions store
    try:
        weights = load_file(folder / "model.safetensors")
        config = BertConfig.from_json_file(folder / "config.json")
        with torch.random.fork_rng(devices=[]):  # the random weights that are replaced at once
            bert = BertModel(config, add_pooling_layer=False)
        bert.load_state_dict({k: t for k, t in weights.items() if not k.startswith(unused)})
    except Exception as error:  # damaged bytes make readers raise anything
        raise WeightsError(f"cannot read MiniLM from {folder}: {error}. {REMEDY}") from error
    return bert.eval()


def _max_tokens(path: Path) -> int:
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["max_seq_length"])
    except Exception as error:  # damaged bytes make readers raise anything
        raise WeightsError(f"cannot read {path}: {error}. {REMEDY}") from error


def _load_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer  # a requirement of transformers

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library's own class of error is Exception
        raise WeightsError(f"cannot read MiniLM from {folder}: {error}. {REMEDY}") from error
    tokenizer.no_truncation()  # the file cuts and pads to 128 tokens
    tokenizer.no_padding()
    return tokenizer
