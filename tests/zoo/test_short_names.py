"""The table of short names against open_clip's and timm's own tables."""

import inspect

import open_clip
import pytest
import timm
import torch
from timm.models import get_pretrained_cfg

from plp.registry import BACKBONES
from plp.towers.resnet import ResNetTower
from plp.towers.select import read_timm
from plp.zoo import ENTRIES, find_backbone, label_of
from plp.zoo.markdown import with_table
from plp.zoo.published import arch_config, archs, published, tower_of

OPEN_CLIP = [one for one in ENTRIES.values() if one.pretrained]
TIMM = [one for one in ENTRIES.values() if one.arch.startswith("timm:")]
TIMM_TOWERS = {arch_config(arch)["vision_cfg"].get("timm_model_name", "") for arch in archs()}
# timm's word for a licence, and ours.
LICENCES = {
    "mit": "MIT", "apache-2.0": "Apache-2.0", "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "apple-amlr": "Apple ML Research", "apple-ascl": "Apple Sample Code",
    "dinov3-license": "DINOv3",
}  # fmt: skip
# Weights that timm's table has, too. (Of OpenAI's and LAION's ViTs it says Apache-2.0, for its own
# copies; the repositories that open_clip names say MIT.)
SAME_WEIGHTS = {
    "rn50": "resnet50_clip.openai", "metaclip-b16": "vit_base_patch16_clip_224.metaclip_2pt5b",
    "metaclip2-h14": "vit_huge_patch14_clip_224.metaclip2_worldwide",
    "dfn-b16": "vit_base_patch16_clip_224.dfn2b", "dfn-h14": "vit_huge_patch14_clip_224.dfn5b",
    "siglip-b16": "vit_base_patch16_siglip_224.webli",
    "siglip2-b16": "vit_base_patch16_siglip_224.v2_webli",
    "pe-core-b16": "vit_pe_core_base_patch16_224.fb",
    "eva02-b16": "eva02_base_patch16_clip_224.merged2b",
    "mobileclip-b": "vit_base_mci_224.apple_mclip", "mobileclip-s1": "fastvit_mci1.apple_mclip",
    "mobileclip2-s0": "fastvit_mci0.apple_mclip2_dfndr2b",
    "mobileclip2-b": "vit_base_mci_224.apple_mclip2_dfndr2b",
    "vitamin-s": "vitamin_small_224.datacomp1b_clip",
}  # fmt: skip


def test_what_is_read_without_importing_open_clip_is_what_it_says():
    assert list(archs()) == sorted(open_clip.list_models())
    tables = published()
    assert [(arch, tag) for arch, tags in tables.items() for tag in tags] == list(
        open_clip.list_pretrained()
    )
    for arch, tags in tables.items():
        for tag, place in tags.items():
            stated = open_clip.get_pretrained_cfg(arch, tag)
            assert place == {"url": stated["url"], "hf_hub": stated["hf_hub"]}


def test_another_layout_of_open_clip_is_asked(monkeypatch):
    expected = dict(published())
    published.cache_clear()
    monkeypatch.setattr("plp.zoo.published._read", lambda source: {})
    try:
        assert published() == expected
    finally:
        published.cache_clear()


def test_arch_tag_and_size_are_those_of_open_clip():
    known = open_clip.list_pretrained()
    for entry in OPEN_CLIP:
        assert (entry.arch, entry.pretrained) in known
        config = open_clip.get_model_config(entry.arch)
        found = (config["vision_cfg"]["image_size"], tower_of(config))
        assert (entry.image_size, entry.tower) == found, entry.name


def test_timm_names_sizes_and_licences_are_those_of_timm():
    known = timm.list_models(pretrained=True)
    for entry in TIMM:
        name = entry.arch.removeprefix("timm:")
        assert name in known
        stated = get_pretrained_cfg(name)
        assert stated.input_size[-1] == entry.image_size, name
        assert LICENCES[stated.license] in entry.licence, name


def test_licences_are_those_that_timm_states_for_the_same_weights():
    for name, same in SAME_WEIGHTS.items():
        assert LICENCES[get_pretrained_cfg(same).license] in ENTRIES[name].licence, name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TIMM_TOWERS - {""}))
def test_the_kind_of_a_tower_has_the_streams_that_its_reader_finds(name):
    with torch.device("meta"):
        trunk = timm.create_model(name, num_classes=0)
    kind = tower_of({"vision_cfg": {"timm_model_name": name}})
    found = read_timm(trunk, None, True).streams
    assert (
        set(found) == {"transformer": {"tokens", "value", "vv"}, "convolutional": {"tokens"}}[kind]
    )


def test_the_streams_of_a_resnet():
    assert set(ENTRIES["rn50"].streams) == {"tokens", "value"}
    with torch.device("meta"):
        config = open_clip.get_model_config("RN50")
        model = open_clip.CLIP(**config)
    assert set(ResNetTower(model.visual).streams) == {"tokens", "value"}


def test_a_name_is_short_plain_and_found_again_from_its_config():
    for entry in ENTRIES.values():
        assert entry.name == entry.name.lower()
        assert all(part.isalnum() for part in entry.name.split("-")), entry.name
        assert label_of(entry.config) == entry.name
        assert find_backbone(entry.name).config == entry.config
        assert find_backbone(entry.full_name).label == entry.name


def test_the_class_of_each_takes_its_config():
    for entry in ENTRIES.values():
        config = dict(entry.config)
        parameters = inspect.signature(BACKBONES.get(config.pop("type"))).parameters
        assert set(config) <= set(parameters), entry.name


def test_the_page_has_the_table(root):
    page = (root / "docs/choose_a_backbone.md").read_text(encoding="utf-8")
    assert page == with_table(page), "python -m plp.zoo.markdown docs/choose_a_backbone.md"


def test_no_two_names_are_one_backbone():
    found = [(one.type, one.arch, one.pretrained) for one in ENTRIES.values()]
    assert len(set(found)) == len(found)
