import pytest
import torch

from plp.backbones.lite import LiteBackbone
from plp.errors import ConfigError


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return LiteBackbone(cache_dir=tmp_path_factory.mktemp("cache"))


def test_stream_it_does_not_have(backbone):
    with pytest.raises(ConfigError, match="no transformer"):
        backbone.encode_image(torch.zeros(1, 3, 64, 64), ["vv"])
