"""Find a model of the transformers library, and refuse what cannot be used before it is built."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from plp.errors import ConfigError, WeightsError

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
IMAGE_PROCESSOR = ("preprocessor_config.json", "processor_config.json")
# A tokenizer is whole with any of these; the last needs its merges beside it.
TOKENIZERS = (
    "tokenizer.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "vocab.json",
)  # fmt: skip
# Text files of a repository that its config, tokenizer and image processor may be made of.
SMALL_FILES = (CONFIG, INDEX, *IMAGE_PROCESSOR, *TOKENIZERS, "merges.txt", "tokenizer_config.json",
               "special_tokens_map.json", "added_tokens.json")  # fmt: skip
# What the transformers library calls the models that plp reads, and its class for each.
MODELS = {
    "align": "AlignModel",
    "altclip": "AltCLIPModel",
    "chinese_clip": "ChineseCLIPModel",
    "clip": "CLIPModel",
    "metaclip_2": "MetaClip2Model",
    "siglip": "SiglipModel",
    "siglip2": "Siglip2Model",
}
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".ot")


class CheckedFolder(NamedTuple):
    """A folder that can be used.

    Attributes:
        path: The folder.
        name: What it is called in messages.
        model_type: A key of `MODELS`.
    """

    path: Path
    name: str
    model_type: str


def check_folder(path: Path, name: str, weights: bool = True) -> CheckedFolder:
    """Refuse a folder whose model plp cannot read, or that is not whole.

    Args:
        path: The folder.
        name: What it is called in messages.
        weights: Whether weights must be there; those of a repository come last.

    Raises:
        ConfigError: for a model that plp does not read, or that asks for code of its own.
        WeightsError: naming every file that is missing, or that is damaged.
    """
    if not (path / CONFIG).is_file():
        raise WeightsError(f"{name} has no {CONFIG}{_other_layout(path)}")
    config = read_json(path / CONFIG)
    _refuse_code(path, name)
    model_type = _known_type(config, name)
    if config.get("quantization_config"):
        raise ConfigError(
            f"{name}: its weights are quantised (quantization_config in {CONFIG}); expected plain "
            "ones, which plp computes with in float32 or under --amp"
        )
    if (path / "adapter_config.json").is_file():
        raise ConfigError(
            f"{name} holds an adapter of peft (adapter_config.json); expected a whole model. Merge "
            "it first: merge_and_unload(), then save_pretrained(FOLDER)"
        )
    missing = list(_missing(path, weights))
    if missing:
        raise WeightsError(f"{name} is not whole: " + "; ".join(missing))
    return CheckedFolder(path, name, model_type)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        WeightsError: if the file does not hold one.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: expected a JSON object, got a {type(found).__name__}")
    return found


def _known_type(config: Mapping[str, Any], name: str) -> str:
    model_type = config.get("model_type")
    if model_type in MODELS:
        return str(model_type)
    near = difflib.get_close_matches(str(model_type), MODELS, n=3, cutoff=0.4)
    close = f" Near: {', '.join(map(repr, near))}." if near else ""
    whole = str(model_type).removesuffix("_text_model").removesuffix("_vision_model")
    if whole != model_type and whole in MODELS:
        close = f" It is one tower of a {whole!r} model; both are needed."
    raise ConfigError(
        f"{name}: expected model_type in {CONFIG} among {', '.join(MODELS)}, got "
        f"{model_type!r}.{close} A model of images alone: ImageOnlyBackbone. One of open_clip: "
        "OpenCLIPBackbone."
    )


def _refuse_code(path: Path, name: str) -> None:
    """Refuse code that a repository brings; plp never runs it."""
    for file in (CONFIG, "tokenizer_config.json", *IMAGE_PROCESSOR):
        if (path / file).is_file() and _asks_for_code(read_json(path / file)):
            raise ConfigError(
                f"{name} asks for code of its own (auto_map in {file}), which plp never runs "
                "(trust_remote_code). Expected a model that the transformers library has built in: "
                f"model_type {', '.join(MODELS)}. Where it is one of these, save it anew without "
                "auto_map"
            )


def _asks_for_code(section: Any) -> bool:
    if not isinstance(section, Mapping):
        return False
    return "auto_map" in section or any(_asks_for_code(inner) for inner in section.values())


def _missing(path: Path, weights: bool) -> Iterator[str]:
    tokenizers = [file for file in TOKENIZERS if (path / file).is_file()]
    if tokenizers == ["vocab.json"] and not (path / "merges.txt").is_file():
        yield "no merges.txt beside the tokenizer's vocab.json"
    if not tokenizers:
        yield f"no tokenizer files (one of {', '.join(TOKENIZERS)})"
    if not _has_image_processor(path):
        yield f"no image processor ({IMAGE_PROCESSOR[0]}, or image_processor in a processor_config)"
    if weights:
        yield from _missing_weights(path)


def _has_image_processor(path: Path) -> bool:
    first, second = (path / file for file in IMAGE_PROCESSOR)
    return first.is_file() or (second.is_file() and "image_processor" in read_json(second))


def _missing_weights(path: Path) -> Iterator[str]:
    if (path / WEIGHTS).is_file():
        return
    if (path / INDEX).is_file():
        shards = read_json(path / INDEX).get("weight_map")
        if not isinstance(shards, Mapping) or not shards:
            yield f"{INDEX} has no weight_map"
            return
        gone = sorted({str(file) for file in shards.values() if not (path / str(file)).is_file()})
        if gone:
            yield f"{len(gone)} of the files in {INDEX} are missing: {', '.join(gone[:3])}"
        return
    pickled = sorted(p.name for p in path.iterdir() if p.suffix in _PICKLED)
    yield f"no {WEIGHTS}" + (_only_pickled(pickled) if pickled else f" (or {INDEX})")


def _only_pickled(names: list[str]) -> str:
    return (
        f", only {', '.join(names[:3])}, and plp reads no pickled weights. Where you trust them, "
        "save them anew: transformers.AutoModel.from_pretrained(FOLDER).save_pretrained(NEW), and "
        "copy the other files"
    )


def _other_layout(path: Path) -> str:
    if (path / "open_clip_config.json").is_file():
        return (
            ", but open_clip_config.json: give it to OpenCLIPBackbone, as arch='local-dir:FOLDER' "
            "or 'hf-hub:org/name'"
        )
    if (path / "adapter_config.json").is_file():
        return ", but an adapter of peft: expected a whole model, with the adapter merged into it"
    return ": expected a folder that save_pretrained of the transformers library has written"
