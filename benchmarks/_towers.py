"""The models that the step is measured on: what builds plp's learner, and its plain baseline."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
from _bench import TINY, class_names
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch import nn

SIGLIP, PE = "ViT-B-16-SigLIP", "PE-Core-B-16"
_PLAIN_GELU = {"model.backbone.quick_gelu": False}
_TEXT = {"width": 64, "heads": 1, "layers": 2}
_VISION = {"image_size": 64, "timm_pool": "map"}


class Tower(NamedTuple):
    """A model to measure.

    Attributes:
        options: Dotted config keys of `build_learner`.
        plain: Makes the baseline of a learner with so many classes.
        image_size: Side of its images.
    """

    options: dict[str, Any]
    plain: Callable[[Any, int], nn.Module]
    image_size: int = 224


def clip(folder: Path, size: str) -> Tower:
    """CLIP's own ViT-B/16."""

    def plain(learner: Any, classes: int) -> nn.Module:
        from plain_clip import PlainCLIP

        if size == "tiny":
            raise ValueError("expected --size full: the baseline builds a ViT-B/16")
        return PlainCLIP(learner, class_names(classes))

    return Tower(TINY if size == "tiny" else {}, plain)


def perception_encoder(folder: Path, size: str) -> Tower:
    """PE-Core-B/16: a causal text tower of 32 tokens, CLIP's tokenizer."""
    options: dict[str, Any] = {"model.backbone.arch": PE, **_PLAIN_GELU}
    if size == "tiny":
        vision = {"timm_model_name": "vit_pe_core_tiny_patch16_384", "timm_proj": None}
        options |= _tiny(vision, {"context_length": 32})
    plain = partial(_plain_timm, SimpleTokenizer(context_length=32))
    return Tower(options, plain, 64 if size == "tiny" else 224)


def siglip(folder: Path, size: str) -> Tower:
    """SigLIP-B/16: a text tower of 64 places that all count, a tokenizer of the hub's (stand-in).

    Its vocabulary is one of letters, for what a name is cut into changes nothing: all places are
    computed.
    """
    config = open_clip.get_model_config(SIGLIP)
    tokenizer = str(write_letters(folder))
    config["text_cfg"]["hf_tokenizer_name"] = tokenizer
    options: dict[str, Any] = {
        "model.backbone.arch": SIGLIP, "model.backbone.model_config": config, **_PLAIN_GELU,
    }  # fmt: skip
    if size == "tiny":
        vision = {"timm_model_name": "test_vit3", "timm_proj": "none"}
        options |= _tiny(vision, {**config["text_cfg"], **_TEXT}, embed_dim=96)
    cleaned = config["text_cfg"]["tokenizer_kwargs"]
    plain = partial(_plain_timm, HFTokenizer(tokenizer, context_length=64, **cleaned))
    return Tower(options, plain, 64 if size == "tiny" else 224)


TOWERS: dict[str, Callable[[Path, str], Tower]] = {
    "ViT-B-16": clip,
    PE: perception_encoder,
    SIGLIP: siglip,
}


def write_letters(folder: Path) -> Path:
    """Save a tokenizer that cuts words into letters, with SigLIP's special tokens."""
    import string

    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ("<pad>", "</s>", "<unk>")
    vocabulary = {token: i for i, token in enumerate([*special, *string.ascii_letters])}
    letters = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    letters.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])]
    )
    whole = PreTrainedTokenizerFast(
        tokenizer_object=letters, unk_token="<unk>", eos_token="</s>", pad_token="</s>"
    )
    whole.save_pretrained(folder)
    return folder


def _tiny(vision: dict[str, Any], text: dict[str, Any], embed_dim: int = 64) -> dict[str, Any]:
    config = {
        "embed_dim": embed_dim, "custom_text": True,
        "vision_cfg": {**_VISION, **vision}, "text_cfg": {**text, **_TEXT},
    }  # fmt: skip
    sizes = {"model.backbone.model_config": config, "model.backbone.image_size": 64}
    return {"model.backbone.arch": "tiny", **sizes}


def _plain_timm(tokenize: Any, learner: Any, classes: int) -> nn.Module:
    from plain_timm import PlainTimm

    return PlainTimm(learner, class_names(classes), tokenize)
