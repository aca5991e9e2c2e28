"""One wording for each kind of value: integers, numbers, choices."""

import math

import numpy as np
import pytest

from plp.checks import check_choice, check_integer, check_number
from plp.errors import ConfigError


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, -3, float("nan")])
def test_what_is_not_an_integer_from_one_up(value):
    with pytest.raises(ConfigError, match=rf"^expected k to be an integer >= 1, got {value!r}$"):
        check_integer("k", value)


def test_integers():
    check_integer("k", 1)
    check_integer("k", 0, least=0)
    check_integer("k", 10**30)


def test_what_is_allowed_beside_an_integer_is_named():
    with pytest.raises(ConfigError, match="to be an integer >= 1 or 'epoch', got 0"):
        check_integer("data.views", 0, other="'epoch'")


@pytest.mark.parametrize("value", [True, "1", None, -1e-9, math.inf, math.nan, 1j])
def test_what_is_not_a_number_from_zero_up(value):
    with pytest.raises(ConfigError, match=r"^expected std to be a finite number >= 0, got "):
        check_number("std", value)


def test_numbers():
    check_number("std", 0)
    check_number("std", np.float64(0.5))
    check_number("alpha", -2.5, least=-3.0)
    check_number("epsilon", 1e-300, above=True)
    with pytest.raises(ConfigError, match=r"^expected epsilon to be a finite number > 0, got 0$"):
        check_number("epsilon", 0, above=True)


def test_choices():
    check_choice("fill", "zeros", ("zeros", "end_token"))
    check_choice("fill", None, (None,))
    with pytest.raises(ConfigError, match=r"^expected fill to be 'a', 'b' or 'c', got 'd'$"):
        check_choice("fill", "d", ("a", "b", "c"))
    with pytest.raises(ConfigError, match=r"^expected fill to be 'a', got \['a'\]$"):
        check_choice("fill", ["a"], ("a",))
