"""Fixed prompts: templates of words, nothing learned."""

import unicodedata
from collections.abc import Sequence
from functools import partial
from typing import final

from jaxtyping import Int
from torch import Tensor

from plp.prompts.assembly import assemble, side_by_side
from plp.prompts.base import EmbedWords, Prompt, PromptPart, take_names
from plp.prompts.names_in_text import embed_part, in_text, touching_piece, with_article
from plp.prompts.rows import Groups
from plp.prompts.template_sets import template_set
from plp.registry import PROMPTS
from plp.structures import NameTokens, PromptTokens


@final
@PROMPTS.register_module()
class TemplatePrompt(Prompt):
    """Hand-written prompts, for zero-shot classification and as a teacher.

    Args:
        templates: Texts with one `{}` for the class name each, or the name of a set (see
            `template_set`). The tokens are those of the whole sentence: punctuation that touches
            `{}` is tokenised together with the name (see `NamesInText`). `{}` must not touch a
            letter or digit, which would make another word of the name ("a {}" and "a {}." are fine,
            "a {}s" is not); in scripts without spaces between words, such as Chinese, it may.
            In "{a} {}" the article goes with the name: "an oak", "a fir". A sentence that is too
            long for the text tower loses its end, as in its tokenizer.
        embed_words: Looks token embeddings up; supplied when a learner is built.

    Raises:
        ValueError: for a template without exactly one `{}`, or with letters touching it.
    """

    def __init__(self, templates: str | Sequence[str] = "one", *, embed_words: EmbedWords) -> None:
        super().__init__()
        if isinstance(templates, str):
            templates = template_set(templates)
        if not templates:
            raise ValueError(f"expected a non-empty list of templates, got {templates!r}")
        self.templates = list(templates)
        self.num_prompts = len(self.templates)
        self._touching: list[tuple[str, str]] = []
        for n, template in enumerate(self.templates):
            before, left, right, after = _split(template)
            self._touching.append((left, right))
            for key, text in dict(before=before, left=left, right=right, after=after).items():
                tokens = embed_part([with_article(text, "")], embed_words, behind=key == "after")
                part = tokens.embeddings.detach()[0, : int(tokens.lengths[0])]  # [T, D]
                self.register_buffer(f"{key}_{n}", part.clone(), persistent=False)

    def forward(self, names: NameTokens, *_: Tensor) -> PromptTokens:
        """Assemble every template with every class name."""
        return side_by_side([self._filled(n, names) for n in range(self.num_prompts)])

    def parts(self, names: NameTokens, groups: Groups) -> list[PromptPart]:
        """Return the prompts of each group of classes, not made yet."""
        return [PromptPart(partial(self._of_some, names, group)) for group in groups]

    def _of_some(self, names: NameTokens, group: Int[Tensor, " c"]) -> PromptTokens:
        return self(take_names(names, group))

    def _filled(self, n: int, names: NameTokens) -> PromptTokens:
        left, right = self._touching[n]
        parts = {key: self.get_buffer(f"{key}_{n}") for key in ("before", "left", "right", "after")}
        whole = in_text(
            names, (left, parts["left"]), (right, parts["right"]), behind=len(parts["before"]) > 0
        )
        return assemble(
            whole, parts["before"][None, None], parts["after"][None, None], sentence=True
        )

    def describe(self) -> list[str]:
        """Return the templates."""
        return list(self.templates)


_ARTICLE = "{a} "


def _split(template: str) -> tuple[str, str, str, str]:
    """Return what stands before and after `{}`: words, what touches it on both sides, words."""
    before, found, after = template.partition("{}")
    if found and before.endswith(_ARTICLE) and "{a}" not in before.removesuffix(_ARTICLE):
        first, left, right, last = _split(before.removesuffix(_ARTICLE) + found + after)
        return f"{first} {left}".strip(), _ARTICLE, right, last
    touching = (before[-1:] + " ")[0], (after[:1] + " ")[0]
    if not found or "{}" in after or any(map(_joins, touching)):
        raise ValueError(
            "expected a template with exactly one {} that touches no letter or digit, "
            f"got {template!r}"
        )
    left, right = touching_piece(before[::-1])[::-1], touching_piece(after)
    first, last = before.removesuffix(left), after.removeprefix(right)
    return first.strip(), left, right, last.strip()


# Scripts that put no spaces between words, by how Unicode names their letters.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")


def _joins(letter: str) -> bool:
    """Return whether a letter would make one word with a name that it touches."""
    return letter.isalnum() and not unicodedata.name(letter, "").startswith(_UNSPACED)
