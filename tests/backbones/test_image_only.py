"""Image-only towers: features and preprocessing against timm's own, sources, refusals."""

import json
import logging

import pytest
import timm
import torch
from mmengine.config import Config
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf
from torch.testing import assert_close

from plp.backbones import ImageOnlyBackbone, _openclip_hub
from plp.engine.data import transform_for
from plp.errors import ConfigError, WeightsError
from plp.structures import PromptTokens
from plp.sweeps.compare.digests import config_digest
from plp.towers.points import ExtraTokens, TowerPoints

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
SMALL = dict(depth=2, embed_dim=48, num_heads=3)
DINOV2 = dict(arch="timm:vit_small_patch14_reg4_dinov2", image_size=56, model_args=SMALL)
DINOV3 = dict(arch="timm:vit_small_plus_patch16_dinov3", image_size=64, model_args=SMALL)
TINY = "timm:test_vit"


def build(**options):
    return ImageOnlyBackbone(**{"pretrained": None, **options})


def pictures(backbone, number=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(number, 3, *backbone.image_size, generator=generator)


def own_pooled(model, images):
    """timm's pooled feature, as the issue and the docs state it."""
    return model.forward_head(model.forward_features(images), pre_logits=True)


TOWERS = {
    "dinov2": (DINOV2, ("vv", "value", "tokens"), (4, 4)),
    "dinov3": (DINOV3, ("vv", "value", "tokens"), (4, 4)),
    "plain": (dict(arch=TINY, image_size=(64, 96)), ("vv", "value", "tokens"), (4, 6)),
    "distilled": (
        dict(arch="timm:deit_tiny_distilled_patch16_224", model_args=dict(depth=1)),
        ("vv", "value", "tokens"), (14, 14),
    ),
    "convnext": (dict(arch="timm:test_convnext", image_size=96), ("tokens",), (3, 3)),
    "efficientnet": (dict(arch="timm:test_efficientnet", image_size=64), ("tokens",), (2, 2)),
    "resnet": (dict(arch="timm:test_resnet"), ("tokens",), (5, 5)),
    "wider than its map": (dict(arch="timm:test_mambaout"), ("tokens",), (5, 5)),
    "no map": (dict(arch="timm:levit_128s"), (), (0, 0)),
}  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("name", TOWERS)
def test_pooled_is_timm_s_own_with_and_without_streams(name):
    options, streams, grid = TOWERS[name]
    backbone = build(**options)
    assert set(backbone.streams) == set(streams)
    images = pictures(backbone)
    expected = own_pooled(backbone.model, images)
    assert backbone.embed_dim == expected.shape[1]
    for wanted in {(), streams, streams[-1:]}:
        found = backbone.encode_image(images, wanted)
        assert_close(found.pooled, expected, **TOLERANCE)
        assert set(found.dense) == set(wanted)
    assert found.grid == grid
    for dense in found.dense.values():
        assert dense.shape == (2, grid[0] * grid[1], backbone.dense_dim)
        assert backbone.project_dense(dense).shape == (*dense.shape[:2], backbone.embed_dim)


@torch.no_grad()
@pytest.mark.parametrize("options", [DINOV2, DINOV3], ids=["dinov2", "dinov3"])
def test_pooling_can_be_chosen(options):
    """Class token, mean, both: rows of timm's own `forward_features`."""
    own, token, mean, both = (
        build(**options, pool=pool) for pool in (None, "token", "avg", "token_avg")
    )
    images = pictures(own)
    last = own.model.forward_features(images)
    first, patches = last[:, 0], last[:, own.model.num_prefix_tokens :].mean(1)
    assert own.model.num_prefix_tokens == 5
    usual = first if options is DINOV2 else patches
    for backbone, expected in (
        (own, usual), (token, first), (mean, patches), (both, torch.cat([first, patches], -1)),
    ):  # fmt: skip
        assert_close(backbone.encode_image(images).pooled, expected, **TOLERANCE)
        assert backbone.embed_dim == expected.shape[1]
    assert len({one.fingerprint for one in (own, token, mean, both)}) == 4
    found = both.encode_image(images, ["value"])
    assert both.project_dense(found.dense["value"]).shape[-1] == 2 * both.dense_dim


@torch.no_grad()
def test_class_and_mean_return_the_extra_tokens_that_are_read():
    token, both = (build(**DINOV2, pool=pool) for pool in ("token", "token_avg"))
    added = ExtraTokens({0: torch.ones(2, token.dense_dim)}, read=True)
    points = TowerPoints(extra={"mine": added})
    expected, found = (one.encode_image(pictures(one), points=points) for one in (token, both))
    assert expected.extra["mine"].shape == (2, 2, token.dense_dim)
    assert_close(found.extra["mine"], expected.extra["mine"], **TOLERANCE)


def test_random_weights_are_those_of_the_seed():
    state = torch.get_rng_state()
    one, same, other = (build(arch=TINY, image_size=32, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert not any(parameter.requires_grad for parameter in one.parameters())
    assert one.train().model.training is False


def test_there_are_no_texts():
    backbone = build(arch=TINY, image_size=32)
    assert not backbone.has_text
    with pytest.raises(ConfigError, match=r"timm:test_vit.* has no text tower.*--backbones"):
        backbone.embed_words(["a dog"])
    tokens = PromptTokens(torch.zeros(1, 1, 3, 4), torch.ones(1, 1, dtype=torch.long))
    with pytest.raises(ConfigError, match="has no text tower"):
        backbone.encode_text(tokens)
    with pytest.raises(ConfigError, match=r"expected images of 32 x 32"):
        backbone.encode_image(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ConfigError, match=r"no dense stream 'grid'"):
        backbone.encode_image(torch.zeros(1, 3, 32, 32), ["grid"])


# ---------------------------------------------------------------------------------- preprocessing


@pytest.mark.parametrize("side", [(93, 61), (61, 93), (64, 64)])
@pytest.mark.parametrize(
    "options",
    [
        dict(arch="timm:test_resnet"),  # crop_pct below 1
        DINOV2,
        dict(arch="timm:test_vit", image_size=(64, 96)),
        dict(arch="timm:vit_base_patch16_siglip_224", model_args=dict(depth=1)),
        dict(arch="timm:resnet18.a1_in1k", image_size=40),
    ],
    ids=lambda options: options["arch"],
)
def test_preprocessing_is_timm_s_own(options, side):
    backbone = build(**options)
    stated = resolve_model_data_config(backbone.model)
    size = backbone.image_size
    own = create_transform(**{**stated, "input_size": (3, *size)}, is_training=False)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (*side, 3), dtype=torch.uint8, generator=generator)
    image = Image.fromarray(pixels.numpy())
    ours = transform_for(backbone, dict(type="BackboneEval"))(image)
    found = backbone.normalise(ours[None])[0]
    assert_close(found, own(image), atol=1e-5, rtol=1e-5)


def test_border_and_squash_are_read(tmp_path):
    folder = folder_of(tmp_path, timm.create_model("test_resnet", num_classes=0))
    for mode, kind in (("border", "Letterbox"), ("squash", "Squash")):
        config = json.loads((folder / "config.json").read_text())
        config["pretrained_cfg"]["crop_mode"] = mode
        (folder / "config.json").write_text(json.dumps(config))
        backbone = ImageOnlyBackbone(str(folder))
        transform = transform_for(backbone, dict(type="BackboneEval"))
        assert type(transform).__name__ == kind
        stated = resolve_model_data_config(backbone.model)
        assert stated["crop_mode"] == mode
        image = Image.effect_noise((61, 93), 60).convert("RGB")
        own = create_transform(**stated, is_training=False)(image)
        assert_close(backbone.normalise(transform(image)[None])[0], own, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------------------------------- sources


def folder_of(tmp_path, model, safe=True):
    folder = tmp_path / "saved"
    save_for_hf(model, str(folder), safe_serialization=safe)
    return folder


@torch.no_grad()
def test_a_folder_of_timm_s_is_that_model(tmp_path):
    own = timm.create_model("test_vit", num_classes=7, img_size=48, global_pool="avg").eval()
    folder = folder_of(tmp_path, own)
    backbone = ImageOnlyBackbone(str(folder))
    assert backbone.image_size == (48, 48)
    images = pictures(backbone)
    assert_close(backbone.encode_image(images).pooled, own_pooled(own, images), **TOLERANCE)
    assert backbone.weights_file == folder / "model.safetensors"
    for prefix in ("local-dir:", "timm:"):
        assert ImageOnlyBackbone(f"{prefix}{folder}").fingerprint == backbone.fingerprint
    larger = ImageOnlyBackbone(str(folder), image_size=64)  # positions resampled by timm
    assert larger.encode_image(pictures(larger), ["tokens"]).grid == (4, 4)


def put_in_hub_cache(cache, repository, files):
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    for name, source in files.items():
        (snapshot / name).write_bytes(source.read_bytes())


@pytest.fixture
def offline(monkeypatch):
    class Unreachable:
        def head(self, url, timeout):
            raise OSError("Name or service not known")

    monkeypatch.setattr(_openclip_hub, "get_session", Unreachable)


@torch.no_grad()
def test_published_weights_are_found_in_the_hub_s_cache(tmp_path, offline):
    own = timm.create_model("test_resnet", num_classes=1000).eval()
    folder = folder_of(tmp_path, own)
    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id
    cache = tmp_path / "cache"
    weights = {"model.safetensors": folder / "model.safetensors"}
    put_in_hub_cache(cache, repository, weights)
    put_in_hub_cache(cache, "org/mine", weights | {"config.json": folder / "config.json"})
    found = [
        ImageOnlyBackbone(arch, cache_dir=cache)
        for arch in (
            "timm:test_resnet",
            "timm:test_resnet.r160_in1k",
            "hf-hub:org/mine",
            "timm:org/mine",
        )
    ]
    images = pictures(found[0])
    for backbone in found:
        assert_close(backbone.encode_image(images).pooled, own_pooled(own, images), **TOLERANCE)
    file = ImageOnlyBackbone("timm:test_resnet", folder / "model.safetensors")
    assert file.fingerprint == found[0].fingerprint


def test_weights_out_of_reach_name_the_ways_out(tmp_path, offline):
    message = (
        r"cannot get the weights timm:test_vit: not in the local cache, and .*cannot be reached"
        r".*pretrained=FILE\.safetensors.*pretrained=None"
    )
    with pytest.raises(WeightsError, match=message):
        ImageOnlyBackbone(TINY, cache_dir=tmp_path)
    with pytest.raises(WeightsError, match=r"publishes only as http.*, which is pickled"):
        ImageOnlyBackbone("timm:gcvit_xxtiny", cache_dir=tmp_path)
    with pytest.raises(
        WeightsError, match=r"publishes no weights under the name timm:vit_giant_patch14_224"
    ):
        ImageOnlyBackbone("timm:vit_giant_patch14_224", cache_dir=tmp_path)


# ------------------------------------------------------------------------------------- bad inputs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(arch="timm:vit_smal_patch14_dinov2"), r"timm has no model 'vit_smal_patch14_dinov2'"
         r"\. Near: 'vit_small_patch14_dinov2'.*'vit_small_patch14_reg4_dinov2'"),
        (dict(arch="timm:test_vit.r160_in2k"), r"no weights 'r160_in2k' of test_vit.*r160_in1k"),
        (dict(arch="vit_small_patch14_dinov2"), r"which is not a folder.*Did you mean "
         r"arch='timm:vit_small_patch14_dinov2'"),
        (dict(arch="timm:"), r"expected 'timm:NAME', .* or 'timm:FOLDER', got 'timm:'"),
        (dict(arch="timm:zzzzzz"), r"timm has no model 'zzzzzz'\. `timm.list_models\(\)` has all .*"
         r"list_models\('\*vit\*', pretrained=True\)"),
        (dict(arch=TINY, model_args=dict(dept=2)), r"timm cannot build timm:test_vit.*dept"),
        (dict(arch=TINY, model_args=dict(num_classes=2)), r"model_args: num_classes cannot be set"),
        (dict(arch=TINY, model_args=dict(pretrained_cfg={})), r"pretrained_cfg cannot be set"),
        (dict(arch=TINY, image_size=50), r"multiple of it, such as 48 x 48, got 50 x 50"),
        (dict(arch=TINY, image_size=0), r"image_size to be at least 1 pixel"),
        (dict(arch=TINY, pool="nothing"), r"pool to be None or one of token, avg.*got 'nothing'"),
        (dict(arch="timm:test_resnet", pool="token_avg"), r"pool='token' is of a class token"),
        (dict(arch="timm:test_vit2", pool="token"), r"timm:test_vit2 has none"),
        (dict(arch="timm:cait_xxs24_224", pool="token_avg"), r"of a plain vision transformer, and"),
        (dict(arch="timm:test_crossvit"), r"timm has no model"),
        (dict(arch=TINY, seed=-1), r"seed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


def test_folders_that_are_not_there_are_told_as_such(tmp_path, offline):
    for arch in ("no/such/folder", "timm:./my_folder", "timm:/no/folder", "local-dir:mine"):
        with pytest.raises(WeightsError, match=r"no folder '.*' here; expected 'timm:NAME'"):
            ImageOnlyBackbone(arch)
    taken = r"no folder 'my/folder' is here: 'timm:my/folder' was taken for a repository of the hub"
    with pytest.raises(WeightsError, match=taken):
        ImageOnlyBackbone("timm:my/folder", cache_dir=tmp_path)


def test_folders_that_are_not_timm_s_are_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match=r"has no config.json; expected a folder as timm's"):
        ImageOnlyBackbone(str(empty))
    (empty / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"cannot be read as JSON"):
        ImageOnlyBackbone(str(empty))
    (empty / "config.json").write_text(json.dumps(dict(model_type="dinov2")))
    with pytest.raises(ConfigError, match=r"transformers library \(model_type 'dinov2'\).*'timm:"):
        ImageOnlyBackbone(str(empty))
    (empty / "config.json").write_text(json.dumps(dict(architecture="test_vitt")))
    with pytest.raises(ConfigError, match=r"config.json: timm has no model 'test_vitt'. Near: "):
        ImageOnlyBackbone(str(empty))
    (empty / "config.json").write_text(json.dumps(dict(architecture="test_vit")))
    with pytest.raises(WeightsError, match=r"has no weights: expected model.safetensors"):
        ImageOnlyBackbone(str(empty))
    pickled = folder_of(tmp_path, timm.create_model("test_vit"), safe=False)
    with pytest.raises(WeightsError, match=r"pickled only \(pytorch_model.bin\).*save_for_hf"):
        ImageOnlyBackbone(str(pickled))


def test_weights_of_another_model_are_refused(tmp_path, caplog):
    folder = folder_of(tmp_path, timm.create_model("test_vit", num_classes=7))
    file = folder / "model.safetensors"
    whole = load_file(file)
    with pytest.raises(WeightsError, match=r"model.bin'|\.bin"):
        ImageOnlyBackbone(TINY, folder / "model.bin")
    with pytest.raises(WeightsError, match="does not exist"):
        ImageOnlyBackbone(TINY, folder / "other.safetensors")
    with pytest.raises(WeightsError, match=r"does not fit timm:test_vit.*size mismatch"):
        ImageOnlyBackbone(TINY, file, model_args=dict(embed_dim=48, num_heads=3))
    part = {name: value for name, value in whole.items() if "blocks.1." not in name}
    save_file(part, file)
    with pytest.raises(WeightsError, match=r"tensors of \d+ are missing \(blocks\.1\."):
        ImageOnlyBackbone(str(folder))
    save_file({**whole, "blocks.9.norm1.weight": torch.ones(64)}, file)
    with caplog.at_level(logging.WARNING, logger="plp"):
        ImageOnlyBackbone(str(folder))
    assert "1 tensor of" in caplog.text
    assert "blocks.9.norm1.weight" in caplog.text
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(WeightsError, match=r"damaged or not a file of safetensors"):
        ImageOnlyBackbone(str(folder))


def test_the_key_of_a_run_follows_the_content_of_a_folder(tmp_path):
    folder = folder_of(tmp_path, timm.create_model("test_vit", num_classes=0))
    config = Config(dict(model=dict(backbone=dict(type="ImageOnlyBackbone", arch=str(folder)))))
    before = config_digest(config)
    (folder / "notes.txt").write_text("of no meaning")
    assert config_digest(config) == before
    save_file(load_file(folder / "model.safetensors") | {"more": torch.ones(1)},
              folder / "model.safetensors")  # fmt: skip
    changed = config_digest(config)
    config.model.backbone.arch = f"timm:{folder}"
    assert before != changed == config_digest(config)
