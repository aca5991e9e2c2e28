"""The methods without texts train and predict on image-only towers; the others are refused."""

import pytest
from representatives import slow_but
from towers.method_steps import METHODS, WITHOUT_TEXTS, check_method, learner_of

from plp.backbones import ImageOnlyBackbone
from plp.errors import ConfigError

SMALL = dict(depth=2, embed_dim=48, num_heads=3)
TOWERS = {
    "dinov2": dict(arch="timm:vit_small_patch14_reg4_dinov2", image_size=56, model_args=SMALL),
    "dinov3": dict(arch="timm:vit_small_plus_patch16_dinov3", image_size=64, model_args=SMALL),
    "class token and mean": dict(arch="timm:test_vit", image_size=32, pool="token_avg"),
    "convnext": dict(arch="timm:test_convnext", image_size=96),
    "no map": dict(arch="timm:levit_128s"),
}


@pytest.fixture(scope="module", params=slow_but(("dinov2",), TOWERS))
def backbone(request):
    return ImageOnlyBackbone(pretrained=None, **TOWERS[request.param])


@pytest.mark.parametrize("method", WITHOUT_TEXTS)
def test_method_learns_and_predicts(root, backbone, method):
    check_method(root / "configs" / method / "dinov2_s14_16shot.py", backbone, method)


@pytest.mark.parametrize("method", [one for one in METHODS if one not in WITHOUT_TEXTS])
def test_method_of_texts_is_refused(root, backbone, method):
    with pytest.raises(ConfigError, match=r"needs? a text tower; timm:\w+:random has none"):
        learner_of(root / "configs" / method / "vitb16_16shot.py", backbone, method)
