"""Named sets of templates for zero-shot classification."""

CLIP_7 = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def template_set(name: str) -> tuple[str, ...]:
    """Return the templates of a set by name.

    Args:
        name: 'one' ("a photo of a {}.", as published), 'article' (the same with "an" before a
            vowel, plp's own), 'clip_7' (the seven that CLIP's authors selected for
            ImageNet), 'clip_80' (all of their ImageNet templates, from open_clip) or 'clip_60'
            (the first sixty of these, which PromptSRC's teacher has).

    Raises:
        ValueError: for another name.

    Example:
        >>> template_set("one"), len(template_set("clip_80"))
        (('a photo of a {}.',), 80)
    """
    if name == "one":
        return ("a photo of a {}.",)
    if name == "article":
        return ("a photo of {a} {}.",)
    if name == "clip_7":
        return CLIP_7
    if name in ("clip_60", "clip_80"):
        from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

        some = OPENAI_IMAGENET_TEMPLATES[:60] if name == "clip_60" else OPENAI_IMAGENET_TEMPLATES
        return tuple(template("{}") for template in some)
    raise ValueError(
        "expected a list of templates or the name of a set (one, article, clip_7, clip_60, "
        f"clip_80), got {name!r}"
    )
