"""Models of the transformers library: features, gradients and probabilities are the library's."""

import logging

import pytest
import torch
from backbones.hf_folders import CASES, FEW, SIDE, write_model
from PIL import Image
from representatives import slow_but
from torch.nn import functional as F
from torch.testing import assert_close
from transformers import AutoImageProcessor, AutoTokenizer

from plp.backbones import OpenCLIPBackbone, TransformersBackbone
from plp.learners.class_names import name_tokens
from plp.prompts import ClassContext, SharedContext, TemplatePrompt
from plp.transforms.backbone_eval import backbone_eval

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
PADDED = ("siglip", "siglip2")
NAMES = ["ox", "kite (bird)", "great grey owl", "ox."]
TEMPLATE = "a pic of a {}."
LONG = "great grey owl of a kind that has such a long name that no text tower has a place for it"


@pytest.fixture(scope="module", params=slow_but(FEW, CASES))
def both(request, tmp_path_factory):
    """A model of a family, its tokenizer, and the backbone of its folder."""
    folder = tmp_path_factory.mktemp("model")
    model = write_model(request.param, folder)
    return model, AutoTokenizer.from_pretrained(folder), TransformersBackbone(folder)


def ids_of(model, tokenizer, sentences):
    """Lay texts out as the library's processors do: SigLIP's padded to the end, without a mask."""
    kind = model.config.model_type
    length = min(tokenizer.model_max_length, model.config.text_config.max_position_embeddings)
    how = {"padding": "max_length", "max_length": length} if kind in PADDED else {"padding": True}
    ids = tokenizer(
        sentences, return_tensors="pt", truncation=True, **{"max_length": length, **how}
    )
    return {"input_ids": ids.input_ids} if kind in PADDED else dict(ids)


def own(model, tokenizer, sentences):
    return model.get_text_features(**ids_of(model, tokenizer, sentences)).pooler_output


def filled(backbone, template, names):
    tokens = name_tokens(names, backbone.embed_words)
    return TemplatePrompt([template], embed_words=backbone.embed_words)(tokens)


def pixels(backbone, number=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(number, 3, *backbone.image_size, generator=generator)


def own_image_features(model, images):
    return model.get_image_features(**inputs_of(model, images)).pooler_output


def inputs_of(model, images):
    """NaFlex takes patches: rows of pixels with their channels last."""
    if model.config.model_type != "siglip2":
        return {"pixel_values": images}
    patch = model.config.vision_config.patch_size
    rows = images.shape[-1] // patch
    patches = torch.stack([
        torch.stack([
            image[:, r * patch : (r + 1) * patch, c * patch : (c + 1) * patch]
            .movedim(0, -1).flatten()
            for r in range(rows) for c in range(rows)
        ])
        for image in images
    ])  # fmt: skip
    shapes = torch.tensor([[rows, rows]] * len(images))
    mask = torch.ones(patches.shape[:2], dtype=torch.long)
    return {"pixel_values": patches, "pixel_attention_mask": mask, "spatial_shapes": shapes}


@torch.no_grad()
@pytest.mark.parametrize("names", [NAMES, NAMES[:1], NAMES[2:]], ids=len)
@pytest.mark.parametrize("template", [TEMPLATE, "a {}", "{}."])
def test_templates_give_the_librarys_own_features(both, template, names):
    model, tokenizer, backbone = both
    found = backbone.encode_text(filled(backbone, template, names))[:, 0]
    expected = own(model, tokenizer, [template.format(name) for name in names])
    assert found.shape == (len(names), backbone.embed_dim)
    assert_close(found, expected, **TOLERANCE)


@torch.no_grad()
def test_a_text_that_is_too_long_is_cut_as_the_tokenizer_cuts_it(both):
    model, tokenizer, backbone = both
    found = backbone.encode_text(filled(backbone, "a pic of a {}", [LONG, "ox"]))[:, 0]
    assert_close(found, own(model, tokenizer, ["a pic of a " + LONG, "a pic of a ox"]), **TOLERANCE)


def test_a_name_that_plp_cuts_is_not_also_the_librarys_to_warn_of(tmp_path, caplog):
    write_model("clip", tmp_path)
    backbone = TransformersBackbone(tmp_path)
    library = logging.getLogger("transformers")
    with caplog.at_level(logging.WARNING, logger="transformers"):
        library.addHandler(caplog.handler)
        try:
            filled(backbone, TEMPLATE, [LONG, "ox"])
            assert "longer than the specified" not in caplog.text
            AutoTokenizer.from_pretrained(tmp_path)(LONG)  # whoever calls it himself is still told
        finally:
            library.removeHandler(caplog.handler)
    assert "longer than the specified" in caplog.text


@torch.no_grad()
def test_a_context_that_starts_as_words_gives_the_same_features(both):
    model, tokenizer, backbone = both
    prompt = SharedContext(
        1, words="a pic of a", suffix=".", embed_words=backbone.embed_words, num_classes=len(NAMES),
        token_dim=backbone.token_dim,
    )  # fmt: skip
    found = backbone.encode_text(prompt(name_tokens(NAMES, backbone.embed_words)))[:, 0]
    assert_close(found, own(model, tokenizer, [TEMPLATE.format(n) for n in NAMES]), **TOLERANCE)


def test_gradients_of_embeddings_are_those_through_the_librarys_modules(both):
    """A hook puts the vectors in the place of looked-up ones, inside the library's own forward."""
    model, _, backbone = both
    kind = model.config.model_type
    prompt = ClassContext(
        1, num_tokens=3, suffix=".", embed_words=backbone.embed_words, num_classes=2,
        token_dim=backbone.token_dim,
    )  # fmt: skip
    prompts = prompt(name_tokens(["ox", "great owl"], backbone.embed_words))
    assert prompts.embeddings.requires_grad
    weight = torch.randn(2, backbone.embed_dim, generator=torch.Generator().manual_seed(2))
    (backbone.encode_text(prompts)[:, 0] * weight).sum().backward()
    found = prompt.context.grad.clone()

    prompt.context.grad = None
    whole = prompt(name_tokens(["ox", "great owl"], backbone.embed_words))
    frame, lengths = backbone._text.tokens.frame, whole.end[:, 0] + 1
    places = model.config.text_config.max_position_embeddings if kind in PADDED else lengths.max()
    real = torch.arange(int(places)) < lengths[:, None]
    ids = torch.where(real, backbone._text.tokens.ids("x")[-1], frame.pad)
    ids[range(2), whole.end[:, 0]] = frame.end[0]  # where the library looks for it
    mask = {} if kind in PADDED else {"attention_mask": real.long()}

    def put_in(module, arguments, output):
        padded = F.pad(whole.embeddings[:, 0], (0, 0, 0, int(places)))[:, : int(places)]
        return torch.where(real[..., None], padded, output)

    (table,) = (  # some releases of the library do not hand it on from inside the whole model
        module
        for name, module in model.text_model.named_modules()
        if name.endswith(("token_embedding", "word_embeddings"))
    )
    handle = table.register_forward_hook(put_in)
    try:
        features = model.get_text_features(input_ids=ids, **mask).pooler_output
    finally:
        handle.remove()
    (features * weight).sum().backward()
    assert bool(found.abs().sum() > 0)
    assert_close(found, prompt.context.grad, **TOLERANCE)


@torch.no_grad()
def test_pooled_features_are_the_librarys_own(both):
    model, _, backbone = both
    images = pixels(backbone)
    expected = own_image_features(model, images)
    assert (expected[0] - expected[1]).abs().max() > 0.05 * expected.abs().max(), "images differ"
    for streams in ((), backbone.streams):
        found = backbone.encode_image(images, streams)
        assert found.pooled.shape == (2, backbone.embed_dim)
        assert_close(found.pooled, expected, **TOLERANCE)


@torch.no_grad()
def test_zero_shot_logits_are_the_librarys_own(both):
    model, tokenizer, backbone = both
    images = pixels(backbone)
    image = F.normalize(backbone.encode_image(images).pooled, dim=-1)
    text = F.normalize(backbone.encode_text(filled(backbone, TEMPLATE, NAMES))[:, 0], dim=-1)
    found = backbone.logit_scale * image @ text.T
    if backbone.logit_bias is not None:
        found = found + backbone.logit_bias
    assert (backbone.logit_bias is not None) == (model.config.model_type in PADDED)
    inputs = ids_of(model, tokenizer, [TEMPLATE.format(name) for name in NAMES])
    expected = model(**inputs_of(model, images), **inputs).logits_per_image
    assert expected.shape == (2, len(NAMES))
    assert_close(found, expected, **TOLERANCE)
    assert_close(found.softmax(1), expected.softmax(1), **TOLERANCE)
    assert_close(found.sigmoid(), expected.sigmoid(), **TOLERANCE)


def picture(mode, width=53, height=47):
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randint(0, 256, (6, 7, 3), generator=generator, dtype=torch.uint8).numpy()
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        return image
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_preprocessing_is_the_librarys_own(both, mode, tmp_path):
    model, _, backbone = both
    own_processor = AutoImageProcessor.from_pretrained(backbone.name_or_folder, backend="pil")
    if model.config.model_type == "siglip2":
        pytest.skip("its processor keeps the shape of an image, plp makes a square of it")
    image = picture(mode)
    found = backbone.normalise(backbone_eval(backbone.preprocessing)(image)[None])
    expected = own_processor(image.convert("RGB"), return_tensors="pt").pixel_values
    assert found.shape == expected.shape
    step = 1 / 255 / backbone.std.min()  # the two may round a pixel to different sides
    assert float((found - expected).abs().max()) <= 1.01 * step
    assert float((found - expected).abs().mean()) < 0.1 * step


def test_naflex_takes_a_square_as_its_own_processor_does(tmp_path):
    model = write_model("siglip 2, naflex", tmp_path)
    backbone = TransformersBackbone(tmp_path)
    image = picture("RGB", 96, 96)
    inputs = AutoImageProcessor.from_pretrained(tmp_path)(image, return_tensors="pt")
    with torch.no_grad():
        expected = model.get_image_features(**inputs).pooler_output
    seen = backbone.normalise(backbone_eval(backbone.preprocessing)(image)[None])
    found = backbone.encode_image(seen).pooled
    assert F.cosine_similarity(found, expected).item() > 0.9999


def test_chinese_texts_need_no_spaces(tmp_path):
    model = write_model("chinese_clip", tmp_path)
    backbone, tokenizer = TransformersBackbone(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    names, template = ["牛", "大灰鸮", "ox"], "一张{}的照片。"
    with torch.no_grad():
        found = backbone.encode_text(filled(backbone, template, names))[:, 0]
        expected = own(model, tokenizer, [template.format(name) for name in names])
    assert_close(found, expected, **TOLERANCE)
    assert backbone.multilingual
    assert backbone.image_size == (SIDE, SIDE)


def as_open_clip(model):
    """Return the arguments of open_clip's CLIP with the weights of the library's, by name."""
    state = {}
    for name, value in model.state_dict().items():
        value = value.clone()
        tower = "visual." if name.startswith("vision_model") else ""
        name = name.removeprefix("vision_model.").removeprefix("text_model.")
        for old, new in RENAMED.items():
            name = name.replace(old, new)
        state[tower + name] = value
    for tower in ("visual.transformer", "transformer"):
        for block in range(2):
            at = f"{tower}.resblocks.{block}.attn."
            for part in ("weight", "bias"):
                singles = [state.pop(f"{at}{one}_proj.{part}") for one in "qkv"]
                state[f"{at}in_proj_{part}"] = torch.cat(singles)
    state["visual.proj"] = state.pop("visual_projection.weight").T
    state["text_projection"] = state.pop("text_projection.weight").T
    return state


RENAMED = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding": "conv1",
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.token_embedding": "token_embedding",
    "encoder.layers": "transformer.resblocks",
    "self_attn": "attn", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj", "pre_layrnorm": "ln_pre", "post_layernorm": "ln_post",
    "final_layer_norm": "ln_final",
}  # fmt: skip


@pytest.mark.parametrize("alias", [True, False])
def test_the_same_weights_in_open_clip_give_the_same_streams(alias, tmp_path):
    """Two libraries, two readers, one model: every stream of CLIP's tower agrees."""
    model = write_model("clip", tmp_path)
    backbone = TransformersBackbone(tmp_path, alias_first_block=alias)
    words = model.config.text_config.vocab_size
    tower = {"width": 32, "layers": 2, "mlp_ratio": 1.5}
    other = OpenCLIPBackbone(
        "tiny", None, alias_first_block=alias, quick_gelu=True,
        model_config={
            "embed_dim": 24,
            "vision_cfg": {**tower, "image_size": SIDE, "patch_size": 8, "head_width": 16},
            "text_cfg": {**tower, "heads": 2, "vocab_size": words, "context_length": 32},
        },
    )  # fmt: skip
    other.model.load_state_dict(as_open_clip(model))
    images = pixels(backbone)
    found, expected = (
        one.encode_image(images, ("tokens", "value", "vv")) for one in (backbone, other)
    )
    assert_close(found.pooled, expected.pooled, **TOLERANCE)
    for name, dense in expected.dense.items():
        assert_close(found.dense[name], dense, **TOLERANCE)
        assert_close(backbone.project_dense(dense), other.project_dense(dense), **TOLERANCE)
