"""Class names that a text tower cannot read or tell apart."""

import pytest

from plp.learners.readable_names import unreadable

FINE = [
    "grey owl",
    "kite (bird of prey)",
    "7 up",
    "electric guitar",
    "café",
    "C++",
    "BMW",
    "T-shirt",
]


def test_names_of_words_are_fine():
    assert unreadable(FINE) == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("7", "numbers"), ("003", "numbers"), ("1-2", "numbers"), ("?!", "without a word"),
        ("n01440764", "WordNet ids"), ("001.Bonsai", "numbered names"),
        ("12. oak", "numbered names"),
        ("001 Black footed Albatross", "numbered names"), ("汽车", "in another script"),
        ("собака", "in another script"), ("كلب", "in another script"), ("A", "codes"),
        ("c12", "codes"), ("id_7", "codes"), ("class 3", "codes"), ("label_b", "codes"),
    ],
)  # fmt: skip
def test_names_that_say_little(name, kind):
    assert unreadable([*FINE, name]) == {kind: [name]}


def test_names_that_all_begin_with_a_number():
    assert unreadable(["1 oak", "2 elm", "3 ash"]) == {
        "numbered names": ["1 oak", "2 elm", "3 ash"]
    }
    assert unreadable(["1 oak", "elm", "ash"]) == {}


def test_a_multilingual_tower_reads_other_scripts():
    assert unreadable(["汽车", "собака", "7"], multilingual=True) == {"numbers": ["7"]}
