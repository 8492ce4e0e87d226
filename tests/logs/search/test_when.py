"""Times as people write them: how long they are, and in whose zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.search.when import Clock, both, either, micros
from kyber.logs.store import Period

HELSINKI = ZoneInfo("Europe/Helsinki")
CLOCK = Clock(datetime(2026, 3, 31, 10, 30, tzinfo=UTC), HELSINKI)


def here(*parts: int) -> int:
    return micros(datetime(*parts, tzinfo=HELSINKI))  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2026-03-04", (2026, 3, 4), (2026, 3, 5)),
        ("2026-03-29", (2026, 3, 29), (2026, 3, 30)),  # 23 hours long
        ("2026-03-04T12", (2026, 3, 4, 12), (2026, 3, 4, 13)),
        ("2026-03-04 12:30", (2026, 3, 4, 12, 30), (2026, 3, 4, 12, 31)),
        ("2026-03-04T12:30:05", (2026, 3, 4, 12, 30, 5), (2026, 3, 4, 12, 30, 6)),
        ("2026-03-04T10:30Z", (2026, 3, 4, 12, 30), (2026, 3, 4, 12, 31)),
        ("2026-03-04T10:30+0000", (2026, 3, 4, 12, 30), (2026, 3, 4, 12, 31)),
        ("today", (2026, 3, 31), (2026, 4, 1)),
        ("Yesterday", (2026, 3, 30), (2026, 3, 31)),
    ],
)
def test_what_is_written_is_as_long_as_it_is_exact(text: str, start: tuple[int, ...], end: tuple[int, ...]) -> None:
    assert CLOCK.period(text) == Period(here(*start), here(*end))


def test_a_time_with_a_fraction_is_a_microsecond_long() -> None:
    period = CLOCK.period("2026-03-04T12:30:05.25")
    assert period == Period(here(2026, 3, 4, 12, 30, 5) + 250_000, here(2026, 3, 4, 12, 30, 5) + 250_001)


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("90min", timedelta(minutes=90)),
        ("now-1h", timedelta(hours=1)),
        ("now - 2 d", timedelta(days=2)),
        ("now", timedelta()),
    ],
)
def test_durations_count_back_from_now(text: str, back: timedelta) -> None:
    assert CLOCK.since(text) == Period(micros(CLOCK.now - back))


def test_a_month_back_is_the_same_day_or_the_last_of_the_month() -> None:
    assert CLOCK.since("1 month") == Period(here(2026, 2, 28, 13, 30))


def test_since_a_day_begins_with_it_and_between_holds_both_whole() -> None:
    assert CLOCK.since("yesterday") == Period(here(2026, 3, 30))
    assert CLOCK.between("2026-03-01", "2026-03-04") == Period(here(2026, 3, 1), here(2026, 3, 5))
    with pytest.raises(ValueError, match="is before"):
        CLOCK.between("2026-03-04", "2026-03-01")


@pytest.mark.parametrize(
    "text", ["", "x", "2026-13-01", "2026-02-30", "12:30", "0000-01-01", "9999", "now-", "now-1y7"]
)
def test_what_is_no_time_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write 2026-03-04"):
        CLOCK.period(text)
    with pytest.raises(ValueError, match="is no time"):
        CLOCK.since(text)


@given(st.text(max_size=30))
def test_any_text_is_a_period_or_refused(text: str) -> None:
    try:
        period = CLOCK.period(text)
    except ValueError:
        return
    assert period.start is not None
    assert period.end is not None
    assert period.start < period.end


ends = st.one_of(st.none(), st.integers(0, 9))


@given(st.tuples(ends, ends), st.tuples(ends, ends), st.integers(0, 9))
def test_periods_join_as_sets_of_moments(
    one: tuple[int | None, int | None], two: tuple[int | None, int | None], at: int
) -> None:
    def holds(period: Period) -> bool:
        return (period.start is None or at >= period.start) and (period.end is None or at < period.end)

    first, second = Period(*one), Period(*two)
    assert holds(both(first, second)) == (holds(first) and holds(second))
    assert holds(either(first, second)) or not (holds(first) or holds(second))
