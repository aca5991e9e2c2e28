"""Every method trains and predicts on transformers' models, from folders as they lie on the hub."""

import pytest
from backbones.hf_folders import CASES, write_model
from representatives import slow_but
from towers.method_steps import METHODS, STREAMS, check_method

from plp.backbones import TransformersBackbone


@pytest.fixture(scope="module", params=slow_but(("siglip",), CASES))
def backbone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_model(request.param, folder)
    return TransformersBackbone(folder)


@pytest.mark.parametrize("method", METHODS)
def test_method_learns_and_predicts(root, backbone, method):
    check_method(root / "configs" / method / "vitb16_16shot.py", backbone, method)


def test_all_streams_are_there_but_on_aligns_map(backbone):
    missing = set(STREAMS.values()) - set(backbone.streams)
    assert missing == ({"vv", "value"} if "Align" in type(backbone.model).__name__ else set())
