"""Inputs that are not square, or not of the training's size, in each kind of tower."""

import numpy as np
import pytest
import torch
from open_clip.model import resize_pos_embed
from safetensors.torch import save_file
from unchecked import as_installed

from plp.backbones import LiteBackbone, OpenCLIPBackbone
from plp.errors import ConfigError

TEXT = dict(width=32, layers=1, heads=1, vocab_size=49408, context_length=16)
TIMM = dict(timm_model_name="vit_tiny_patch16_224", timm_pool="", timm_proj="linear")
VISION = {
    "open_clip": dict(image_size=64, patch_size=16, width=64, layers=2, head_width=32),
    "timm": dict(TIMM, image_size=224),
    "timm, map": dict(TIMM, timm_pool="map", timm_proj="none", image_size=224),
    "eva": dict(TIMM, timm_model_name="eva02_tiny_patch14_224", timm_pool="token", image_size=224),
    "convolutional": dict(TIMM, timm_model_name="convnext_atto", timm_pool="avg", image_size=224),
}


def backbone_of(tower, image_size=None, pretrained=None, **more):
    config = dict(embed_dim=16, vision_cfg={**VISION[tower], **more}, text_cfg=TEXT)
    return OpenCLIPBackbone(
        "tiny", pretrained, quick_gelu=False, model_config=config, image_size=image_size
    )


@pytest.mark.parametrize("tower", VISION)
def test_features_of_a_wide_image_are_the_librarys(tower):
    size = (56, 112) if tower == "eva" else (64, 96)
    backbone = backbone_of(tower, size)
    assert (backbone.image_size, backbone.preprocessing.size) == (size, size)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    features = backbone.encode_image(images, backbone.streams)
    with torch.no_grad():
        torch.testing.assert_close(
            features.pooled, backbone.model.encode_image(images), rtol=1e-5, atol=1e-5
        )
    patch = {"eva": 14, "convolutional": 32}.get(tower, 16)
    assert features.grid == (size[0] // patch, size[1] // patch)
    for name in backbone.streams:
        assert features.dense[name].shape[1] == features.grid[0] * features.grid[1]
    if tower in ("open_clip", "timm"):  # rows come first: what a patch shows stands in its place
        moved = images.clone()
        moved[:, :, 16:32, 32:48] += 1.0
        change = backbone.encode_image(moved, ["tokens"]).dense["tokens"] - features.dense["tokens"]
        assert change.norm(dim=-1).argmax(1).tolist() == [1 * 6 + 2] * 2


@pytest.mark.parametrize("tower", ["open_clip", "timm", "convolutional"])
def test_a_turned_batch_is_refused_by_height_and_width(tower):
    """open_clip takes it without a word, for it has as many patches."""
    backbone = backbone_of(tower, (64, 96))
    said = r"expected images of 64 x 96 pixels \(height x width\), got 96 x 64"
    with pytest.raises(ConfigError, match=said):
        backbone.encode_image(torch.zeros(1, 3, 96, 64))


def test_a_config_may_be_wide_by_itself():
    backbone = backbone_of("open_clip", **{"image_size": [32, 64]})
    assert backbone.image_size == (32, 64)
    assert "image_size=(32, 64)" in repr(backbone)


def test_positions_are_interpolated_to_both_sides(tmp_path):
    square = backbone_of("open_clip")
    state = {name: tensor.clone() for name, tensor in square.model.state_dict().items()}
    file = tmp_path / "weights.safetensors"
    save_file(state, file)
    wide = backbone_of("open_clip", (32, 96), str(file))
    resize_pos_embed(state, wide.model)
    expected = state["visual.positional_embedding"]
    assert expected.shape == (2 * 6 + 1, 64)
    torch.testing.assert_close(wide.model.visual.positional_embedding.detach(), expected)


def test_weights_of_timm_towers_are_read_before_their_size_changes(tmp_path):
    """As in open_clip: timm interpolates the positions it has."""
    square = backbone_of("timm")
    file = tmp_path / "weights.safetensors"
    save_file({k: v.clone() for k, v in square.model.state_dict().items()}, file)
    wide = backbone_of("timm", (64, 96), str(file))
    square.model.visual.set_input_size((64, 96))
    torch.testing.assert_close(
        wide.model.visual.trunk.pos_embed, square.model.visual.trunk.pos_embed
    )


def test_sizes_of_squares_are_told_as_ever():
    """Fingerprints and caches of square models hang on it."""
    one, two = backbone_of("open_clip"), backbone_of("open_clip", 64)
    assert one._image_options == two._image_options == (True, False, 64)
    assert one.fingerprint == backbone_of("open_clip", (64, 64)).fingerprint
    assert one.fingerprint != backbone_of("open_clip", (32, 128)).fingerprint


def test_a_resnet_takes_squares():
    tower = dict(image_size=64, layers=[1, 1, 1, 1], width=16, patch_size=None)
    config = dict(embed_dim=16, vision_cfg=tower, text_cfg=TEXT)
    with pytest.raises(ConfigError, match=r"ResNets take square images.*got 64 x 96"):
        OpenCLIPBackbone("tiny", None, model_config=config, image_size=(64, 96))
    assert OpenCLIPBackbone("tiny", None, model_config=config, image_size=96).image_size[1] == 96


@pytest.mark.parametrize("size", [(64,), (64, 96, 3), (64, 9.5), (0, 64)])
def test_what_is_no_size_is_refused(size, monkeypatch):
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigError, match="expected image_size"):
        backbone_of("open_clip", size)


@pytest.mark.parametrize("size", [(64, 96)])
def test_the_lite_backbone_too(size):
    backbone = LiteBackbone(image_size=size)
    images = backbone.normalise(torch.zeros(1, 3, *size, dtype=torch.uint8))
    assert backbone.encode_image(images).grid == (2, 3)
    with pytest.raises(ConfigError, match="multiple of 32, got 65"):
        LiteBackbone(image_size=(64, 65))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(3, 64, 64), r"got the shape \[3, 64, 64\]\. A single image is images\[None\]"),
        (torch.zeros(2, 1, 64, 64), r"\[B, 3, H, W\], got the shape \[2, 1, 64, 64\]$"),
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), r"got torch\.uint8\. .*backbone\.normalise"),
        (np.zeros((2, 3, 64, 64), np.float32), r"in a tensor, got ndarray\. torch\.from_numpy"),
    ],
)
@pytest.mark.parametrize("kind", ["open_clip", "lite"])
def test_what_is_no_batch_of_normalised_images_is_refused(kind, images, said):
    backbone = LiteBackbone(64) if kind == "lite" else backbone_of("open_clip")
    with as_installed(), pytest.raises(ConfigError, match=f"expected normalised floats.*{said}"):
        backbone.encode_image(images)


@pytest.mark.parametrize("kind", ["open_clip", "lite"])
def test_a_text_in_place_of_prompts_is_told_what_takes_texts(kind):
    backbone = LiteBackbone(64) if kind == "lite" else backbone_of("open_clip")
    said = r"expected PromptTokens .*, got 'a photo'\. .*plp\.load\(\.\.\.\)\.predict.*embed_words"
    with as_installed(), pytest.raises(ConfigError, match=said):
        backbone.encode_text("a photo")


def test_image_size_is_advised_where_the_backbone_takes_it():
    class Fixed(OpenCLIPBackbone):
        def __init__(self):
            config = dict(embed_dim=16, vision_cfg=VISION["open_clip"], text_cfg=TEXT)
            super().__init__("tiny", None, quick_gelu=False, model_config=config)

    for backbone, advised in (backbone_of("open_clip"), True), (Fixed(), False):
        with pytest.raises(ConfigError, match="Resize them") as caught:
            backbone.encode_image(torch.zeros(1, 3, 32, 32))
        assert ("build the backbone with image_size" in str(caught.value)) == advised
