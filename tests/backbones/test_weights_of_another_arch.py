"""Weights of another architecture are refused by names and shapes, before a model is built."""

import json

import pytest
import torch
from safetensors.torch import save_file

from plp.backbones import OpenCLIPBackbone, _openclip_check, openclip
from plp.backbones._openclip_build import build_model
from plp.backbones._openclip_check import check_fit, read_fitting
from plp.backbones._openclip_sizes import sizes_of_config, sizes_of_weights
from plp.backbones._openclip_weights import read_checkpoint
from plp.config.choices import Choices
from plp.config.load import choose, load_config
from plp.errors import ConfigError, WeightsError
from plp.testing.clip_weights import TINY, clip_weights, state_dict
from plp.zoo.published import arch_config

FAMILIES = (
    "ViT-B-32", "RN50", "ViT-L-14-336", "ViT-B-16-SigLIP-384", "PE-Core-S-16-384", "MobileCLIP2-S0",
    "coca_ViT-B-32", "ViTamin-S", "convnext_base", "ViT-H-14-CLIPA",
)  # fmt: skip


def shapes_of(arch):
    return build_model(arch_config(arch), False, None, 0, None, device="meta").state_dict()


@pytest.mark.parametrize("arch", FAMILIES)
def test_sizes_of_a_config_are_those_of_its_weights(arch):
    found, stated = sizes_of_weights(shapes_of(arch)), sizes_of_config(arch_config(arch))
    assert found == stated
    check_fit(arch, arch_config(arch), shapes_of(arch), "own")


@pytest.mark.parametrize(
    ("weights", "arch", "fitting"),
    [
        (
            "ViT-B-32",
            "ViT-B-16",
            r"\[768, 3, 32, 32\], exp.*fit ViT-B-32, ViT-B-32-quickgelu",
        ),
        ("RN50", "ViT-B-16", "unknown: .* The weights fit RN50, RN50-quickgelu"),
        ("ViT-L-14-336", "ViT-L-14", "Give image_size .* The weights fit ViT-L-14-336, "),
        ("ViT-B-16-SigLIP-384", "ViT-B-16-SigLIP", r"The weights fit ViT-B-16-SigLIP-384\.$"),
    ],
)
def test_the_archs_that_weights_fit_are_named(weights, arch, fitting):
    with pytest.raises(WeightsError, match=rf"^x\.pt does not fit {arch}: .*{fitting}"):
        check_fit(arch, arch_config(arch), shapes_of(weights), "x.pt")


def test_the_nearest_arch_is_named_where_none_fits():
    weights = {**shapes_of("RN50"), "head.weight": torch.zeros(2)}
    with pytest.raises(
        WeightsError, match=r"nearest: RN50(-quickgelu)?; different: 1 tensor of \d+"
    ):
        check_fit("ViT-B-16", arch_config("ViT-B-16"), weights, "x.pt")
    weights = {"vision_model.embeddings.class_embedding": torch.zeros(768)}
    with pytest.raises(WeightsError, match="--backbone transformers:FOLDER"):
        check_fit("ViT-B-16", arch_config("ViT-B-16"), weights, "x.pt")


@pytest.fixture
def state():
    return state_dict(clip_weights(TINY))


@pytest.fixture(params=["zip.pt", "model.safetensors", "old.pt", "script.pt"])
def file(request, state, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif request.param == "script.pt":
        model = torch.nn.ParameterDict({"a": state["text_projection"]})
        script = torch.jit.script(Scripted(model["a"]))
        script.save(path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=request.param == "zip.pt")
    return path


class Scripted(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x):
        return x @ self.weight


def test_the_head_has_the_names_and_shapes_of_the_file(file):
    head, whole = read_checkpoint(file, shapes_only=True).state, read_checkpoint(file).state
    assert {name: value.shape for name, value in head.items()} == {
        name: value.shape for name, value in whole.items()
    }
    assert all(value.is_meta for value in head.values())


def test_nothing_is_built_or_read_of_a_file_that_does_not_fit(file, monkeypatch):
    monkeypatch.setattr(openclip, "build_model", pytest.fail)
    with pytest.raises(WeightsError, match="does not fit RN50: "):
        OpenCLIPBackbone("RN50", file)
    if "old" not in file.name:  # whose head cannot be read apart
        reads = []
        real = _openclip_check.read_checkpoint
        monkeypatch.setattr(
            _openclip_check, "read_checkpoint",
            lambda path, shapes_only=False: reads.append(shapes_only) or real(path, shapes_only),
        )  # fmt: skip
        with pytest.raises(WeightsError):
            read_fitting(file, "RN50", arch_config("RN50"), str(file), None, None)
        assert reads == [True]


def test_a_config_is_refused_before_data_are_listed(tmp_path, state):
    torch.save(state, tmp_path / "weights.pt")
    choices = Choices("textile", backbone=f"ViT-B-32:{tmp_path / 'weights.pt'}")
    with pytest.raises(WeightsError, match=r"weights\.pt does not fit ViT-B-32: positional_embedd"):
        choose(load_config("coop/vitb16_16shot"), choices)
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    options = {"model.backbone.pretrained": str(tmp_path / "cut.safetensors")}
    with pytest.raises(WeightsError, match=r"cut\.safetensors is damaged"):
        choose(load_config("coop/vitb16_16shot"), Choices("textile", options=options))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet19", "timm has no model 'resnet19'.* Near: 'resnet18'"),
        ("timm:resnet18.a1_in2k", "no weights 'a1_in2k' of resnet18.* Did you mean 'a1_in1k'"),
    ],
)
def test_names_of_timm_are_checked_when_they_are_chosen(name, message):
    with pytest.raises(ConfigError, match=message):
        choose(load_config("linear_probe"), Choices("textile", backbone=name))


def test_folders_of_a_library_are_checked_when_they_are_chosen(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(WeightsError, match="is not whole: no tokenizer files"):
        choose(load_config("coop"), Choices("textile", backbone=f"transformers:{tmp_path}"))
