"""Correlations give exactly the bursts of the plain, slow correlator, in whatever order and pieces events come."""

import pickle
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.sigma import occurrences
from kyber.logs.sigma.asking import micros
from kyber.logs.sigma.correlate import Burst, Correlator
from tests.logs.sigma import slow_correlator as slow
from tests.logs.sigma.correlating import batch_of, correlator, gathered, ruleset_of, scattered, when

RULES: Mapping[str, Mapping[str, Any]] = {
    "a": {"kind": ["a", "ab"]},
    "b": {"kind": ["b", "ab"]},
    "c": {"kind": "c"},
}
NUMBERS = st.sampled_from(
    [
        0,
        1,
        2,
        3,
        -1,
        2.5,
        0.1,
        0.2,
        "7",
        "1e2",
        10**18,
        "100000000000000000000",
        "none",
        True,
        None,
        [1, 3],
        [2, "x"],
        [],
    ]
)
TEXTS = st.sampled_from(["x", "X", "y", "z", 4, "4", None, ["x", "y"], ["y", "Y"], []])
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"at": st.integers(0, 60), "kind": st.sampled_from(["a", "b", "c", "ab", "none"])},
        optional={"user": TEXTS, "host": TEXTS, "who": TEXTS, "size": NUMBERS},
    ),
    max_size=40,
)
LIMITS = st.integers(0, 4) | st.sampled_from([0.5, 1.5, 2.25, 100.0])
NAMES = st.lists(st.sampled_from(["user", "host", "it"]), max_size=2, unique=True)


@st.composite
def conditions(draw: st.DrawFn, kind: str) -> dict[str, Any] | None:
    if kind.startswith("temporal") and draw(st.booleans()):
        return None
    names = draw(st.lists(st.sampled_from(sorted(slow.TESTS)), min_size=1, max_size=2, unique=True))
    condition: dict[str, Any] = {name: draw(LIMITS) for name in names}
    if kind == "value_count":
        condition["field"] = draw(st.sampled_from(["who", ["who"], ["who", "user"]]))
    elif kind.startswith("value"):
        condition["field"] = "size"
    if kind == "value_percentile":
        condition["percentile"] = draw(st.sampled_from([0, 1, 33.3, 50, 90, 99.9, 100]))
    return condition


@st.composite
def correlations(draw: st.DrawFn, name: str, over: Sequence[str]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg",
                                 "value_percentile", "value_median"]))  # fmt: skip
    rules = draw(st.lists(st.sampled_from(over), min_size=1, max_size=3, unique=True))
    made: dict[str, Any] = {
        "name": name,
        "type": kind,
        "rules": rules,
        "timespan": draw(st.sampled_from(["1s", "5s", "10s", "1m", "1.5s"])),
    }
    group = draw(NAMES)
    if group:
        made["group-by"] = group
    if draw(st.booleans()):
        aliased = {rule: draw(st.sampled_from(["user", "host", "who"])) for rule in rules}
        made["aliases"] = {"it": aliased}
    if (condition := draw(conditions(kind))) is not None:
        made["condition"] = condition
    return made


CHAINS = correlations("first", ["a", "b", "c"]).flatmap(
    lambda first: st.tuples(st.just(first), correlations("second", ["first", "a", "c"]))
)


def documents(*made: Mapping[str, Any]) -> list[dict[str, Any]]:
    rules = [
        {"title": name, "id": name, "name": name, "logsource": {"product": "test"},
         "detection": {"sel": dict(selection), "condition": "sel"}}
        for name, selection in RULES.items()
    ]  # fmt: skip
    return [
        *rules,
        *(
            {"title": one["name"], "id": one["name"], "name": one["name"], "generate": True,
             "correlation": {key: value for key, value in one.items() if key != "name"}}
            for one in made
        ),
    ]  # fmt: skip


def timed(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**{key: value for key, value in one.items() if key != "at"}, "time": when(one["at"])} for one in events]


def held(found: occurrences.Occurrences) -> int:
    """The bytes of what occurrences stand for."""
    sizes = {
        reading: np.array([*map(occurrences._size, entries)], dtype=np.int64)
        for reading, entries in found.entries.items()
    }
    used: dict[occurrences.Reading, set[int]] = {reading: set() for reading in sizes}
    for one in found.rules.values():
        for reading, codes in one.codes.items():
            used[reading] |= set(codes.tolist())
    return sum(int(sizes[reading][sorted(codes)].sum()) for reading, codes in used.items() if codes)


def told(one: Burst, by: Correlator) -> tuple[Any, ...]:
    finding = by.finding(one)
    group = tuple(value.lower() for value in finding.group.values())
    return one.correlation.ref.name, group, one.begin, one.first, one.last


def plainly(made: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    known = {one["name"]: one for one in made}
    rules = {
        "a": lambda event: event["kind"] in ("a", "ab"),
        "b": lambda event: event["kind"] in ("b", "ab"),
        "c": lambda event: event["kind"] == "c",
    }
    at = [{**one, "time": micros_of(one["at"])} for one in events]
    return sorted(
        (one.name, one.group, one.begin, one.first, one.last)
        for correlation in made
        for one in slow.correlate(correlation, known, rules, at)
    )


def micros_of(seconds: int) -> int:
    from datetime import datetime

    return micros(datetime.fromisoformat(when(seconds)))


@settings(max_examples=75, deadline=None)
@given(made=CHAINS, events=EVENTS, seed=st.integers(0, 2**32))
def test_bursts_are_those_of_the_slow_correlator_in_any_order_of_arrival(
    made: tuple[dict[str, Any], dict[str, Any]], events: list[dict[str, Any]], seed: int
) -> None:
    ruleset = ruleset_of(*documents(*made))
    runnable = {one.ref.name for one in ruleset.correlations}
    if {problem.code for problem in ruleset.problems} - {"R21", "R22"}:
        raise AssertionError(ruleset.problems)
    chosen = [one for one in made if one["name"] in runnable]
    by = correlator(ruleset, scattered(ruleset, timed(events), seed))
    assert sorted(told(one, by) for one in by.bursts()) == plainly(chosen, events)


@settings(max_examples=30, deadline=None)
@given(made=CHAINS, events=EVENTS, seed=st.integers(0, 2**32), limit=st.integers(1, 60))
def test_findings_are_the_same_in_any_order_whole_and_however_little_is_held(
    made: tuple[dict[str, Any], dict[str, Any]], events: list[dict[str, Any]], seed: int, limit: int
) -> None:
    same_in_any_order(made, events, seed, limit)


@settings(max_examples=30, deadline=None)
@given(made=CHAINS, events=EVENTS, seed=st.integers(0, 2**32), room=st.integers(0, 6_000))
def test_findings_are_the_same_in_any_order_however_few_bytes_are_held(
    made: tuple[dict[str, Any], dict[str, Any]], events: list[dict[str, Any]], seed: int, room: int
) -> None:
    with patch.object(occurrences, "MAX_BYTES", room):
        same_in_any_order(made, events, seed, occurrences.LIMIT)


def same_in_any_order(
    made: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], seed: int, limit: int
) -> None:
    ruleset = ruleset_of(*documents(*made))
    found = gathered(ruleset, [batch_of(timed(events))], limit)
    pieces = pickle.loads(pickle.dumps(scattered(ruleset, timed(events), seed, limit)))
    assert max(held(found), held(pieces)) <= occurrences.MAX_BYTES
    assert all(held(one) <= one.size for one in (found, pieces))
    at_once, after = correlator(ruleset, found), correlator(ruleset, pieces)
    findings = [sorted(map(by.finding, by.bursts()), key=lambda one: one.id) for by in (at_once, after)]
    assert findings[0] == findings[1]
    assert len({one.id for one in findings[0]}) == len(findings[0])
    assert [(one.code, one.facts) for one in at_once.problems()] == [(one.code, one.facts) for one in after.problems()]
