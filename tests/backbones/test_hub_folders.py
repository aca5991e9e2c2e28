"""Folders and repositories of the hub: what is refused, before anything is built."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from backbones.hf_folders import write_model

from plp.backbones import TransformersBackbone, _hf_model, _openclip_hub
from plp.errors import ConfigError, WeightsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_model("clip", folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")


@pytest.fixture
def unbuilt(monkeypatch):
    """Fails the test where a model is built."""

    def build(folder):
        raise AssertionError("a model was built")

    monkeypatch.setattr("plp.backbones.transformers.build_model", build)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def without(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def pickled(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def shards(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def changed(file, **changes):
    return lambda folder: edit(folder / file, **changes)


def added(file, text="{}"):
    return lambda folder: (folder / file).write_text(text)


def both(*steps):
    return lambda folder: [step(folder) for step in steps]


REFUSED = {
    "no config": (without("config.json"), WeightsError, r"has no config\.json: expected a folder"),
    "open_clip's layout": (
        both(without("config.json"), added("open_clip_config.json")), WeightsError,
        "OpenCLIPBackbone, as arch='local-dir:FOLDER'",
    ),
    "damaged config": (added("config.json", "{"), WeightsError, "cannot be read as JSON"),
    "no tokenizer": (
        without("tokenizer.json", "tokenizer_config.json"), WeightsError,
        r"is not whole: no tokenizer files \(one of tokenizer\.json, ",
    ),
    "no merges": (
        both(without("tokenizer.json"), added("vocab.json")), WeightsError, r"no merges\.txt",
    ),
    "no image processor": (
        without("preprocessor_config.json"), WeightsError, "no image processor",
    ),
    "several missing": (
        without("preprocessor_config.json", "tokenizer.json", "model.safetensors"), WeightsError,
        "no tokenizer files .*; no image processor .*; no model.safetensors",
    ),
    "pickled weights": (
        pickled, WeightsError, r"only pytorch_model\.bin, and plp reads no pickled.*save_pre",
    ),
    "missing shards": (shards, WeightsError, "1 of the files in .* are missing: model-00001-of"),
    "code of the model": (
        changed("config.json", auto_map={"AutoModel": "x.Y"}), ConfigError,
        r"asks for code of its own \(auto_map in config\.json\), which plp never runs",
    ),
    "code of the tokenizer": (
        changed("tokenizer_config.json", auto_map={}), ConfigError, "auto_map in tokenizer_config",
    ),
    "code of the processor": (
        changed("preprocessor_config.json", auto_map={}), ConfigError, "auto_map in preprocessor",
    ),
    "unknown type": (
        changed("config.json", model_type="siglib"), ConfigError,
        r"among align, altclip, .*, got 'siglib'\. Near: 'siglip'",
    ),
    "one tower": (
        changed("config.json", model_type="clip_vision_model"), ConfigError,
        "It is one tower of a 'clip' model; both are needed",
    ),
    "quantised": (
        changed("config.json", quantization_config={"bits": 4}), ConfigError, "are quantised",
    ),
    "an adapter": (added("adapter_config.json"), ConfigError, "an adapter of peft"),
    "another end token": (
        lambda folder: edit(folder / "config.json", text_config=json.loads(
            (folder / "config.json").read_text())["text_config"] | {"eos_token_id": 5}),
        ConfigError, r"is read at the token 5 .*ends texts with \[\d+\]",
    ),
    "another image size": (
        changed("preprocessor_config.json", crop_size={"height": 48, "width": 48}), ConfigError,
        "makes images of 48 x 48, and its image tower takes 32 x 32",
    ),
    "no resizing": (
        changed("preprocessor_config.json", do_resize=False), ConfigError, "do_resize=False",
    ),
    "another interpolation": (
        changed("preprocessor_config.json", resample=1), ConfigError, "by Lanczos interpolation",
    ),
    "a damaged tokenizer": (
        added("tokenizer.json", "{}"), WeightsError, "library cannot read its tokenizer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_folder_that_does_not_do_is_refused_before_it_is_built(kind, folder, unbuilt):
    spoil, error, message = REFUSED[kind]
    spoil(folder)
    with pytest.raises(error, match=rf"(?s)model.*{message}"):
        TransformersBackbone(folder)


def test_weights_that_do_not_fit_are_refused(folder):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lack 1 tensors of a CLIPModel, .*visual_projection"):
        TransformersBackbone(folder)
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="library cannot read its weights"):
        TransformersBackbone(folder)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere", WeightsError, "is no folder here, and no name on the Hugging Face hub"),
        ("/a/b/c", WeightsError, "is no folder here"),
        ("", ConfigError, "expected name_or_folder to be a folder or 'org/name', got ''"),
    ],
)
def test_names_that_are_neither_folder_nor_repository(name, error, message):
    with pytest.raises(error, match=message):
        TransformersBackbone(name)


def test_a_folder_has_no_revision(folder):
    with pytest.raises(ConfigError, match="a folder, which has no revision: got 'main'"):
        TransformersBackbone(folder, revision="main")


def cached(whole, cache, name="org/tiny"):
    """Lay a snapshot out as huggingface_hub keeps it."""
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(whole, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return repository


@pytest.fixture
def offline(monkeypatch):
    class Unreachable:
        def head(self, url, timeout):
            raise OSError("Name or service not known")

    monkeypatch.setattr(_openclip_hub, "get_session", Unreachable)


def test_what_the_cache_holds_is_enough(whole, tmp_path, offline):
    cached(whole, tmp_path)
    backbone = TransformersBackbone("org/tiny", cache_dir=tmp_path)
    assert backbone.commit == COMMIT
    assert backbone.weights_file.name == "model.safetensors"
    assert backbone.fingerprint == TransformersBackbone(whole).fingerprint
    assert TransformersBackbone("org/tiny", revision=COMMIT, cache_dir=tmp_path).commit == COMMIT
    assert f"name_or_folder='org/tiny', commit='{COMMIT}', model_type='clip'" in repr(backbone)


def test_without_a_network_it_is_said_what_the_cache_lacks(whole, tmp_path, offline, unbuilt):
    with pytest.raises(
        WeightsError, match=r"org/tiny: not in the local cache, and https?://.*known"
    ):
        TransformersBackbone("org/tiny", cache_dir=tmp_path)
    repository = cached(whole, tmp_path)
    (repository / "snapshots" / COMMIT / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"in the local cache, .*no model\.safet.*and http"):
        TransformersBackbone("org/tiny", cache_dir=tmp_path)


def test_a_failing_hub_is_one_message(tmp_path, monkeypatch, unbuilt):
    """A server that answers nothing but errors, on this machine alone."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    try:
        with pytest.raises(WeightsError, match=r"cannot get the model org/tiny: not in the local"):
            TransformersBackbone("org/tiny", cache_dir=tmp_path)
    finally:
        server.shutdown()
        server.server_close()


def test_small_files_are_checked_before_weights_are_downloaded(whole, tmp_path, monkeypatch):
    """The hub's download is stood in for by copying; what it is asked for is looked at."""
    from plp.backbones import _hf_hub

    source = shutil.copytree(whole, tmp_path / "source")
    asked = []

    def download(name, *, revision, cache_dir, local_files_only, allow_patterns):
        if local_files_only:
            raise OSError("nothing here")
        asked.append(allow_patterns)
        target = tmp_path / "snapshots" / COMMIT
        target.mkdir(parents=True, exist_ok=True)
        for file in source.iterdir():
            if file.name in allow_patterns:
                shutil.copy(file, target)
        return str(target)

    class Api:
        def list_repo_files(self, name, revision):
            return sorted(file.name for file in source.iterdir())

    monkeypatch.setattr(_hf_hub, "snapshot_download", download)
    monkeypatch.setattr(_hf_hub, "HfApi", Api)
    monkeypatch.setattr(_hf_hub, "network_failure", lambda url: None)
    edit(source / "config.json", auto_map={"AutoModel": "x.Y"})
    with pytest.raises(ConfigError, match="asks for code of its own"):
        TransformersBackbone("org/tiny")
    assert len(asked) == 1
    assert "model.safetensors" not in asked[0]
    shutil.copy(whole / "config.json", source)
    assert TransformersBackbone("org/tiny").commit == COMMIT
    assert "model.safetensors" in asked[-1]
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"holds no model\.safetensors, .*pytorch_model\.bin"):
        TransformersBackbone("org/tiny")


def test_the_library_is_quiet_and_the_random_state_untouched(whole, capfd):
    before = torch.get_rng_state()
    TransformersBackbone(whole)
    assert torch.equal(before, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")
    assert _hf_model.MODELS["clip"] == "CLIPModel"


def test_the_fingerprint_changes_with_what_changes_features(whole, folder):
    first = TransformersBackbone(whole).fingerprint
    assert TransformersBackbone(folder).fingerprint == first
    assert TransformersBackbone(folder, alias_first_block=False).fingerprint != first
    edit(folder / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    assert TransformersBackbone(folder).fingerprint != first
    shutil.copy(whole / "preprocessor_config.json", folder)
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", vision_config=config["vision_config"] | {"hidden_act": "gelu"})
    assert TransformersBackbone(folder).fingerprint != first
