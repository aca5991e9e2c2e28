"""Streams that a backbone lacks are refused from the config alone, as the backbone itself would."""

import pytest

from plp.config.choices import Choices
from plp.config.load import choose, load_config
from plp.errors import ConfigError
from plp.zoo.check import check_backbone
from plp.zoo.streams import check_model_streams, known_streams
from plp.zoo.table import ENTRIES

TINY = dict(embed_dim=8, vision_cfg=dict(layers=[1, 1, 1, 1]), text_cfg={})


def test_known_streams_by_kind():
    assert known_streams(dict(type="OpenCLIPBackbone")) == ("tokens", "value", "vv")
    assert known_streams(dict(type="LiteBackbone")) == ("grid",)
    assert known_streams(dict(type="OpenCLIPBackbone", arch="mine", model_config=TINY)) == (
        "tokens",
        "value",
    )
    for entry in ENTRIES.values():
        assert known_streams(entry.config) == entry.streams, entry.name
    unknown = (
        dict(type="OpenCLIPBackbone", arch="local-dir:/x"),
        dict(type="ImageOnlyBackbone", arch="timm:deit_tiny_patch16_224"),
        dict(type="MyBackbone"),
        None,
    )
    for backbone in unknown:
        assert known_streams(backbone) == ()
        check_model_streams(dict(backbone=backbone, branches=dict(a=dict(stream="any"))))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model.branches.local.stream": "vvv"}, "Did you mean 'vv'?"),
        (
            {"model.backbone.arch": "RN50"},
            "model.branches.local asks for a dense stream: rn50 has no dense stream 'vv'. Its "
            "dense streams: 'tokens', 'value'. Set model.branches.local.stream to one",
        ),
    ],
)
def test_a_config_is_refused_before_anything_is_built(options, told):
    with pytest.raises(ConfigError) as error:
        choose(load_config("sotglp/vitb16_16shot"), Choices(dataset="textile", options=options))
    assert told in str(error.value)


def test_an_arch_that_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="an argument of its own"):
        check_backbone(dict(type="OpenCLIPBackbone", arch=["tiny x=1"], model_config=TINY))


def test_every_config_looks_at_streams_that_there_are(root):
    looked = 0
    for path in (root / "configs").glob("*/*.py"):
        if path.parent.name != "_base_":
            model = load_config(path).model
            check_model_streams(model)
            looked += bool(known_streams(model.backbone))
    assert looked > 50
