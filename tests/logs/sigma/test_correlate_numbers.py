"""Numbers as correlations read and show them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.sigma.correlate import _fraction, decimal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(3), "3"),
        (Fraction(1, 2), "0.5"),
        (Fraction(-1, 3), "-0.333"),
        (Fraction(10**309) + Fraction(1, 2), "1" + "0" * 309 + ".5"),
        (Fraction(1, 10**9), "0"),
    ],
)
def test_a_number_is_shown_with_at_most_three_decimals_however_large_it_is(value: Fraction, expected: str) -> None:
    assert decimal(value) == expected


@given(st.fractions(-(10**12), 10**12))
def test_a_number_is_shown_as_a_float_would_be(value: Fraction) -> None:
    assert abs(Fraction(decimal(value)) - value) <= Fraction(1, 2_000)


@pytest.mark.parametrize("text", ["1e999", "1.7e308", "0.1e-998", "1E+0100", "x", ""])
def test_what_no_measure_is_has_no_value(text: str) -> None:
    assert _fraction(text) is None


@pytest.mark.parametrize(("text", "expected"), [("1e3", 1_000), ("1E+007", 10**7), ("-2.5", Fraction(-5, 2))])
def test_a_number_is_what_is_written(text: str, expected: Fraction) -> None:
    assert _fraction(text) == expected
