"""Find published weights in the local caches, and download them where there is a network.

open_clip and huggingface_hub retry an unreachable hub for close to a minute a model and log every
attempt. Here the caches are asked first, then the hub is probed once with a deadline.
"""

import logging
import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from huggingface_hub.utils import get_session
from open_clip.pretrained import download_pretrained_from_url

from plp.errors import WeightsError
from plp.files import content_digest
from plp.zoo.cached import in_hub_cache, in_url_cache, on_hub

_log = logging.getLogger(__name__)

PROBE_SECONDS = 5.0
CONFIG_FILE = "open_clip_config.json"


# Files of a tokenizer; a repository has some of them.
_TOKENIZER_FILES = (
    "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "config.json",
    "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model",
)  # fmt: skip
_WEIGHTS_FILE = (
    "Either give a local weights file (OpenAI's or open_clip's layout) for an arch that "
    "open_clip has built in:\n"
    "    --cfg-options model.backbone.pretrained=FILE"
)


def no_network(what: str, reason: str, way_out: str = _WEIGHTS_FILE) -> WeightsError:
    """Return the error for what is neither here nor to be had, with both ways out."""
    return WeightsError(
        f"cannot get {what}: not in the local cache, and {reason}.\n"
        f"{way_out}\n"
        "or take the lite config of a method, whose real weights come with pip packages, such as\n"
        "    sotglp/lite_16shot"
    )


def from_hub(repo: str, names: Sequence[str], cache_dir: str | None) -> str:
    """Return how files of a repository come into the cache, where a weights file is no help.

    Args:
        repo: Its name on the hub.
        names: The files; none for all.
        cache_dir: Where they are looked for; None for the usual cache.
    """
    place = "the usual cache" if cache_dir is None else str(cache_dir)
    words = ["hf", "download", repo, *names]
    words += [] if cache_dir is None else ["--cache-dir", str(cache_dir)]
    return (
        f"Either download the repository's files where there is a network, into {place} (or copy "
        f"the cache from there):\n    {shlex.join(words)}"
    )


def tag_file(tag: Mapping[str, Any], what: str, cache_dir: str | None) -> Path:
    """Return the weights of an open_clip tag as a local file.

    Args:
        tag: open_clip's entry for the tag, with `hf_hub` and `url`.
        what: What the weights are called in messages.
        cache_dir: Where to look and to store; None for the caches of huggingface_hub and of CLIP.

    Raises:
        WeightsError: if they are not cached and cannot be downloaded.
    """
    repo, names = on_hub(tag)
    url = tag.get("url", "")
    cached = cached_tag(tag, cache_dir)
    if cached:
        return cached
    if repo:
        return hub_file(repo, names, what, cache_dir, _WEIGHTS_FILE)
    require_network(url, what)
    try:
        return Path(download_pretrained_from_url(url, cache_dir=cache_dir))
    except Exception as error:  # urllib and open_clip raise many kinds
        raise no_network(what, f"{url} failed ({error})") from error


def cached_tag(tag: Mapping[str, Any], cache_dir: str | None = None) -> Path | None:
    """Return the weights of an open_clip tag if they are on this machine; asks no network."""
    repo, names = on_hub(tag)
    found = in_hub_cache(repo, names, cache_dir) if repo else None
    return found or _cached_url(tag.get("url", ""), cache_dir)


def hub_file(
    repo: str, names: Sequence[str], what: str, cache_dir: str | None, way_out: str | None = None
) -> Path:
    """Return the first of `names` that a Hugging Face repository holds, as a local file.

    Args:
        repo: Its name on the hub.
        names: Names of the file, best first.
        what: What it is called in messages.
        cache_dir: Where to look and to store; None for the usual cache.
        way_out: What to do where it is not to be had; None for a download of the repository.

    Raises:
        WeightsError: if none is cached and none can be downloaded.
    """
    cached = in_hub_cache(repo, names, cache_dir)
    if cached:
        return cached
    other = way_out or "Either name a repository that open_clip or timm wrote: hf-hub:ORG/NAME"
    way_out = way_out or from_hub(repo, (), cache_dir)
    require_network(constants.ENDPOINT, what, way_out)
    for name in names:
        try:
            return Path(hf_hub_download(repo, name, cache_dir=cache_dir))
        except Exception as error:  # the hub's errors differ between its versions
            absent = isinstance(error, EntryNotFoundError)
            if absent and not isinstance(error, LocalEntryNotFoundError):  # the latter: no network
                continue
            reason = str(error).strip().partition("\n")[0]
            failed = f"{repo} on {constants.ENDPOINT} failed ({reason})"
            raise no_network(what, failed, way_out) from error
    lacking = f"{repo} on {constants.ENDPOINT} holds none of {', '.join(names)}"
    raise no_network(what, lacking, other)


def require_hub_model(name: str, cache_dir: str | None) -> None:
    """Make sure that a model of the transformers library can be configured.

    Raises:
        WeightsError: if its config is not cached and the hub is out of reach.
    """
    if not Path(name).is_dir() and not in_hub_cache(name, ("config.json",), cache_dir):
        require_network(
            constants.ENDPOINT, f"the config of the text tower {name}",
            from_hub(name, _TOKENIZER_FILES, cache_dir),
        )  # fmt: skip


def require_hub_tokenizer(name: str, cache_dir: str | None) -> None:
    """Make sure that a tokenizer of the transformers library can be opened.

    Raises:
        WeightsError: if it is not cached and the hub is out of reach.
    """
    files = ("tokenizer_config.json", "tokenizer.json", "vocab.txt", "sentencepiece.bpe.model")
    if not Path(name).is_dir() and not in_hub_cache(name, files, cache_dir):
        way_out = from_hub(name, _TOKENIZER_FILES, cache_dir)
        require_network(constants.ENDPOINT, f"the tokenizer {name}", way_out)


def require_network(url: str, what: str, way_out: str = _WEIGHTS_FILE) -> None:
    """Make sure that a server answers.

    Raises:
        WeightsError: if it does not, with `way_out`.
    """
    reason = network_failure(url)
    if reason:
        raise no_network(what, reason, way_out)


def network_failure(url: str) -> str | None:
    """Ask a server for its head once, within `PROBE_SECONDS` whatever the resolver does.

    Returns:
        Why there is no answer; None if there is one.
    """
    failure: list[str] = [f"no answer from {url} within {PROBE_SECONDS:.0f} s"]

    def probe() -> None:
        try:
            get_session().head(url, timeout=PROBE_SECONDS)
        except Exception as error:  # httpx's or requests', by the hub's version
            failure[0] = f"{url} cannot be reached ({str(error) or type(error).__name__})"
        else:
            failure.clear()

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return failure[0] if failure else None


def _cached_url(url: str, cache_dir: str | None) -> Path | None:
    """Return a file that OpenAI's `clip` or open_clip left in their cache, if it is whole."""
    path = in_url_cache(url, cache_dir)
    if path is None:
        return None
    stated = url.split("/")[-2] if "openaipublic" in url else ""
    if stated and content_digest(path) != stated:
        _log.warning("%s is damaged (its SHA-256 differs from the published one): ignored", path)
        return None
    return path
