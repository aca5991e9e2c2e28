"""SigLIP's own tokenizer class, which reads sentencepiece models, cleans texts and strips marks."""

import json

import pytest
import torch
from backbones.hf_folders import CASES, make_model, write_model
from backbones.test_transformers_backbone import filled, own
from torch.testing import assert_close
from transformers import AutoTokenizer

from plp.backbones import TransformersBackbone
from plp.errors import WeightsError
from plp.learners.class_names import name_tokens
from plp.prompts import SharedContext

NEEDS = "SigLIP's own tokenizer needs sentencepiece: pip install 'plp[hub]'"
LONG = "great owl in the field in the sky " * 4  # is cut, as the tokenizer cuts
NAMES = [LONG, "ox", "Kite (bird)", "great grey owl", "ox.", "cafe-au-lait", "T-shirt/top"]
PLACES = ("field", "sky", "sea")
TEXTS = [f"a pic of a {name[:20]} in the {place}" for name in NAMES for place in PLACES]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The library's model and tokenizer, and the backbone of their folder."""
    spm = pytest.importorskip("sentencepiece", reason=NEEDS)
    from transformers import SiglipTokenizer

    folder = tmp_path_factory.mktemp("siglip")
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(text.lower() for text in TEXTS * 4), vocab_size=60,
        model_prefix=str(folder / "spiece"), model_type="unigram", hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"), model_max_length=40)
    tokenizer.save_pretrained(folder)
    model = make_model("siglip", text={"vocab_size": len(tokenizer)})
    model.save_pretrained(folder)
    CASES["siglip"].images().save_pretrained(folder)
    return model, tokenizer, TransformersBackbone(folder)


@torch.no_grad()
@pytest.mark.parametrize("template", ["a pic of a {}.", "a {}", "{}.", "{}", "a {}, in the sea."])
def test_templates_give_the_librarys_own_features(both, template):
    model, tokenizer, backbone = both
    found = backbone.encode_text(filled(backbone, template, NAMES))[:, 0]
    expected = own(model, tokenizer, [template.format(name) for name in NAMES])
    assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("suffix", [".", " in the sky.", ""])
def test_a_context_that_starts_as_words_gives_the_same_features(both, suffix):
    model, tokenizer, backbone = both
    prompt = SharedContext(
        1, words="a pic of a", suffix=suffix, embed_words=backbone.embed_words,
        num_classes=len(NAMES), token_dim=backbone.token_dim,
    )  # fmt: skip
    found = backbone.encode_text(prompt(name_tokens(NAMES, backbone.embed_words)))[:, 0]
    expected = own(model, tokenizer, [f"a pic of a {name}{suffix}" for name in NAMES])
    assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_without_the_package_its_name_is_said(tmp_path, monkeypatch):
    """The library looks for it once, when the class is first asked for: it says so itself here."""
    write_model("siglip", tmp_path)
    stated = tmp_path / "tokenizer_config.json"
    stated.write_text(json.dumps({"tokenizer_class": "SiglipTokenizer"}))

    def refuse(*_, **__):
        raise ImportError("SiglipTokenizer requires the SentencePiece library but it was not found")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(WeightsError, match=r"sentencepiece: pip install 'plp\[hub\]'$"):
        TransformersBackbone(tmp_path)
