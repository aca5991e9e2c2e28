"""`--backbone NAME` in a config: what changes, what stays, and what cannot go with it."""

from pathlib import Path

import pytest
from representatives import slow_but

from plp.config.backbone_choice import backbone_notes, folder_part, named_backbone
from plp.config.choices import Choices
from plp.config.load import choose, load_config
from plp.config.paths import config_folder, known_methods
from plp.errors import ConfigError, PlpError, WeightsError
from plp.zoo import ENTRIES, find_backbone, label_of

CONFIGS = [
    f"{method}/{stem}" for method, stems in known_methods(config_folder()).items() for stem in stems
]

NAMES = ("vit-b32", "rn50", "convnext-b", "lite", "hf-hub:some/model")


def by_default(config, name):
    """Every config with a backbone of fewer streams, and two with all backbones."""
    return name == "rn50" or config in ("gallop/vitb16_16shot", "sotglp/lite_16shot")


def chosen(config, name, **options):
    options = {key.replace("__", "."): value for key, value in options.items()}
    return choose(load_config(config), Choices("textile", backbone=name, options=options))[0]


@pytest.mark.parametrize(
    ("config", "name"),
    slow_but(
        [(config, name) for config in CONFIGS for name in NAMES if by_default(config, name)],
        [(config, name) for config in CONFIGS for name in NAMES],
    ),
)
def test_nothing_but_the_backbone_and_its_streams_changes(config, name):
    before = choose(load_config(config), Choices("textile"))[0].to_dict()
    after = chosen(config, name).to_dict()
    named = find_backbone(name)
    assert label_of(after["model"]["backbone"]) == named.label
    del before["model"]["backbone"], after["model"]["backbone"]
    for part in ("branches", "references"):
        for key, branch in (after["model"].get(part) or {}).items():
            own = before["model"][part][key]
            stream, wanted = branch.pop("stream", None), own.pop("stream", None)
            if stream != wanted:
                assert wanted not in named.streams
                assert stream == ("grid" if name == "lite" else "tokens")
    assert after == before


@pytest.mark.parametrize(
    ("config", "name", "stream"),
    [
        ("sotglp/vitb16_16shot", "siglip2-b16", "vv"),
        ("sotglp/vitb16_16shot", "rn50", "tokens"),
        ("sotglp/vitb16_16shot", "lite", "grid"),
        ("sotglp/lite_16shot", "siglip2-b16", "tokens"),
        ("gallop/vitb16_16shot", "rn50", "value"),
        ("gallop/vitb16_16shot", "mobileclip2-s0", "tokens"),
        ("gallop/vitb16_16shot", "hf-hub:some/model", "value"),
        ("gallop/lite_16shot", "hf-hub:some/model", "tokens"),
    ],
)
def test_streams(config, name, stream):
    assert chosen(config, name).model.branches.local.stream == stream
    if ":" in name:  # what is asked for wins
        asked = chosen(config, name, model__branches__local__stream="mine")
        assert asked.model.branches.local.stream == "mine"
    else:
        with pytest.raises(ConfigError, match="has no dense stream 'mine'"):
            chosen(config, name, model__branches__local__stream="mine")


def test_what_the_method_asks_of_open_clips_towers_stays():
    paper = chosen("sotglp/vitb16_16shot_paper", "eva02-b16").model.backbone.to_dict()
    assert paper == ENTRIES["eva02-b16"].config | {"alias_first_block": False}
    assert "alias_first_block" not in chosen("sotglp/vitb16_16shot_paper", "lite").model.backbone


@pytest.mark.parametrize("name", ["vit-b16", "ViT-B-16:openai", "ViT-B/16:OpenAI"])
def test_a_configs_own_backbone_changes_nothing(name):
    plain = choose(load_config("sotglp/vitb16_16shot"), Choices("textile"))[0]
    assert chosen("sotglp/vitb16_16shot", name).to_dict() == plain.to_dict()
    choices = Choices(backbone=name)
    assert named_backbone(load_config("sotglp/vitb16_16shot"), choices) is None
    assert backbone_notes(load_config("sotglp/vitb16_16shot"), choices) == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model.backbone.arch": "RN50"}, r"vit-b16 says which backbone, .*backbone\.arch another"),
        ({"model.backbone.type": "LiteBackbone"}, r"backbone\.type another: leave one out"),
        ({"model.backbone": {"type": "LiteBackbone"}}, "--cfg-options model.backbone another"),
        ({"model.backbone.model_config.embed_dim": 3}, "model_config.embed_dim another"),
        ({"model.backbone.pretrained": "dfn2b"}, r"which weights \(openai\)"),
    ],
)
def test_options_that_name_another_backbone(options, message):
    with pytest.raises(ConfigError, match=message):
        choose(load_config("coop"), Choices("textile", backbone="vit-b16", options=options))


def test_options_that_fit(tmp_path):
    file = tmp_path / "mine.pt"
    file.write_bytes(b"x")
    options = {"model.backbone.pretrained": str(file), "model.backbone.image_size": 256,
               "model.backbone.arch": "ViT-B-16"}  # fmt: skip
    choices = Choices("textile", backbone="vit-b16", options=options)
    config = choose(load_config("coop"), choices)[0]
    expected = {"type": "OpenCLIPBackbone", "arch": "ViT-B-16", "pretrained": str(file)}
    assert config.model.backbone.to_dict() == expected | {"image_size": 256}
    named = named_backbone(load_config("coop"), choices)
    assert named.label == "ViT-B-16:mine.pt"
    other = named_backbone(load_config("coop"), Choices(backbone=f"ViT-B-16:/other/{file.name}"))
    assert folder_part(named) != folder_part(other)


def test_two_folders_of_one_base_name_have_folders_of_their_own(tmp_path):
    found = []
    for parent in ("a", "b"):
        folder = tmp_path / parent / "model"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        found.append(folder_part(find_backbone(f"transformers:{folder}")))
    assert found[0] != found[1]
    assert all(part.startswith("@transformers_model-") for part in found)


def test_notes_say_what_stays_and_which_streams_are_others():
    lines = backbone_notes(load_config("sotglp"), Choices(backbone="siglip2-b16"))
    assert "the other settings are the config's, which were chosen for lite" in lines[0]
    assert "model.branches.local looks at 'tokens' in place of 'grid'" in lines[1]
    assert len(backbone_notes(load_config("coop"), Choices(backbone="siglip2-b16"))) == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("arch", "ViT-B16", r"'ViT-B16' is none of open_clip's models\. Did you mean 'ViT-B-16'"),
        ("arch", "siglip-b16", "take --backbone siglip-b16"),
        ("pretrained", "webli", "It is a tag of ViT-B-16-SigLIP"),
        ("pretrained", "/no/such.pt", "does not exist"),
    ],
)
def test_names_of_a_config_are_checked_before_anything_is_built(key, value, message):
    options = {f"model.backbone.{key}": value}
    with pytest.raises(PlpError, match=message):
        choose(load_config("coop/vitb16_16shot"), Choices("textile", options=options))


def test_a_name_inside_of_a_config_file_is_checked(tmp_path):
    base = config_folder() / "coop/vitb16_16shot.py"
    path = Path(tmp_path / "mine.py")
    path.write_text(f"_base_ = {str(base)!r}\nmodel = dict(backbone=dict(pretrained='opnai'))\n")
    with pytest.raises(WeightsError, match="Did you mean 'openai'"):
        choose(load_config(path), Choices("textile"))
