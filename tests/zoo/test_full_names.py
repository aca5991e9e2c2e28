"""What a backbone's name means, and what is said about one that means nothing."""

import json
import subprocess
import sys

import pytest

from plp.errors import ConfigError, PlpError, WeightsError
from plp.zoo import find_backbone, label_of
from plp.zoo.check import check_backbone


@pytest.mark.parametrize(
    ("name", "label", "arch", "weights"),
    [
        ("ViT-B-16:openai", "vit-b16", "ViT-B-16", "openai"),
        ("ViT-B/16:OpenAI", "vit-b16", "ViT-B-16", "openai"),
        ("ViT-B-16:laion2b-s34b-b88k", "vit-b16-laion2b", "ViT-B-16", "laion2b_s34b_b88k"),
        ("ViT-B-16:dfn2b", "dfn-b16", "ViT-B-16", "dfn2b"),
        ("PE-Core-B-16", "pe-core-b16", "PE-Core-B-16", "meta"),
        ("ViT-B-16:laion400m_e32", "ViT-B-16:laion400m_e32", "ViT-B-16", "laion400m_e32"),
        ("ViT-B-16:/my/weights.pt", "ViT-B-16:weights.pt", "ViT-B-16", "/my/weights.pt"),
        ("hf-hub:imageomics/bioclip", "bioclip", "hf-hub:imageomics/bioclip", None),
        ("hf-hub:some/model", "hf-hub:some/model", "hf-hub:some/model", None),
    ],
)
def test_full_names(name, label, arch, weights):
    found = find_backbone(name)
    assert found.label == label
    assert found.config == {"type": "OpenCLIPBackbone", "arch": arch, "pretrained": weights}


@pytest.mark.parametrize(
    ("name", "config", "label"),
    [
        ("transformers:org/model", {"name_or_folder": "org/model"}, "transformers:org/model"),
        ("transformers:lcybuaa/Git-RSCLIP", {"name_or_folder": "lcybuaa/Git-RSCLIP"}, "git-rsclip"),
        ("timm:resnet18", {"arch": "timm:resnet18"}, "timm:resnet18"),
        ("timm:timm/resnet18.a1_in1k", {"arch": "timm:timm/resnet18.a1_in1k"},
         "timm:timm/resnet18.a1_in1k"),
    ],
)  # fmt: skip
def test_other_libraries(name, config, label):
    found = find_backbone(name)
    kind = "TransformersBackbone" if name.startswith("tr") else "ImageOnlyBackbone"
    assert found.config == {"type": kind, **config}
    assert found.label == label


def test_folders_of_other_libraries(tmp_path):
    place = folder(tmp_path / "model", "config.json")
    assert find_backbone(f"transformers:{place}").config["name_or_folder"] == str(place)
    assert find_backbone(f"transformers:{place}").label == "transformers:model"
    assert find_backbone(f"timm:{place}").config["arch"] == f"timm:{place}"
    assert find_backbone(f"timm:{place}").label == "timm:model"


def test_other_weights_of_a_tower_of_timm():
    assert find_backbone("dinov2-s14", weights=None).config["pretrained"] is None
    assert find_backbone("timm:resnet18", weights="/a/b.safetensors").label.endswith(
        ":b.safetensors"
    )


def test_a_tower_of_timm_has_the_streams_of_its_kind():
    assert find_backbone("timm:vit_base_patch16_224").streams == ("tokens", "value", "vv")
    assert find_backbone("timm:resnet18").streams == ("tokens",)


WRONG = {
    "misspelt": ("siglp2-b16", r"'siglp2-b16'\. Did you mean 'siglip2-b16'"),
    "upper case": ("SIGLIP2-B16", r"Did you mean 'siglip2-b16'\? "),
    "underscores": ("vit_b16", r"Did you mean 'vit-b16' or 'ViT-B-16'\? "),
    "arch misspelt": ("ViT-B16:openai", r"arch 'ViT-B16' is none .* Did you mean 'ViT-B-16'\?"),
    "arch without a tag": (
        "ViT-B-16",
        r"15 sets of published weights.* ViT-B-16:openai\. Tags: op",
    ),
    "arch without weights": ("convnext_small", "has no published weights: give a file, ARCH:FILE"),
    "short name and tag": ("vit-b16:openai", r"'vit-b16' is a short name: take --backbone vit-b16"),
    "an address": ("https://huggingface.co/org/name", "Did you mean 'hf-hub:org/name'"),
    "a repository": ("org/name", "Did you mean 'hf-hub:org/name' or 'transformers:org/name'"),
    "half a repository": ("hf-hub:name", "expected hf-hub:ORG/NAME of the hub, got 'name'"),
    "nothing like it": ("!!", r"no backbone is called '!!'\. `plp list --backbones`"),
    "a folder": ("/tmp", r"is a folder.*'local-dir:/tmp' \(open_clip's layout\), 'transformers:"),
    "a file": (__file__, "is a file, expected the name of a backbone.*ARCH:"),
}


@pytest.mark.parametrize(("name", "message"), WRONG.values(), ids=WRONG)
def test_a_name_that_means_nothing(name, message):
    with pytest.raises(ConfigError, match=message):
        find_backbone(name)


def test_a_tag_of_another_arch_is_told_with_the_archs_it_is_of():
    with pytest.raises(WeightsError, match=r"'webli' is neither .* tag of ViT-B-16-SigLIP, .*Tags"):
        find_backbone("ViT-B-16:webli")
    with pytest.raises(WeightsError, match=r"Did you mean 'laion2b_s34b_b88k'"):
        find_backbone("ViT-B-16:laion2b_s34b")


def test_weights_beside_a_name():
    assert find_backbone("ViT-B-16", weights="x.pt").label == "ViT-B-16:x.pt"
    assert find_backbone("vit-b16", weights=None).label == "ViT-B-16:random"
    assert find_backbone("vit-b16", weights="openai").label == "vit-b16"
    with pytest.raises(ConfigError, match=r"vit-b16 says which weights \(openai\).*\(dfn2b\)"):
        find_backbone("vit-b16", weights="dfn2b")
    with pytest.raises(ConfigError, match=r"says which weights \(/a\.pt\).*\(/b\.pt\): leave one"):
        find_backbone("ViT-B-16:/a.pt", weights="/b.pt")
    with pytest.raises(ConfigError, match="lite brings its own weights"):
        find_backbone("lite", weights="x.pt")


def folder(path, *files):
    path.mkdir(parents=True, exist_ok=True)
    for name in files:
        (path / name).write_text(json.dumps({}))
    return path


@pytest.mark.parametrize(
    ("prefix", "files", "message"),
    [
        (
            "local-dir:",
            (),
            "open_clip_config.json, got .* with nothing in it: no model in the layout",
        ),
        ("local-dir:", ("config.json",), "with config.json: .*Did you mean 'transformers:"),
        ("transformers:", ("open_clip_config.json",), "Did you mean 'local-dir:"),
        ("transformers:", ("a.txt", "b.txt", "c.txt", "d.txt"), "a.txt, b.txt, c.txt and 1 more"),
    ],
)
def test_a_folder_that_is_no_model(prefix, files, message, tmp_path):
    with pytest.raises(WeightsError, match=message):
        find_backbone(f"{prefix}{folder(tmp_path / 'model', *files)}")


@pytest.mark.parametrize(
    ("stated", "own", "other"),
    [
        ({"architecture": "test_vit"}, "timm:", "local-dir:"),
        ({"model_type": "clip", "architectures": ["CLIPModel"]}, "transformers:", "local-dir:"),
        (None, "local-dir:", "transformers:"),
    ],
)
def test_the_prefix_of_a_folder_is_read_from_its_config(stated, own, other, tmp_path, monkeypatch):
    folder(tmp_path / "model", *(["open_clip_config.json"] if stated is None else []))
    if stated is not None:
        (tmp_path / "model" / "config.json").write_text(json.dumps(stated))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"is a folder.*Did you mean '{own}model'\?$"):
        find_backbone("model")
    with pytest.raises(WeightsError, match=rf"Did you mean '{own}{tmp_path}/model'\?$|layout"):
        find_backbone(f"{other}model")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:", "expected a name behind it, such as timm:ORG/NAME"),
        ("transformers:", "expected a name behind it"),
        ("local-dir:", "such as local-dir:FOLDER"),
        ("timm:./my_folder", r"got './my_folder', and no such folder is here"),
        ("timm:/no/folder", r"got '/no/folder', and no such folder is here"),
    ],
)
def test_places_that_are_missing(name, message):
    with pytest.raises(ConfigError, match=message):
        find_backbone(name)


def test_a_folder_that_is_not_there_or_a_file(tmp_path):
    folder(tmp_path / "model", "open_clip_config.json")
    with pytest.raises(WeightsError, match=r"is not there\. Did you mean '.*/model'\?"):
        find_backbone(f"local-dir:{tmp_path / 'modell'}")
    with pytest.raises(
        WeightsError, match=r"with model: no model .* Did you mean 'local-dir:.*/model"
    ):
        find_backbone(f"local-dir:{tmp_path}")
    with pytest.raises(ConfigError, match=r"got a file\. Weights in a file .* ARCH:FILE"):
        find_backbone(f"local-dir:{tmp_path / 'model' / 'open_clip_config.json'}")


def test_folders_become_absolute(tmp_path, monkeypatch):
    folder(tmp_path / "model", "open_clip_config.json")
    monkeypatch.chdir(tmp_path)
    assert find_backbone("local-dir:model").config["arch"] == f"local-dir:{tmp_path / 'model'}"


def weights_file(path, content=b"x"):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


CONFIGS = {
    "arch misspelt": (dict(arch="ViT-B16"), r"'ViT-B16' is none .* 'ViT-B-16'\?"),
    "short name": (dict(arch="siglip-b16"), "arch='ViT-B-16-SigLIP' with pretrained='webli'"),
    "arch is a file": (dict(arch=__file__), "is a file, expected a name of open_clip's models"),
    "arch is a folder": (dict(arch="/tmp"), "Did you mean 'local-dir:/tmp'"),
    "tag of another arch": (dict(arch="RN50", pretrained="webli"), "It is a tag of "),
    "tag misspelt": (dict(pretrained="opnai"), "Did you mean 'openai'"),
    "no such file": (dict(pretrained="/no/x.pt"), "x.pt does not exist. There is no folder '/no'"),
    "a folder": (dict(pretrained="/tmp"), "/tmp is a folder, expected a weights file"),
    "half a repository": (dict(pretrained="hf-hub:x"), "expected hf-hub:ORG/NAME"),
    "no such folder": (dict(arch="local-dir:/no/x", pretrained=None), "is not there"),
}  # fmt: skip


@pytest.mark.parametrize(("backbone", "message"), CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_means_nothing(backbone, message):
    with pytest.raises(PlpError, match=message):
        check_backbone({"type": "OpenCLIPBackbone", **backbone})


def test_files_of_a_config(tmp_path):
    good = weights_file(tmp_path / "weights.pt")
    check_backbone({"type": "OpenCLIPBackbone", "pretrained": good})
    with pytest.raises(WeightsError, match=r"does not exist\. Did you mean '.*/weights\.pt'\?"):
        check_backbone({"type": "OpenCLIPBackbone", "pretrained": str(tmp_path / "weight.pt")})
    empty = weights_file(tmp_path / "empty.pt", b"")
    with pytest.raises(WeightsError, match=r"empty\.pt is empty, expected weights"):
        check_backbone({"type": "OpenCLIPBackbone", "pretrained": empty})


@pytest.mark.parametrize(
    "backbone",
    [
        None, "x", {"type": "LiteBackbone"}, {"type": "Mine", "arch": "x"},
        {"type": "OpenCLIPBackbone"},
        {"type": "OpenCLIPBackbone", "arch": "tiny", "model_config": {}, "pretrained": None},
        {"type": "OpenCLIPBackbone", "arch": "hf-hub:a/b", "pretrained": None},
    ],
)  # fmt: skip
def test_what_only_building_can_tell_is_left_alone(backbone):
    check_backbone(backbone)


def test_an_arch_that_a_module_registers_is_known(monkeypatch):
    import open_clip

    monkeypatch.setattr(open_clip, "list_models", lambda: ["of-my-own"])
    check_backbone({"type": "OpenCLIPBackbone", "arch": "of-my-own", "pretrained": None})


@pytest.mark.parametrize(
    ("backbone", "label"),
    [
        (None, ""), ({}, ""), ({"type": "LiteBackbone"}, "lite"), ({"type": "Mine"}, "Mine"),
        ({"type": "OpenCLIPBackbone"}, "vit-b16"),
        ({"type": "OpenCLIPBackbone", "arch": "RN50", "pretrained": None}, "RN50:random"),
        ({"type": "OpenCLIPBackbone", "arch": "ViT-B-16", "pretrained": "openai",
          "model_config": {"embed_dim": 3}}, "ViT-B-16:openai"),
    ],
)  # fmt: skip
def test_labels(backbone, label):
    assert label_of(backbone) == label


def test_names_are_read_without_torch():
    code = (
        "import sys; from plp.zoo import find_backbone; find_backbone('ViT-B-16:openai'); "
        "print([name for name in ('torch', 'open_clip', 'timm') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
