"""A learned projection: on features that are kept, on a tower without one, refused elsewhere."""

import pytest
import torch
from tiny_runs import CLASSES, make_photos
from torch.nn import functional as F
from torch.testing import assert_close

import plp
from plp.backbones import LiteBackbone, OpenCLIPBackbone
from plp.config.choices import Choices
from plp.engine.data import build_loaders
from plp.engine.setup import set_up
from plp.errors import ConfigError
from plp.tuners import TrainableProjection
from plp.tuners.collection import Tuners

NAMES = ("cat", "red fox")
WEIGHT = "tuners.projection.weight"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos") / "insects", dict.fromkeys(CLASSES, 8))


@pytest.fixture(scope="module")
def lite():
    return LiteBackbone()


@pytest.fixture
def learner(root, lite):
    return plp.build_learner(root / "configs/prolip/lite_16shot.py", NAMES)


@pytest.fixture(scope="module")
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=generator)


def stirred(learner):
    with torch.no_grad():
        learner.get_parameter(WEIGHT).add_(0.01 * torch.randn(1280, 1280))
    return learner


def test_on_lite_it_is_a_matrix_on_the_pooled_feature(learner, pixels):
    for row in learner.predict(pixels):
        assert_close(row["logits"], row["zero_shot"])
    stirred(learner)
    features = learner.backbone.encode_image(learner.backbone.normalise(pixels))
    text = F.normalize(learner.encode_text()["global"][:, 0], dim=-1)
    images = F.normalize(features.pooled @ learner.get_parameter(WEIGHT).T, dim=-1)
    for row, image, plain in zip(learner.predict(pixels), images, features.pooled, strict=True):
        assert_close(row["logits"], 30 * text @ image, rtol=1e-4, atol=1e-4)
        zero_shot = 30 * text @ F.normalize(plain, dim=-1)
        assert_close(row["zero_shot"], zero_shot, rtol=1e-4, atol=1e-4)


def test_features_are_changed_once(learner, pixels):
    stirred(learner)
    raw = learner.backbone.encode_image(learner.backbone.normalise(pixels))
    once = learner.encode_image(raw)
    assert not torch.allclose(once.pooled, raw.pooled)
    assert torch.equal(learner.encode_image(once).pooled, once.pooled)
    assert torch.equal(once.untuned.pooled, raw.pooled)
    assert_close(learner.encode_image(pixels).pooled, once.pooled)


@pytest.mark.parametrize("keep", ["data.cache_features", "data.feature_cache"])
def test_kept_features_are_those_of_the_frozen_tower(root, learner, keep, tmp_path):
    stirred(learner)  # as where a run is resumed
    options = {"data.num_workers": 0, "data.cache_features": False}
    options[keep] = True if keep == "data.cache_features" else str(tmp_path)
    setup = set_up(root / "configs/prolip/lite_16shot.py", Choices(shots=1, options=options), "cpu")
    loaders = build_loaders(setup.few, setup.options, learner, 1, parts=("train",))
    (batch,) = loaders.train
    first = int(batch["indices"][0])
    image = setup.few.train[first]
    source = loaders.train.dataset
    assert image.label == int(batch["labels"][0])
    assert type(source).__name__ == "FeatureDataset"
    found = learner.encode_image(batch["images"])
    assert_close(found.pooled, batch["images"].pooled @ learner.get_parameter(WEIGHT).T)


def test_its_penalty_is_part_of_the_loss(learner, pixels):
    losses = learner.loss(pixels, torch.tensor([0, 1]))
    assert set(losses) == {"loss_global", "loss_projection"}
    assert losses["loss_projection"].item() == 0
    moved = stirred(learner).get_parameter(WEIGHT) - torch.eye(1280)
    found = learner.loss(pixels, torch.tensor([0, 1]))["loss_projection"]
    assert_close(found, moved.square().sum() / 16)
    found.backward()
    assert_close(learner.get_parameter(WEIGHT).grad, moved.detach() / 8, rtol=1e-4, atol=1e-7)


def test_a_tower_without_one_matrix_is_refused(lite):
    tower = dict(width=64, layers=1, head_width=32)
    config = dict(
        embed_dim=32,
        vision_cfg=dict(image_size=32, layers=(1, 1, 1, 1), width=16),
        text_cfg=dict(width=64, layers=1, heads=1),
    )
    resnet = OpenCLIPBackbone("tiny", None, model_config=config)
    with pytest.raises(
        ConfigError, match=r"learns the joint projection of an image tower: .*ResNet"
    ):
        TrainableProjection(backbone=resnet)
    pooled = dict(config, vision_cfg=dict(**tower, image_size=32, patch_size=16))
    transformer = OpenCLIPBackbone("tiny", None, model_config=pooled)
    assert TrainableProjection(backbone=transformer).weight.shape == (32, 64)
    transformer.model.visual.proj = None
    with pytest.raises(ConfigError, match=r"has no such matrix\. It has: blocks\.0\.fc1"):
        TrainableProjection(backbone=transformer)
    with pytest.raises(ConfigError, match="expected penalty to be a finite number >= 0, got -1"):
        TrainableProjection(penalty=-1.0, backbone=lite)


def test_switched_off_it_leaves_a_tower_as_it_is():
    tower = dict(width=64, layers=2, head_width=32)
    config = dict(
        embed_dim=32,
        vision_cfg=dict(**tower, image_size=32, patch_size=16),
        text_cfg=dict(width=64, layers=1, heads=1),
    )
    backbone = OpenCLIPBackbone("tiny", None, model_config=config)
    tuners = Tuners({"projection": dict(type="TrainableProjection")}, backbone, {}, 2)
    images = torch.randn(2, 3, 32, 32)
    tuned = backbone.encode_image(images, (), tuners.image_points()).pooled
    assert_close(tuned, backbone.encode_image(images).pooled, rtol=0, atol=1e-6)
    assert backbone.inside("image").first_reached(tuners.image_points()) == 2


def test_a_name_of_its_own(root):
    options = {"model.tuners.global": dict(type="TrainableProjection")}
    with pytest.raises(ConfigError, match="a tuner cannot be called 'global': there is a loss"):
        plp.build_learner(root / "configs/prolip/lite_16shot.py", NAMES, options)


def test_on_clip_images_are_kept_in_front_of_the_projection(root, tiny_options, photos):
    options = tiny_options | {"data.num_workers": 0, "data.views": 2}
    choices = Choices("folder", str(photos), shots=2, options=options)
    setup = set_up(root / "configs/prolip/vitb16_16shot.py", choices, "cpu")
    learner = plp.build_learner(setup.config, setup.few.class_names)
    with torch.no_grad():
        learner.get_parameter(WEIGHT).add_(0.1 * torch.randn(64, 128))
    loaders = build_loaders(setup.few, setup.options, learner, 1, parts=("train",))
    (batch,) = loaders.train
    assert len(batch["labels"]) == len(setup.few.train), "all shots in one step"
    start = batch["images"].start
    assert start.tokens.shape == (len(setup.few.train), 1, 128), "the class token alone"
    losses = learner(batch["images"], batch["labels"], mode="loss")
    sum(losses.values()).backward()
    assert learner.get_parameter(WEIGHT).grad.abs().max() > 0
    found, raw = learner.encode_image(batch["images"]), batch["images"].frozen
    assert_close(found.untuned.pooled, raw.pooled)
    matrix = learner.get_parameter(WEIGHT)
    hidden = learner.backbone.model.visual.ln_post(start.tokens[:, 0])
    assert_close(found.pooled, hidden @ matrix.T, rtol=1e-4, atol=1e-5)
