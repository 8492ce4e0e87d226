"""Silence: which interval is usual, and after how long somebody is silent."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.sigma.absence import ENOUGH, SHARE, Heard, Patience, patience, regular, usual
from kyber.logs.sigma.occurrences import HOUR

DAY = 24
WEEKS = range(4 * 7 * DAY)


def worked(hour: int) -> bool:
    """From eight to four on working days."""
    return hour // DAY % 7 < 5 and 8 <= hour % DAY < 16


@pytest.mark.parametrize(
    ("hours", "interval"),
    [
        (WEEKS, 1),
        (range(0, 4 * 7 * DAY, DAY), DAY),
        (range(0, 29 * DAY, 7 * DAY), 7 * DAY),
        ([hour for hour in WEEKS if not 100 <= hour < 148], 1),  # one outage of two days in four weeks
        ([hour for hour in WEEKS if hour // DAY != 13] + [13 * DAY], 1),
        ([hour for hour in WEEKS if worked(hour)], 2 * DAY + 17),  # weekends
        ([hour for hour in WEEKS if 8 <= hour % DAY < 16], 17),  # nights
        ([0, 1, 2, 200, 201, 202], 198),  # bursts weigh nothing
    ],
    ids=["always", "daily", "weekly", "an outage", "a day off", "office hours", "nights", "bursts"],
)
def test_the_usual_interval_is_that_of_nearly_all_the_time(hours: list[int], interval: int) -> None:
    found = usual(hours)
    assert found is not None
    assert found.interval == interval
    assert (found.heard, found.over) == (len(hours), max(hours) - min(hours))


@pytest.mark.parametrize("hours", [[], [5], [5, 5 + ENOUGH - 1], range(ENOUGH)])
def test_of_less_than_a_week_nothing_is_said(hours: list[int]) -> None:
    assert usual(hours) is None


@given(st.sets(st.integers(0, 2_000), min_size=2))
def test_around_most_moments_the_gap_is_no_longer_than_usual(hours: set[int]) -> None:
    found, ordered = usual(hours), sorted(hours)
    gaps = [later - earlier for earlier, later in itertools.pairwise(ordered)]
    if found is not None:
        assert found.interval in gaps
        assert sum(gap for gap in gaps if gap <= found.interval) * 100 >= SHARE * sum(gaps)
        assert sum(gap for gap in gaps if gap < found.interval) * 100 < SHARE * sum(gaps)


@given(st.lists(st.tuples(st.integers(0, 100), st.frozensets(st.integers(0, 50))), min_size=1))
def test_what_was_heard_is_joined_in_any_order(parts: list[tuple[int, frozenset[int]]]) -> None:
    heard = [Heard(last, hours) for last, hours in parts]
    forwards, backwards = heard[0], heard[-1]
    for one in heard[1:]:
        forwards = forwards.joined(one)
    for one in reversed(heard[:-1]):
        backwards = backwards.joined(one)
    assert forwards == backwards


def test_the_register_comes_before_what_was_learnt() -> None:
    assert patience(99, Fraction(3, 2), 10 * HOUR, WEEKS, None) == Patience(15 * HOUR, 10 * HOUR)


def test_what_is_learnt_is_the_longer_of_events_and_arrivals_once_both_are_known() -> None:
    daily = range(0, 4 * 7 * DAY, DAY)
    learnt = patience(5 * HOUR, Fraction(2), None, WEEKS, daily)
    assert (learnt.span, learnt.usual and learnt.usual.interval) == (2 * DAY * HOUR, DAY)
    assert patience(5 * HOUR, Fraction(2), None, WEEKS, [3]) == Patience(5 * HOUR)
    assert patience(5 * HOUR, Fraction(2), None, WEEKS, None).span == 2 * HOUR


def test_without_a_number_of_times_the_longer_of_timespan_and_register_counts() -> None:
    assert patience(5, None, None, WEEKS, None) == Patience(5)
    assert patience(5, None, 3, WEEKS, None) == Patience(5)
    assert patience(5, None, 8, WEEKS, None) == Patience(8, 8)


def test_regular_is_who_used_to_be_heard_within_the_timespan() -> None:
    heard: dict[tuple[str, ...], Heard] = {
        ("daily",): Heard(0, frozenset(range(0, 15 * DAY, DAY))),
        ("weekly",): Heard(0, frozenset(range(0, 29 * DAY, 7 * DAY))),
        ("new",): Heard(0, frozenset((0, 20, 40))),
    }
    assert [group for group, _ in regular(heard, 26 * HOUR)] == [("daily",)]
