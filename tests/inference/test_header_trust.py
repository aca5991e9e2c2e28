"""A checkpoint's header opens nothing on its own but weights in open_clip's table."""

import json
import shutil

import pytest
from mmengine.config import Config

import plp
from plp.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from plp.checkpoints.header_trust import check_header, named_by
from plp.errors import CheckpointError, WeightsError
from plp.files import content_digest

TOWER = dict(width=64, layers=2)
OWN = dict(
    embed_dim=32,
    vision_cfg=dict(**TOWER, image_size=32, patch_size=16),
    text_cfg=dict(**TOWER, heads=1),
)


def backbone(**changes):
    return dict(type="OpenCLIPBackbone", arch="ViT-B-16", pretrained="openai") | changes


@pytest.mark.parametrize(
    "allowed",
    [
        {}, {"pretrained": "laion2b_s34b_b88k"}, {"arch": "ViT-B/16"}, {"pretrained": None},
        {"arch": "RN50", "image_size": 288}, {"arch": "roberta-ViT-B-32", "pretrained": None},
        {"pretrained": None, "arch": "mine", "model_config": OWN},
    ],
)  # fmt: skip
def test_what_open_clip_knows_is_followed(allowed):
    assert named_by(backbone(**allowed)) == []


def test_what_timm_knows_is_followed_and_nothing_else_of_an_image_only_backbone(tmp_path):
    def named(**keywords):
        return [
            one.key.split(".")[-1] for one in named_by(dict(type="ImageOnlyBackbone") | keywords)
        ]

    assert named(arch="timm:resnet18.a1_in1k") == []
    assert named(arch="timm:resnet18", pretrained="published", model_args=dict(depth=1)) == []
    assert named(arch="timm:resnet18", pretrained=None) == []
    for arch in (str(tmp_path), f"timm:{tmp_path}", "timm:org/name", "hf-hub:org/name", "mine"):
        assert named(arch=arch) == ["arch"], arch
    assert named(arch="timm:resnet18", pretrained="my.safetensors") == ["pretrained"]
    assert named(arch="timm:resnet18", cache_dir="/tmp") == ["cache_dir"]
    assert named(arch="timm:resnet18", model_args=dict(norm_layer="a/b")) == ["norm_layer"]


TEXT, VISION = dict(OWN["text_cfg"]), dict(OWN["vision_cfg"])
NAMED = {
    "a file": ({"pretrained": "/etc/weights.pt"}, "/etc/weights.pt"),
    "a relative file": ({"pretrained": "../weights.pt"}, "../weights.pt"),
    "a file without suffix": ({"pretrained": "weights"}, "weights"),
    "a tag of another arch": ({"pretrained": "laion400m_e32x"}, "laion400m_e32x"),
    "a tag and a config": ({"arch": "mine", "model_config": OWN}, "openai"),
    "weights of a repository": ({"pretrained": "hf-hub:some/one"}, "hf-hub:some/one"),
    "a repository": ({"arch": "hf-hub:some/one", "pretrained": None}, "hf-hub:some/one"),
    "a folder": ({"arch": "local-dir:/tmp/x", "pretrained": None}, "local-dir:/tmp/x"),
    "a text tower of a repository": (
        {"pretrained": None, "model_config": OWN | {"text_cfg": {"hf_model_name": "bert"}}}, "bert",
    ),
    "a tokenizer of a repository": (
        {"pretrained": None, "model_config": OWN | {"text_cfg": TEXT | {"hf_tokenizer_name": "t"}}},
        "t",
    ),
    "an image tower of timm's hub": (
        {"pretrained": None,
         "model_config": OWN | {"vision_cfg": {"timm_model_name": "hf-hub:some/one"}}},
        "hf-hub:some/one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMED)
def test_what_else_a_header_names_needs_a_word(kind, clf, tmp_path, monkeypatch):
    changes, value = NAMED[kind]
    config = {**clf.info["config"], "model": clf.info["config"]["model"] | {
        "backbone": backbone(**changes)}}  # fmt: skip
    path = save_checkpoint(tmp_path / "m.safetensors", clf.learner, {"config": config})
    opened = []

    def build(*arguments):
        opened.append(arguments)
        raise WeightsError("as far as this goes")

    monkeypatch.setattr("plp.inference.loading.build_learner", build)
    with pytest.raises(CheckpointError) as refused:
        plp.load(path, device="cpu")
    for words in (repr(value), "--pretrained FILE", "--trust-header", "trust_header=True"):
        assert words in str(refused.value)
    assert not opened
    with pytest.raises(WeightsError, match="as far as this goes"):
        plp.load(path, device="cpu", trust_header=True)
    assert len(opened) == 1
    other = {"a text tower of a repository", "a tokenizer of a repository", "a repository",
             "an image tower of timm's hub", "a folder"}  # fmt: skip
    options = check_header(Config(config), path, value)
    assert options == {"model.backbone.pretrained": value}
    if kind in other:  # weights are no word for a repository
        with pytest.raises(CheckpointError, match="asks for"):
            check_header(Config(config), path, "mine.pt")


def test_a_folder_of_downloads_is_left_alone(caplog):
    config = Config(dict(model=dict(backbone=backbone(cache_dir="/elsewhere"))))
    assert check_header(config, "x") == {"model.backbone.cache_dir": None}
    assert "'/elsewhere' (model.backbone.cache_dir), which is not used" in caplog.text
    assert check_header(config, "x", trust_header=True) == {}


def test_the_runs_own_folder_is_a_word_where_its_weights_are(trained, tiny_file, tmp_path, paths):
    result = json.loads((trained / "result.json").read_text())
    assert result["weights"] == {"path": str(tiny_file), "sha256": content_digest(tiny_file)}
    assert plp.load(trained, device="cpu").predict(paths[0])
    assert plp.load(trained / "model.safetensors", device="cpu").predict(paths[0])
    alone = shutil.copy(trained / "model.safetensors", tmp_path / "alone.safetensors")
    with pytest.raises(CheckpointError, match=r"asks for '.*tiny\.pt' \(model\.backbone\.pretr"):
        plp.load(alone, device="cpu")
    assert plp.load(alone, device="cpu", pretrained=tiny_file).predict(paths[0])


@pytest.fixture
def moved(trained, tiny_file, tmp_path):
    """A copy of the run that records other weights than its own, which are in no other place."""

    def move(**record):
        from plp.engine.result import write_result

        folder = shutil.copytree(trained, tmp_path / "run")
        result = json.loads((folder / "result.json").read_text())
        write_result(folder / "result.json", result | {"weights": record or None})
        return folder

    return move


def test_weights_that_are_gone_or_changed_are_no_word(moved, tmp_path):
    weights = tmp_path / "weights.pt"
    folder = moved(path=str(weights), sha256="0" * 64)
    with pytest.raises(CheckpointError, match=r"weights\.pt', which is not there"):
        plp.load(folder, device="cpu")
    weights.write_bytes(b"other")
    with pytest.raises(CheckpointError, match=r"no longer the same.*--trust-header"):
        plp.load(folder, device="cpu")


def test_a_folder_of_an_older_plp_needs_a_word(moved, tiny_file, paths):
    folder = moved()
    with pytest.raises(CheckpointError, match="--trust-header"):
        plp.load(folder, device="cpu")
    assert plp.load(folder, device="cpu", trust_header=True).predict(paths[0])


def test_a_relative_path_is_found_from_elsewhere(moved, tiny_file, tmp_path, monkeypatch):
    weights = shutil.copy(tiny_file, tmp_path / "here.pt")
    folder = moved(path=str(weights), sha256=content_digest(weights))
    config = load_checkpoint(folder).info["config"]
    assert check_header(Config(config), folder) == {"model.backbone.pretrained": str(weights)}


def test_a_model_of_the_transformers_library_needs_a_word(tmp_path):
    section = {"type": "TransformersBackbone", "name_or_folder": "some/one", "cache_dir": "/c"}
    assert [one.value for one in named_by(section)] == ["some/one", "/c"]
    config = Config(dict(model=dict(backbone=section | {"cache_dir": None})))
    with pytest.raises(CheckpointError, match=r"asks for 'some/one' \(model\.backbone\.name_or_"):
        check_header(config, tmp_path)
    with pytest.raises(CheckpointError, match=r"pretrained FOLDER .*name_or_folder=FOLDER\)"):
        check_header(config, tmp_path)
    assert check_header(config, tmp_path, "mine") == {"model.backbone.name_or_folder": "mine"}
    assert check_header(config, tmp_path, trust_header=True) == {}
