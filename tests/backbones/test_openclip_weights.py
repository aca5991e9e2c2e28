"""Weights from files: every layout, every way a file can be wrong, and the activation."""

import json
import logging
import pickle
import warnings
import zipfile

import open_clip
import pytest
import torch
from mmengine import Config
from safetensors.torch import save_file

from plp.backbones import OpenCLIPBackbone
from plp.errors import ConfigError, WeightsError
from plp.registry import BACKBONES
from plp.testing.clip_weights import ClipSize, clip_weights, state_dict

SMALL = ClipSize(32, 64, 32, 64, 2, 64, 2)
IMAGES = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)
UNSTATED = {k: v for k, v in SMALL.model_config().items() if k != "quick_gelu"}


@pytest.fixture(scope="module")
def state():
    return state_dict(clip_weights(SMALL, seed=0))


@pytest.fixture(scope="module")
def expected(state):
    model = open_clip.CLIP(**SMALL.model_config()).eval()
    model.load_state_dict(state)
    with torch.no_grad():
        return model.encode_image(IMAGES)


@pytest.fixture
def file(tmp_path, state):
    torch.save(state, tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def build(path, config=None, **options):
    config = SMALL.model_config() if config is None else config
    return OpenCLIPBackbone("small", str(path), model_config=config, **options)


def features(backbone):
    return backbone.encode_image(IMAGES).pooled


def agree(one, other):
    return torch.allclose(one, other, atol=1e-5, rtol=1e-5)


def save_training_checkpoint(state, path):
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": wrapped, "optimizer": {}}, path)


def save_custom_text(state, path):
    model = open_clip.CustomTextCLIP(**SMALL.model_config())
    own = open_clip.model.convert_to_custom_text_state_dict(dict(state))
    model.load_state_dict(own)
    torch.save(model.state_dict(), path)


LAYOUTS = {
    "plain.pt": torch.save,
    "plain.safetensors": save_file,
    "training.pt": save_training_checkpoint,
    "half.pt": lambda state, path: torch.save({k: v.half() for k, v in state.items()}, path),
    "one-axis scale.pt": lambda state, path: torch.save(
        {**state, "logit_scale": state["logit_scale"][None]}, path
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_load(name, state, expected, tmp_path):
    LAYOUTS[name](state, tmp_path / name)
    backbone = build(tmp_path / name)
    half = name.startswith("half")
    torch.testing.assert_close(features(backbone), expected, atol=2e-2 if half else 1e-5, rtol=1e-5)
    assert {p.dtype for p in backbone.parameters()} == {torch.float32}
    torch.testing.assert_close(backbone.logit_scale, torch.tensor(100.0), rtol=1e-3, atol=0)
    assert backbone.logit_scale.shape == ()


def test_openai_s_layout_goes_into_a_custom_text_model_and_back(state, expected, tmp_path, file):
    custom = {**SMALL.model_config(), "custom_text": True}
    assert agree(features(build(file, custom)), expected)
    save_custom_text(state, tmp_path / "custom.pt")
    assert agree(features(build(tmp_path / "custom.pt", custom)), expected)


def archive(quick_gelu, state, path, script=False):
    """A TorchScript archive in half precision, as OpenAI's are."""
    model = open_clip.CLIP(**SMALL.model_config(quick_gelu)).eval()
    model.load_state_dict(state)
    inputs = {
        "encode_image": (IMAGES,),
        "encode_text": (torch.zeros(1, 77, dtype=torch.long),),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = (
            torch.jit.script(model)
            if script
            else torch.jit.trace_module(model, inputs, check_trace=False)
        )
        traced.half().save(str(path))
    return path


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("quick_gelu", [True, False])
def test_a_torchscript_archive_loads_and_tells_its_activation(quick_gelu, script, state, tmp_path):
    path = archive(quick_gelu, state, tmp_path / "archive.pt", script)
    backbone = build(path, UNSTATED)
    assert backbone.quick_gelu is quick_gelu
    loaded = backbone.model.state_dict()
    assert loaded.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(loaded[name], value.half().float())
    with pytest.raises(ConfigError, match=r"trained with .*GELU, because the archive's own code"):
        build(path, UNSTATED, quick_gelu=not quick_gelu)


def test_a_torchscript_archive_runs_no_code(state, tmp_path):
    good, bad = archive(True, state, tmp_path / "good.pt"), tmp_path / "bad.pt"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            payload = source.read(name)
            if name.endswith("data.pkl"):
                payload = pickle.dumps(Evil(tmp_path / "ran"), protocol=2)
            target.writestr(name, payload)
    with pytest.raises(WeightsError, match="is not on the allow-list"):
        build(bad)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_torchscript_archive_is_refused(state, tmp_path):
    path = archive(True, state, tmp_path / "archive.pt")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "less.pt", "w") as target:
        for name in source.namelist():
            if not name.endswith("data/3"):
                target.writestr(name, source.read(name))
    with pytest.raises(WeightsError, match=r"less.pt is a TorchScript archive that cannot be read"):
        build(tmp_path / "less.pt")


class Evil:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.path),)


def test_a_pickle_runs_no_code(state, tmp_path):
    torch.save({"state_dict": state, "args": Evil(tmp_path / "ran")}, tmp_path / "bad.pt")
    with pytest.raises(WeightsError, match="pickled objects other than tensors"):
        build(tmp_path / "bad.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "archive.pt"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(name, share, state, tmp_path):
    path = tmp_path / name
    {"weights.pt": torch.save, "weights.safetensors": save_file}.get(
        name, lambda state, path: archive(True, state, path)
    )(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=name):
        build(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>404</html>", "no weights file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "no weights file"),
        ([1, 2, 3], "holds no state dict: .* got a list"),
        ({}, "holds no state dict: .* the keys none"),
        ({"a": 1, "b": 2}, "holds no state dict: .* the keys 'a', 'b'"),
        ({"vision_model.x": torch.zeros(2)}, r"missing: .* more; unknown: vision_model.x"),
    ],
)
def test_what_is_no_checkpoint_is_refused(content, message, tmp_path):
    path = tmp_path / "file.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=message):
        build(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(WeightsError, match=r"weights file .*nowhere.pt does not exist"):
        build(tmp_path / "nowhere.pt")
    with pytest.raises(WeightsError, match=r"is a folder, expected a weights file.*local-dir:"):
        build(tmp_path)


def test_it_is_built_from_a_config_file(file, expected, tmp_path):
    """As tools do, with `--cfg-options model.backbone.pretrained=FILE`."""
    (tmp_path / "config.py").write_text(
        "model = dict(backbone=dict(type='OpenCLIPBackbone', arch='small', pretrained='openai',\n"
        f"    quick_gelu=True, model_config={UNSTATED!r}))"
    )
    config = Config.fromfile(tmp_path / "config.py")
    config.merge_from_dict({"model.backbone.pretrained": str(file)})
    assert agree(features(BACKBONES.build(config.model.backbone)), expected)
    with pytest.raises(WeightsError, match=r"nowhere\.pt does not exist"):
        BACKBONES.build({**config.model.backbone, "pretrained": tmp_path / "nowhere.pt"})


def test_another_architecture_is_named_by_its_first_shapes(file):
    wider = SMALL._replace(vision_width=128).model_config()
    with pytest.raises(
        WeightsError,
        match=r"fit small: visual.class_embedding has shape \[64\], expected \[128\].* more\. Name",
    ):
        build(file, wider)
    deeper = SMALL._replace(text_layers=3).model_config()
    with pytest.raises(WeightsError, match=r"missing: transformer.resblocks.2.* and 9 more"):
        build(file, deeper)


def test_another_image_size_is_interpolated_only_when_asked_for(file, expected):
    larger = SMALL._replace(image=96).model_config()
    with pytest.raises(WeightsError, match=r"positional_embedding has .* Give image_size"):
        build(file, larger)
    backbone = build(file, image_size=96)
    images = torch.nn.functional.interpolate(IMAGES, size=96)
    assert backbone.image_size == (96, 96)
    assert backbone.encode_image(images, ["vv"]).grid == (3, 3)
    assert agree(features(build(file, image_size=64)), expected)


def test_the_activation_of_a_silent_file_must_be_said(file, expected):
    with pytest.raises(ConfigError, match=r"does not tell which activation .* quick_gelu=True"):
        build(file, UNSTATED)
    assert agree(features(build(file, UNSTATED, quick_gelu=True)), expected)
    assert not agree(features(build(file, UNSTATED, quick_gelu=False)), expected)


def test_the_activation_that_a_config_states_holds(file, caplog):
    with caplog.at_level(logging.INFO, logger="plp"):
        assert build(file).quick_gelu is True
    assert "built with QuickGELU, because the model config of small says so" in caplog.text
    assert build(file, SMALL.model_config(quick_gelu=False)).quick_gelu is False
    with pytest.raises(ConfigError, match=r"quick_gelu=False does not fit .* says so.*to True"):
        build(file, quick_gelu=False)


def test_openai_s_own_entries_tell_the_activation(state, tmp_path, caplog):
    extras = {"input_resolution": 64, "context_length": 77, "vocab_size": 49408}
    extras = {name: torch.tensor(value) for name, value in extras.items()}
    torch.save({**state, **extras}, tmp_path / "openai.pt")
    assert build(tmp_path / "openai.pt", UNSTATED).quick_gelu is True
    assert any(record.levelno == logging.WARNING for record in caplog.records)  # was corrected
    with pytest.raises(ConfigError, match="input_resolution"):
        build(tmp_path / "openai.pt", UNSTATED, quick_gelu=False)


def write_folder(folder, state, **extra):
    folder.mkdir()
    save_file(state, folder / "open_clip_model.safetensors")
    stated = {"model_cfg": SMALL.model_config(), **extra}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    return folder


def test_a_local_folder_brings_config_weights_and_preprocessing(state, expected, tmp_path):
    preprocess = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear"}
    folder = write_folder(tmp_path / "model", state, preprocess_cfg=preprocess)
    backbone = OpenCLIPBackbone(f"local-dir:{folder}", None)
    assert agree(features(backbone), expected)
    assert backbone.quick_gelu is True
    torch.testing.assert_close(backbone.mean, torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(backbone.std, torch.tensor([0.4, 0.5, 0.6]))
    assert backbone.interpolation == "bilinear"
    with pytest.raises(ConfigError, match=r"model config of local-dir.*says so"):
        OpenCLIPBackbone(f"local-dir:{folder}", None, quick_gelu=False)

    beside = OpenCLIPBackbone("small", str(folder / "open_clip_model.safetensors"),
                              model_config=UNSTATED)  # fmt: skip
    assert beside.quick_gelu is True  # the config beside the file tells
    assert beside.interpolation == "bilinear"


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "open_clip_config.json").unlink(), "expected a folder with"),
        (lambda folder: (folder / "open_clip_config.json").write_text("{"), "as JSON"),
        (lambda folder: (folder / "open_clip_config.json").write_text("[]"), "got a list"),
        (lambda folder: (folder / "open_clip_model.safetensors").unlink(), "no weights file"),
    ],
)
def test_an_incomplete_local_folder_is_refused(break_it, message, state, tmp_path):
    folder = write_folder(tmp_path / "model", state)
    break_it(folder)
    with pytest.raises(WeightsError, match=message):
        OpenCLIPBackbone(f"local-dir:{folder}", None)


def test_random_weights_are_seeded_and_leave_the_global_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = (
        OpenCLIPBackbone("small", None, model_config=UNSTATED, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(features(first), features(again))
    assert not torch.equal(features(first), features(other))
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint


def test_the_fingerprint_follows_weights_and_stream_options(file, state, tmp_path):
    paths = tmp_path / "same.safetensors", tmp_path / "changed.pt"
    save_file(state, paths[0])
    changed = dict(state, **{"visual.proj": state["visual.proj"] * (1 + 2**-20)})
    torch.save(changed, paths[1])
    fingerprint = build(file).fingerprint
    assert build(paths[0]).fingerprint == fingerprint
    others = {
        build(paths[1]).fingerprint,
        build(file, alias_first_block=False).fingerprint,
        build(file, UNSTATED, quick_gelu=False).fingerprint,
        build(file, image_size=96).fingerprint,
    }
    assert len(others | {fingerprint}) == 5


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"embed_dim": 32}, r"model_config: expected .* got \['embed_dim'\]"),
        ({**UNSTATED, "vision_cfg": {"wdth": 64}}, "cannot build this model config: .*wdth"),
    ],
)
def test_a_wrong_model_config_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        OpenCLIPBackbone("small", None, model_config=config)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ConfigError, match="image_size to be at least 1 pixel, got 0"):
        OpenCLIPBackbone("small", None, model_config=UNSTATED, image_size=0)


def test_a_wrong_arch_or_tag_lists_the_near_ones():
    with pytest.raises(ConfigError, match=r"'ViT-B16' is none .* Did you mean 'ViT-B-16'\?"):
        OpenCLIPBackbone("ViT-B16", None)
    with pytest.raises(WeightsError, match=r"'opnai' is neither .* Did you mean 'openai'.* dfn2b"):
        OpenCLIPBackbone("ViT-B-16", "opnai")


def test_it_shows_what_was_decided(file):
    shown = repr(build(file, alias_first_block=False))
    assert "quick_gelu=True" in shown
    assert "alias_first_block=False" in shown
    assert str(file) in shown
