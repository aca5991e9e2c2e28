"""Every method, built from its own config, trains and predicts on the smallest of each family."""

import pytest
from representatives import slow_but
from towers.family_cases import FAMILIES, FEW, build_family
from towers.method_steps import METHODS, check_method


@pytest.fixture(scope="module", params=slow_but(FEW, FAMILIES))
def backbone(request, tmp_path_factory):
    return build_family(request.param, tmp_path_factory.mktemp("family"))


@pytest.mark.parametrize("method", METHODS)
def test_method_learns_and_predicts(root, backbone, method):
    check_method(root / "configs" / method / "vitb16_16shot.py", backbone, method)


def test_a_method_without_its_stream_is_refused_somewhere():
    assert {"ConvNeXt", "Swin", "MobileCLIP2", "CLIP, ResNet"} < set(FAMILIES)
