"""The contract of backbones over the smallest of each family; and that its laws notice."""

import pytest
import torch
from representatives import slow_but
from towers.family_cases import FAMILIES, FEW, build_family

from plp.testing.backbone_laws import BACKBONE_LAWS


@pytest.fixture(scope="module", params=slow_but(FEW, FAMILIES))
def backbone(request, tmp_path_factory):
    return build_family(request.param, tmp_path_factory.mktemp("family"))


@pytest.mark.parametrize("law", BACKBONE_LAWS)
def test_families_keep_the_laws(backbone, law):
    BACKBONE_LAWS[law](backbone)


class Broken:
    """Ways to break a backbone, by the law that has to notice."""

    @staticmethod
    def thawed(backbone, monkeypatch):
        backbone.requires_grad_(True)

    @staticmethod
    def other_width(backbone, monkeypatch):
        monkeypatch.setattr(backbone, "embed_dim", 7)

    @staticmethod
    def mixed_images(backbone, monkeypatch):
        encode = backbone.encode_image

        def wrong(images, streams=()):
            found = encode(images, streams)
            return found._replace(pooled=found.pooled - found.pooled.mean(0))

        monkeypatch.setattr(backbone, "encode_image", wrong)

    @staticmethod
    def streams_that_lean(backbone, monkeypatch):
        encode = backbone.encode_image

        def wrong(images, streams=()):
            found = encode(images, streams)
            return found._replace(pooled=found.pooled * (1 + len(streams)))

        monkeypatch.setattr(backbone, "encode_image", wrong)

    @staticmethod
    def patches_together(backbone, monkeypatch):
        project = backbone.project_dense
        monkeypatch.setattr(
            backbone, "project_dense", lambda dense: project(dense - 0.5 * dense.mean(1, True))
        )

    @staticmethod
    def cut_graph(backbone, monkeypatch):
        project = backbone.project_dense
        monkeypatch.setattr(
            backbone, "project_dense", lambda dense: project(dense.detach()) + 0 * dense.sum()
        )

    @staticmethod
    def takes_any_size(backbone, monkeypatch):
        monkeypatch.setattr(backbone, "check_size", lambda images: None)
        monkeypatch.setattr(backbone, "check_streams", lambda streams: None)
        encode = backbone.encode_image
        monkeypatch.setattr(backbone, "encode_image", lambda images, streams=(): encode(
            torch.zeros(1, 3, *backbone.image_size)))  # fmt: skip

    @staticmethod
    def stale_fingerprint(backbone, monkeypatch):
        monkeypatch.setattr(type(backbone), "fingerprint", "0" * 64)

    @staticmethod
    def other_token_width(backbone, monkeypatch):
        monkeypatch.setattr(backbone, "token_dim", 7)

    @staticmethod
    def mixed_texts(backbone, monkeypatch):
        encode = backbone.encode_text
        monkeypatch.setattr(
            backbone, "encode_text", lambda p: encode(p) + 0.1 * p.end.float().mean()
        )

    @staticmethod
    def fixed_order(backbone, monkeypatch):
        encode = backbone.encode_text
        monkeypatch.setattr(backbone, "encode_text", lambda p: encode(p).sort(dim=0).values)

    @staticmethod
    def reads_padding(backbone, monkeypatch):
        encode = backbone.encode_text
        monkeypatch.setattr(
            backbone, "encode_text", lambda p: encode(p) + p.embeddings.sum((2, 3))[..., None]
        )

    @staticmethod
    def counts_padding(backbone, monkeypatch):
        encode = backbone.encode_text
        monkeypatch.setattr(
            backbone, "encode_text", lambda p: encode(p) * (1 + 0.01 * p.embeddings.shape[2])
        )

    @staticmethod
    def no_room(backbone, monkeypatch):
        embed = backbone.embed_words
        monkeypatch.setattr(backbone, "embed_words", lambda texts: embed(texts)._replace(room=None))

    @staticmethod
    def no_text_graph(backbone, monkeypatch):
        encode = backbone.encode_text
        monkeypatch.setattr(
            backbone, "encode_text", lambda p: encode(p).detach() + 0 * p.embeddings.sum()
        )


NOTICED = {
    "is frozen": Broken.thawed,
    "has the widths it states": Broken.other_width,
    "a batch of images is a loop": Broken.mixed_images,
    "streams together are streams alone": Broken.streams_that_lean,
    "patches are projected each alone": Broken.patches_together,
    "gradient reaches a projection head": Broken.cut_graph,
    "refuses what it does not have": Broken.takes_any_size,
    "the fingerprint follows the weights": Broken.stale_fingerprint,
    "has the text widths it states": Broken.other_token_width,
    "a class added changes no other text": Broken.mixed_texts,
    "the order of classes is kept": Broken.fixed_order,
    "what follows the end is not read": Broken.reads_padding,
    "the length of padding changes nothing": Broken.counts_padding,
    "long names are cut": Broken.no_room,
    "gradient reaches every token of a context": Broken.no_text_graph,
}


@pytest.mark.parametrize("law", NOTICED)
def test_laws_notice(law, tmp_path, monkeypatch):
    broken = build_family("CLIP", tmp_path)
    NOTICED[law](broken, monkeypatch)
    with pytest.raises((AssertionError, TypeError, RuntimeError)):
        BACKBONE_LAWS[law](broken)


def test_another_context_is_noticed(tmp_path, monkeypatch):
    broken = build_family("CLIP", tmp_path)
    encode, calls = broken.encode_text, iter(range(1, 100))
    monkeypatch.setattr(broken, "encode_text", lambda prompts: encode(prompts) * next(calls))
    with pytest.raises(AssertionError, match="texts of SharedContext"):
        BACKBONE_LAWS["a context of words is the template"](broken)


def test_every_law_is_known_to_notice():
    assert {*NOTICED, "a context of words is the template"} == set(BACKBONE_LAWS)
