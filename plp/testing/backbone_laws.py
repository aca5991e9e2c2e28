"""The contract of every backbone, as laws; run them on your own.

    import pytest
    from plp.testing.backbone_laws import BACKBONE_LAWS

    @pytest.mark.parametrize("law", BACKBONE_LAWS)
    def test_my_backbone(law):
        BACKBONE_LAWS[law](MyBackbone())

That its features are the library's own no law can know: compare them with your library's forward.
A backbone without texts is tested by `IMAGE_LAWS` alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.learners.class_names import name_tokens
from plp.prompts import ClassContext, SharedContext, TemplatePrompt
from plp.structures import PromptTokens
from plp.testing.laws import require

_NAMES = ("ox", "kite (bird)", "great grey owl")
_TEMPLATE = "a photo of a {}."


def _is_frozen(backbone: Backbone) -> None:
    learned = [name for name, p in backbone.named_parameters() if p.requires_grad]
    require(not learned, f"parameters require gradient: {learned[:3]}; call self.freeze()")
    require(not backbone.train().training, "train() takes it out of evaluation mode")


def _has_the_widths_it_states(backbone: Backbone) -> None:
    features = backbone.encode_image(_images(backbone), backbone.streams)
    _require_shape("pooled", features.pooled, (3, backbone.embed_dim))
    require(set(features.dense) == set(backbone.streams), "other streams came than were asked for")
    patches = features.grid[0] * features.grid[1]
    for name, dense in features.dense.items():
        _require_shape(f"stream {name!r}", dense, (3, patches, backbone.dense_dim))
        joint = backbone.project_dense(dense)
        _require_shape(f"{name!r} in the joint space", joint, (3, patches, backbone.embed_dim))


def _batch_of_images_is_loop(backbone: Backbone) -> None:
    images = _images(backbone)
    batch = backbone.encode_image(images, backbone.streams)
    for i in range(len(images)):
        alone = backbone.encode_image(images[i : i + 1], backbone.streams)
        _require_same("pooled", alone.pooled, batch.pooled[i : i + 1])
        for name, dense in batch.dense.items():
            _require_same(f"stream {name!r}", alone.dense[name], dense[i : i + 1])


def _streams_together_are_streams_alone(backbone: Backbone) -> None:
    images = _images(backbone)
    together = backbone.encode_image(images, backbone.streams)
    _require_same("pooled without streams", backbone.encode_image(images).pooled, together.pooled)
    for name in backbone.streams:
        alone = backbone.encode_image(images, [name])
        require(set(alone.dense) == {name}, f"other streams came than {name!r}")
        _require_same("pooled", alone.pooled, together.pooled)
        _require_same(f"stream {name!r}", alone.dense[name], together.dense[name])


def _patches_are_projected_each_alone(backbone: Backbone) -> None:
    for name, dense in backbone.encode_image(_images(backbone), backbone.streams).dense.items():
        joint = backbone.project_dense(dense)
        _require_same(f"one patch of {name!r}", backbone.project_dense(dense[:, :1]), joint[:, :1])


def _gradient_reaches_a_projection_head(backbone: Backbone) -> None:
    for name, dense in backbone.encode_image(_images(backbone), backbone.streams).dense.items():
        require(not dense.requires_grad, f"stream {name!r} carries a graph of frozen weights")
        leaf = dense.clone().requires_grad_()
        backbone.project_dense(leaf).square().sum().backward()
        require(leaf.grad is not None and bool(leaf.grad.any()), f"no gradient reaches {name!r}")


def _refuses_what_it_does_not_have(backbone: Backbone) -> None:
    for stream in ("no such stream", *{"vv", "value", "tokens"}.difference(backbone.streams)):
        _require_refused(backbone, _images(backbone), [stream], stream)
    height, width = backbone.image_size
    images = torch.zeros(1, 3, height, width + 1)
    _require_refused(backbone, images, [], str(width + 1))


def _fingerprint_follows_the_weights(backbone: Backbone) -> None:
    before = backbone.fingerprint
    require(before == backbone.fingerprint, "the fingerprint differs from call to call")
    parameter = next(backbone.parameters())
    kept = parameter.detach().clone()
    with torch.no_grad():
        parameter.add_(1)
        changed = backbone.fingerprint
        parameter.copy_(kept)
    require(changed != before, "the fingerprint does not change with the weights")


def _has_the_text_widths_it_states(backbone: Backbone) -> None:
    tokens = backbone.embed_words(_NAMES)
    _require_shape("tokens", tokens.embeddings[..., 0, :], (3, backbone.token_dim))
    require(bool((tokens.lengths > 0).all()), "a name has no token")
    text = backbone.encode_text(_filled(backbone, _NAMES))
    _require_shape("texts", text, (3, 1, backbone.embed_dim))


def _a_class_added_changes_no_other_text(backbone: Backbone) -> None:
    together = backbone.encode_text(_filled(backbone, _NAMES))
    for c, name in enumerate(_NAMES):
        alone = backbone.encode_text(_filled(backbone, [name]))
        _require_same(f"text of {name!r}", alone[0], together[c])


def _order_of_classes_is_kept(backbone: Backbone) -> None:
    forward = backbone.encode_text(_filled(backbone, _NAMES))
    backward = backbone.encode_text(_filled(backbone, _NAMES[::-1]))
    _require_same("texts in reverse", backward.flip(0), forward)


def _what_follows_the_end_is_not_read(backbone: Backbone) -> None:
    prompts = _filled(backbone, _NAMES)
    expected = backbone.encode_text(prompts)
    longer = torch.nn.functional.pad(prompts.embeddings, (0, 0, 0, 3), value=9.0)
    places = torch.arange(longer.shape[2], device=longer.device)
    real = (places <= prompts.end.to(longer.device)[..., None])[..., None]
    noise = torch.where(real, longer, torch.full_like(longer, 9.0))
    _require_same("texts", backbone.encode_text(prompts._replace(embeddings=noise)), expected)


def _length_of_padding_changes_nothing(backbone: Backbone) -> None:
    prompts = _filled(backbone, _NAMES)
    expected = backbone.encode_text(prompts)
    for more in (1, 7, backbone.context_length):
        longer = torch.nn.functional.pad(prompts.embeddings, (0, 0, 0, more))
        found = backbone.encode_text(prompts._replace(embeddings=longer))
        _require_same(f"texts padded by {more} places more", found, expected)


def _context_of_words_is_the_template(backbone: Backbone) -> None:
    names = name_tokens(_NAMES, backbone.embed_words)
    expected = backbone.encode_text(_filled(backbone, _NAMES))
    for kind in (SharedContext, ClassContext):
        prompt = _context(kind, backbone)
        _require_same(f"texts of {kind.__name__}", backbone.encode_text(prompt(names)), expected)


def _long_names_are_cut(backbone: Backbone) -> None:
    names = [*_NAMES, "owl " * backbone.context_length]
    prompts = _filled(backbone, names)
    longest = int(prompts.end.max()) + 1
    require(longest <= backbone.context_length, f"a text of {longest} tokens: set NameTokens.room")
    short = backbone.encode_text(_filled(backbone, _NAMES))
    _require_same("texts of short names", backbone.encode_text(prompts)[:3], short)


def _gradient_reaches_every_token_of_a_context(backbone: Backbone) -> None:
    prompt = _context(SharedContext, backbone)
    backbone.encode_text(
        prompt(name_tokens(_NAMES, backbone.embed_words))
    ).square().sum().backward()
    grad = prompt.context.grad
    require(grad is not None and bool(grad.any(dim=-1).all()), "a context token gets no gradient")
    reached = [name for name, p in backbone.named_parameters() if p.grad is not None]
    require(not reached, f"frozen weights got a gradient: {reached[:3]}")


IMAGE_LAWS: dict[str, Callable[[Backbone], None]] = {
    "is frozen": _is_frozen,
    "has the widths it states": _has_the_widths_it_states,
    "a batch of images is a loop": _batch_of_images_is_loop,
    "streams together are streams alone": _streams_together_are_streams_alone,
    "patches are projected each alone": _patches_are_projected_each_alone,
    "gradient reaches a projection head": _gradient_reaches_a_projection_head,
    "refuses what it does not have": _refuses_what_it_does_not_have,
    "the fingerprint follows the weights": _fingerprint_follows_the_weights,
}
TEXT_LAWS: dict[str, Callable[[Backbone], None]] = {
    "has the text widths it states": _has_the_text_widths_it_states,
    "a class added changes no other text": _a_class_added_changes_no_other_text,
    "the order of classes is kept": _order_of_classes_is_kept,
    "what follows the end is not read": _what_follows_the_end_is_not_read,
    "the length of padding changes nothing": _length_of_padding_changes_nothing,
    "a context of words is the template": _context_of_words_is_the_template,
    "long names are cut": _long_names_are_cut,
    "gradient reaches every token of a context": _gradient_reaches_every_token_of_a_context,
}
BACKBONE_LAWS = IMAGE_LAWS | TEXT_LAWS


def _images(backbone: Backbone) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 3, *backbone.image_size), generator=generator)
    return backbone.normalise(pixels.to(torch.uint8).to(backbone.device))


def _filled(backbone: Backbone, names: tuple[str, ...] | list[str]) -> PromptTokens:
    prompt = TemplatePrompt([_TEMPLATE], embed_words=backbone.embed_words)
    return prompt(name_tokens(names, backbone.embed_words))


def _context(
    kind: type[SharedContext] | type[ClassContext], backbone: Backbone
) -> SharedContext | ClassContext:
    first, last = _TEMPLATE.split(" {}")
    return kind(
        words=first, suffix=last, embed_words=backbone.embed_words, num_classes=len(_NAMES),
        token_dim=backbone.token_dim,
    ).to(backbone.device)  # fmt: skip


def _require_shape(what: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    found = tuple(tensor.shape)
    require(found == shape, f"{what}: expected shape {list(shape)}, got {list(found)}")


def _require_same(what: str, found: Tensor, expected: Tensor) -> None:
    """Compare to 1e-4 of the largest number: sums in another order, nothing else."""
    gap, size = ((found - expected).abs().max().item(), expected.abs().max().item())
    require(gap <= 1e-4 * size, f"{what}: off by {gap:.2g}, of numbers up to {size:.2g}")


def _require_refused(backbone: Backbone, images: Tensor, streams: list[str], named: str) -> None:
    try:
        backbone.encode_image(images, streams)
    except ConfigError as error:
        require(named in str(error), f"the refusal does not name {named!r}: {error}")
    else:
        require(False, f"{named!r} was not refused by a ConfigError")
