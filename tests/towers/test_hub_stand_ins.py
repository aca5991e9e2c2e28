"""Stand-ins for the hub lay texts out as the published tokenizers and encoders do."""

import os
import subprocess
import sys

import open_clip
import pytest

from plp.testing.hub_stand_ins import ENCODERS, LAYOUTS, layout_of, make_tokenizer, write_stand_in

TEXT = "a photo of a great white shark."
WORDS = 8  # with the full stop
# What transformers' documentation and the published files say: size, ids before and behind, padding
PUBLISHED = {
    "bert": ("BertTokenizer", 30522, [101], [102], 0),
    "gemma": ("GemmaTokenizer", 256000, [], [1], 0),
    "mt5": ("T5Tokenizer", 250100, [], [1], 0),
    "nllb": ("NllbTokenizer", 256204, [256047], [2], 1),
    "roberta": ("RobertaTokenizer", 50265, [0], [2], 1),
    "siglip": ("T5Tokenizer", 32000, [], [1], 1),
    "siglip-i18n": ("T5Tokenizer", 250000, [], [1], 1),
    "xlm-roberta": ("XLMRobertaTokenizer", 250002, [0], [2], 1),
    "xlm-v": ("XLMRobertaTokenizer", 901629, [0], [2], 1),
}
LARGE = 100_000  # seconds each


def slow_if_large(name):
    large = LAYOUTS[name].size > LARGE
    return pytest.param(name, marks=pytest.mark.slow if large else ())


@pytest.mark.parametrize("name", map(slow_if_large, PUBLISHED))
def test_a_stand_in_frames_texts_as_published(name):
    kind, size, start, end, pad = PUBLISHED[name]
    tokenizer = make_tokenizer(LAYOUTS[name])
    assert type(tokenizer).__name__ == kind
    assert len(tokenizer) == size
    ids = tokenizer([TEXT], max_length=32, padding="max_length", truncation=True)["input_ids"][0]
    bare = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    real = len(start) + len(bare) + len(end)
    assert ids == start + bare + end + [pad] * (32 - real)
    assert min(bare) > 3
    assert max(bare) < size


@pytest.mark.parametrize("name", ["bert", "siglip"])
def test_words_are_whole_tokens(name):
    tokenizer = make_tokenizer(LAYOUTS[name])
    assert len(tokenizer(TEXT, add_special_tokens=False)["input_ids"]) == WORDS


def test_every_layout_is_checked():
    assert PUBLISHED.keys() == LAYOUTS.keys()


def test_every_name_that_open_clip_has_gets_a_stand_in():
    for arch in open_clip.list_models():
        text = open_clip.get_model_config(arch)["text_cfg"]
        for key in ("hf_tokenizer_name", "hf_model_name"):
            assert not text.get(key) or layout_of(text[key]), arch
        assert not text.get("hf_model_name") or text["hf_model_name"] in ENCODERS, arch


def test_a_name_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no stand-in is known for 'org/unknown'"):
        write_stand_in(tmp_path, "org/unknown")


@pytest.mark.slow  # a process of its own
def test_the_library_finds_it_by_its_name_on_the_hub(tmp_path):
    write_stand_in(tmp_path, "timm/ViT-B-16-SigLIP")
    code = (
        "from transformers import AutoTokenizer\n"
        "tokenizer = AutoTokenizer.from_pretrained('timm/ViT-B-16-SigLIP')\n"
        f"print(type(tokenizer).__name__, len(tokenizer({TEXT!r}).input_ids))"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split() == ["T5Tokenizer", str(WORDS + 1)], done.stderr[-1000:]
