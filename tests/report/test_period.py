from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.errors import UsageError
from kyber.report.period import period

TODAY = date(2026, 11, 23)
DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("text", "name", "start", "end"),
    [
        ("2026-Q4", "2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2026q1", "2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2024-02", "2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026", "2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("month", "2026-11", date(2026, 11, 1), date(2026, 11, 30)),
        ("quarter", "2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("year", "2026", date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_is_named_as_people_name_it(text: str, name: str, start: date, end: date) -> None:
    found = period(text, TODAY)
    assert (found.name, found.start, found.end) == (name, start, end)


@pytest.mark.parametrize("text", ["", "2026-13", "2026-Q5", "Q4", "0000", "2026-1", "week", "2026-00"])
def test_what_is_no_period_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="2026-Q4"):
        period(text, TODAY)


def test_a_period_that_has_not_begun_is_none_to_report_on() -> None:
    with pytest.raises(UsageError, match="yet to come"):
        period(str(TODAY.year + 1), TODAY)


@pytest.mark.parametrize("text", ["0001", "0001-01", "0001-Q1", "1899-Q4"])
def test_a_year_that_no_register_has_is_none_to_report_on(text: str) -> None:
    with pytest.raises(UsageError, match=f"--period {text}: a year from 1900 to 2200"):
        period(text, TODAY)


@pytest.mark.parametrize("day", [date.min, date(1899, 12, 31), date(2201, 1, 1), date.max])
def test_nor_is_a_day_of_such_a_year(day: date) -> None:
    for text in ("month", "quarter", "year", "2026"):
        with pytest.raises(UsageError, match=f"--as-of {day}: a year from 1900 to 2200"):
            period(text, day)


@given(DAYS, st.sampled_from(["month", "quarter", "year"]))
def test_the_time_before_a_period_ends_as_it_begins_and_is_as_long_as_what_there_is_of_it(day: date, of: str) -> None:
    found = period(of, day)
    start, end = found.before(day)
    assert found.start <= found.until(day) == day <= found.end
    assert end + timedelta(days=1) == found.start
    assert end - start == day - found.start
