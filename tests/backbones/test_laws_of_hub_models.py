"""The contract of backbones over every model of the transformers library that is read."""

import pytest
from backbones.hf_folders import CASES, FEW, write_model
from representatives import slow_but

from plp.backbones.transformers import TransformersBackbone
from plp.testing.backbone_laws import BACKBONE_LAWS


@pytest.fixture(scope="module", params=slow_but(FEW, CASES))
def backbone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_model(request.param, folder)
    return TransformersBackbone(folder)


@pytest.mark.parametrize("law", BACKBONE_LAWS)
def test_hub_models_keep_the_laws(backbone, law):
    BACKBONE_LAWS[law](backbone)
