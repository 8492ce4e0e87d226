from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.duration import Duration


@pytest.mark.parametrize(
    ("text", "months", "seconds"),
    [
        ("4 h", 0, 14_400),
        ("4h", 0, 14_400),
        ("1.5 h", 0, 5_400),
        ("2 d", 0, 172_800),
        ("1 week", 0, 604_800),
        ("12 months", 12, 0),
        ("2 y", 24, 0),
        ("PT4H", 0, 14_400),
        ("P1Y6M", 18, 0),
        ("P1DT30M", 0, 88_200),
    ],
)
def test_durations_are_read_as_people_and_iso_8601_write_them(text: str, months: int, seconds: int) -> None:
    assert Duration.parse(text) == Duration(months, seconds)
    assert str(Duration.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "4", "h", "0 h", "PT0S", "P", "PT", "-1 d", "1.5 months", "4 parsecs", "999999 y"]
)
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Duration.parse(text)


def test_a_month_after_the_end_of_january_is_the_end_of_february() -> None:
    assert Duration.parse("1 month").after(date(2026, 1, 31)) == date(2026, 2, 28)
    assert Duration.parse("2 y").after(date(2024, 2, 29)) == date(2026, 2, 28)
    assert Duration.parse("4 h").after(date(2026, 12, 31)) == date(2027, 1, 1)


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = Duration.parse(text).approximate_seconds
    except ValueError:
        seconds = 1
    assert seconds >= 1
