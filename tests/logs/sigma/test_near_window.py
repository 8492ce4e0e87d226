"""Windows of correlations that came near their thresholds without a firing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kyber.finding import NearWindow
from kyber.logs.sigma.correlate import Correlator
from kyber.logs.sigma.near_window import _about_firings, near_windows
from tests.logs.sigma.correlating import batch_of, gathered, ruleset_of

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def rule(name: str) -> dict[str, Any]:
    detection = {"sel": {"what": name}, "condition": "sel"}
    return {"title": name, "id": name, "name": name, "logsource": {"product": "test"}, "detection": detection}


def correlation(kind: str = "event_count", rules: Sequence[str] = ("a",), **more: Any) -> dict[str, Any]:
    about = {"type": kind, "rules": list(rules), "timespan": "10m", "group-by": ["user"], **more}
    return {"title": "Many", "id": "many", "level": "high", "correlation": about}


def at(minute: float, what: str = "a", user: str = "eero", **more: Any) -> dict[str, Any]:
    return {"time": (START + timedelta(minutes=minute)).isoformat(), "what": what, "user": user, **more}


def windows(
    found: Mapping[str, Any], events: Sequence[Mapping[str, Any]], *others: Mapping[str, Any]
) -> list[NearWindow]:
    ruleset = ruleset_of(*(rule(name) for name in "abcde"), found, *others)
    assert not ruleset.problems
    occurrences = gathered(ruleset, [batch_of(events)])
    return list(near_windows(Correlator(ruleset.correlations, occurrences, ruleset.rules)))


def test_a_window_at_four_fifths_of_its_threshold_is_near() -> None:
    (found,) = windows(correlation(condition={"gte": 5}), [at(0), at(1), at(2), at(3), at(60)])
    assert (found.value, found.kind, found.span, found.groups) == ("4", "event_count", "10m", 1)
    assert found.group == {"user": "eero"}
    assert (found.first, found.last) == (START, START + timedelta(minutes=3))


def test_less_than_that_is_not_near() -> None:
    assert windows(correlation(condition={"gte": 5}), [at(0), at(1), at(2), at(60)]) == []


def test_what_led_up_to_a_firing_or_followed_it_is_not_near_but_another_group_may_be() -> None:
    fired = [at(minute) for minute in range(6)] + [at(12)]
    assert windows(correlation(condition={"gte": 5}), fired) == []
    (found,) = windows(correlation(condition={"gte": 5}), [*fired, *(at(minute, user="eeva") for minute in range(4))])
    assert found.group == {"user": "eeva"}


def test_a_group_that_fired_long_before_may_be_near_again() -> None:
    (found,) = windows(correlation(condition={"gte": 5}), [at(one) for one in (0, 1, 2, 3, 4, 100, 101, 102, 103)])
    assert found.first == START + timedelta(minutes=100)


def test_the_highest_window_is_told_and_how_many_groups_came_near() -> None:
    events = [at(minute, user=user) for user, n in (("one", 16), ("two", 18), ("three", 17)) for minute in range(n)]
    (found,) = windows(correlation(condition={"gte": 20}, timespan="1h"), events)
    assert (found.group["user"], found.value, found.groups) == ("two", "18", 3)


@pytest.mark.parametrize(
    ("condition", "near"),
    [
        ({"gt": 4}, True),
        ({"gt": 5}, True),
        ({"gte": 6}, False),
        ({"eq": 5}, True),
        ({"gte": 5, "lte": 9}, True),
        ({"lt": 1}, False),
        ({"lte": 3}, False),
        ({"neq": 4}, False),
    ],
)
def test_only_what_rises_to_a_threshold_comes_near(condition: Mapping[str, int], near: bool) -> None:
    assert bool(windows(correlation(condition=condition), [at(0), at(1), at(2), at(3)])) is near


def test_what_rose_beyond_a_range_did_not_come_near_it() -> None:
    assert windows(correlation(condition={"gte": 1, "lte": 2}), [at(0), at(0), at(0)]) == []


def test_distinct_values_and_sums_come_near_too() -> None:
    values = correlation("value_count", condition={"gte": 5, "field": "host"})
    assert windows(values, [at(one, host=f"h{one}") for one in range(4)])[0].value == "4"
    sums = correlation("value_sum", condition={"gte": 10, "field": "bytes"})
    assert windows(sums, [at(0, bytes=4.5), at(1, bytes=4)])[0].value == "8.5"


def test_four_rules_of_five_are_near_and_one_of_two_is_not() -> None:
    assert windows(correlation("temporal", "abcde"), [at(one, "abcd"[one]) for one in range(4)])[0].value == "4"
    assert windows(correlation("temporal", "ab"), [at(0)]) == []


def test_a_correlation_that_another_one_is_about_is_not_told() -> None:
    inner = {**correlation(condition={"gte": 5}), "id": "inner", "name": "inner", "title": "Inner"}
    outer = correlation("event_count", ["inner"], condition={"gte": 5})
    assert windows(inner, [at(0), at(1), at(2), at(3)], outer) == []


def test_only_windows_that_were_asked_for_are_told() -> None:
    ruleset = ruleset_of(rule("a"), correlation(condition={"gte": 5}))
    occurrences = gathered(ruleset, [batch_of([at(0), at(1), at(2), at(3)])])
    correlator = Correlator(ruleset.correlations, occurrences, ruleset.rules)
    assert list(near_windows(correlator, lambda one: one.last < 0)) == []
    assert len(list(near_windows(correlator, lambda one: one.begin > 0))) == 1


@pytest.mark.parametrize("span", [1, 7, 40])
def test_what_is_about_a_firing_is_within_a_timespan_of_one_of_its_group(span: int) -> None:
    made = np.random.default_rng(span)
    group, time = np.sort(made.integers(0, 20, 300)), made.integers(0, 200, 300)
    time = time[np.lexsort((time, group))]
    fired = np.flatnonzero(made.random(300) < 0.05)
    run: Any = SimpleNamespace(
        rows=SimpleNamespace(time=time, group=group), one=SimpleNamespace(timespan=span), fired=fired
    )
    expected = [
        any(group[at] == group[row] and abs(time[at] - time[row]) <= span for at in fired) for row in range(300)
    ]
    assert _about_firings(run).tolist() == expected
    run.fired = fired[:0]
    assert not _about_firings(run).any()
