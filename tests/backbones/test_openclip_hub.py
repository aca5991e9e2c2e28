"""Tags and hub names: found in caches without a network, refused in seconds where there is none."""

import hashlib
import json
import threading
import time

import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import save_file

from plp.backbones import OpenCLIPBackbone, _openclip_hub, _openclip_spec
from plp.errors import ConfigError, WeightsError
from plp.testing.clip_weights import ClipSize, clip_weights, state_dict

SMALL = ClipSize(32, 64, 32, 64, 1, 64, 1)
BOTH_WAYS_OUT = r"(?s)model\.backbone\.pretrained=FILE.*sotglp/lite_16shot"


class Unreachable:
    """A session of a machine without a network."""

    def __init__(self):
        self.asked = 0

    def head(self, url, timeout):
        self.asked += 1
        raise OSError("Name or service not known")


@pytest.fixture
def offline(monkeypatch):
    session = Unreachable()
    monkeypatch.setattr(_openclip_hub, "get_session", lambda: session)
    monkeypatch.setattr(_openclip_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(_openclip_hub, "download_pretrained_from_url", refuse)
    return session


def refuse(*args, **kwargs):
    raise AssertionError("a download was tried")


@pytest.mark.parametrize(
    "names",
    [
        {"arch": "ViT-B-16", "pretrained": "openai"},
        {"arch": "RN50", "pretrained": "openai", "quick_gelu": True},
        {"arch": "ViT-B-16", "pretrained": "laion2b_s34b_b88k"},
    ],
    ids=lambda names: f"{names['arch']}, {names['pretrained']}",
)
def test_without_a_network_one_error_names_both_ways_out(names, offline, tmp_path):
    with pytest.raises(WeightsError, match=BOTH_WAYS_OUT) as caught:
        OpenCLIPBackbone(**names, cache_dir=str(tmp_path))
    assert "https://huggingface.co cannot be reached (Name or service not known)" in str(
        caught.value
    )
    assert offline.asked == 1


@pytest.mark.parametrize(
    ("names", "files"),
    [
        ({"arch": "ViT-B-16", "pretrained": "hf-hub:org/name"}, "org/name"),
        ({"arch": "hf-hub:org/name", "pretrained": None}, "org/name"),
        ({"arch": "roberta-ViT-B-32", "pretrained": None}, "roberta-base tokenizer_config.json"),
    ],
    ids=["weights", "arch", "text tower"],
)
def test_what_lies_in_a_repository_is_not_asked_for_as_a_weights_file(
    names, files, offline, tmp_path
):
    with pytest.raises(WeightsError, match=f"hf download {files}.*--cache-dir {tmp_path}") as told:
        OpenCLIPBackbone(**names, cache_dir=str(tmp_path))
    assert "pretrained=FILE" not in str(told.value)
    assert "cannot be reached (Name or service not known)" in str(told.value)
    assert str(told.value).endswith("    sotglp/lite_16shot")


def test_a_tokenizer_out_of_reach_names_the_files_it_is_made_of(offline):
    with pytest.raises(WeightsError) as told:
        _openclip_hub.require_hub_tokenizer("no/such-tokenizer", None)
    said = str(told.value)
    assert said.startswith("cannot get the tokenizer no/such-tokenizer: not in the local cache")
    assert "hf download no/such-tokenizer tokenizer_config.json tokenizer.json " in said
    assert "--cache-dir" not in said
    assert "pretrained=FILE" not in said


def test_a_network_that_swallows_packets_is_given_up(monkeypatch, tmp_path):
    release = threading.Event()

    class Silent:
        def head(self, url, timeout):
            release.wait(60)

    monkeypatch.setattr(_openclip_hub, "get_session", Silent)
    monkeypatch.setattr(_openclip_hub, "PROBE_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(WeightsError, match=BOTH_WAYS_OUT) as caught:
        OpenCLIPBackbone(cache_dir=str(tmp_path))
    assert time.monotonic() - start < 5
    assert "no answer from https://huggingface.co" in str(caught.value)
    release.set()


def test_a_contradicting_activation_is_refused_before_any_download(offline, tmp_path):
    for names in ({"arch": "ViT-B-16"}, {"arch": "ViT-B-16-quickgelu"}, {"arch": "RN50"}):
        with pytest.raises(ConfigError, match=r"quick_gelu=False does not fit 'openai'.*the tag"):
            OpenCLIPBackbone(**names, quick_gelu=False, cache_dir=str(tmp_path))
    with pytest.raises(ConfigError, match=r"quick_gelu=True does not fit 'laion2b_s34b_b88k'"):
        OpenCLIPBackbone(pretrained="laion2b_s34b_b88k", quick_gelu=True, cache_dir=str(tmp_path))
    assert offline.asked == 0


def test_a_failing_download_names_both_ways_out(monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise RuntimeError("401 Client Error\nmore")

    monkeypatch.setattr(_openclip_hub, "get_session", Reachable)
    monkeypatch.setattr(_openclip_hub, "hf_hub_download", fail)
    with pytest.raises(WeightsError, match=BOTH_WAYS_OUT) as caught:
        OpenCLIPBackbone(cache_dir=str(tmp_path))
    assert "failed (401 Client Error)" in str(caught.value)


class Reachable:
    """A session of a machine with a network."""

    def head(self, url, timeout):
        return None


class AbsentError(EntryNotFoundError):
    """The hub's answer for a file that a repository does not hold."""

    def __init__(self):
        Exception.__init__(self, "404")


def test_the_next_file_name_is_tried_where_the_hub_lacks_one(monkeypatch, tmp_path):
    asked = []

    def download(repo, name, cache_dir):
        asked.append(name)
        if name.endswith(".safetensors"):
            raise AbsentError
        torch.save(state_dict(clip_weights(SMALL)), tmp_path / name)
        return str(tmp_path / name)

    monkeypatch.setattr(_openclip_hub, "get_session", Reachable)
    monkeypatch.setattr(_openclip_hub, "hf_hub_download", download)
    tag = {"hf_hub": "org/name/"}
    found = _openclip_hub.tag_file(tag, "the weights", str(tmp_path / "cache"))
    assert asked == ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    assert found == tmp_path / "open_clip_pytorch_model.bin"
    with pytest.raises(WeightsError, match=r"org/name .* holds none of config.safetensors"):
        _openclip_hub.hub_file("org/name", ["config.safetensors"], "the config", None)


def test_a_network_that_breaks_off_is_not_asked_again(monkeypatch, tmp_path):
    asked = []

    def download(repo, name, cache_dir):
        asked.append(name)
        raise LocalEntryNotFoundError("connection lost")

    monkeypatch.setattr(_openclip_hub, "get_session", Reachable)
    monkeypatch.setattr(_openclip_hub, "hf_hub_download", download)
    with pytest.raises(WeightsError, match=BOTH_WAYS_OUT) as caught:
        OpenCLIPBackbone(cache_dir=tmp_path)
    assert "connection lost" in str(caught.value)
    assert len(asked) == 1


def put_in_hub_cache(cache, repo, files):
    """Lay a repository down as huggingface_hub does."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    for name, write in files.items():
        write(snapshot / name)
    return snapshot


@pytest.fixture
def small_arch(monkeypatch):
    """An open_clip with one more arch and its tags."""
    tags = {
        "quick": {"hf_hub": "org/quick/", "quick_gelu": True, "mean": (0.1, 0.2, 0.3)},
        "plain": {"hf_hub": "org/plain/weights.bin"},
        "clip": {"url": "https://openaipublic.example/{sha}/Small.pt", "quick_gelu": True},
    }
    config = {k: v for k, v in SMALL.model_config().items() if k != "quick_gelu"}
    monkeypatch.setattr(
        _openclip_spec, "get_model_config", lambda name: config if name == "small" else None
    )
    monkeypatch.setattr(_openclip_spec, "get_pretrained_cfg", lambda arch, tag: tags.get(tag, {}))
    monkeypatch.setattr(
        _openclip_spec.open_clip, "list_pretrained_tags_by_model", lambda arch: list(tags)
    )
    return tags


def test_a_cached_tag_needs_no_network_and_corrects_the_activation(
    small_arch, offline, tmp_path, caplog
):
    state = state_dict(clip_weights(SMALL, seed=4))
    put_in_hub_cache(
        tmp_path, "org/quick", {"open_clip_model.safetensors": lambda path: save_file(state, path)}
    )
    put_in_hub_cache(tmp_path, "org/plain", {"weights.bin": lambda path: torch.save(state, path)})
    quick = OpenCLIPBackbone("small", "quick", cache_dir=str(tmp_path))
    assert "small: built with QuickGELU, because open_clip's entry of the tag" in caplog.text
    assert quick.quick_gelu is True
    torch.testing.assert_close(quick.mean, torch.tensor([0.1, 0.2, 0.3]))
    plain = OpenCLIPBackbone("small", "plain", cache_dir=str(tmp_path))
    assert plain.quick_gelu is False
    for backbone in (quick, plain):
        assert torch.equal(backbone.model.visual.proj, state["visual.proj"])
    assert offline.asked == 0


def test_what_openai_s_own_package_downloaded_is_found(small_arch, offline, tmp_path, caplog):
    file = tmp_path / "Small.pt"
    torch.save(state_dict(clip_weights(SMALL)), file)
    stated = small_arch["clip"]["url"].format(sha=hashlib.sha256(file.read_bytes()).hexdigest())
    small_arch["clip"]["url"] = stated
    backbone = OpenCLIPBackbone("small", "clip", cache_dir=str(tmp_path))
    assert backbone.quick_gelu is True
    assert offline.asked == 0

    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="cannot be reached"):
        OpenCLIPBackbone("small", "clip", cache_dir=str(tmp_path))
    assert "Small.pt is damaged" in caplog.text


def test_a_cached_hub_model_needs_no_network(offline, tmp_path):
    state = state_dict(clip_weights(SMALL))
    stated = {"model_cfg": SMALL.model_config(), "preprocess_cfg": {"std": [0.4, 0.5, 0.6]}}
    put_in_hub_cache(
        tmp_path,
        "org/name",
        {
            "open_clip_pytorch_model.bin": lambda path: torch.save(state, path),
            "open_clip_config.json": lambda path: path.write_text(json.dumps(stated)),
        },
    )
    arch = OpenCLIPBackbone("hf-hub:org/name", None, cache_dir=str(tmp_path))
    silent = {k: v for k, v in SMALL.model_config().items() if k != "quick_gelu"}
    weights = OpenCLIPBackbone(
        "small", "hf-hub:org/name", model_config=silent, cache_dir=str(tmp_path)
    )
    assert arch.fingerprint == weights.fingerprint
    for backbone in (arch, weights):
        assert backbone.quick_gelu is True
        torch.testing.assert_close(backbone.std, torch.tensor([0.4, 0.5, 0.6]))
    assert offline.asked == 0
