"""Search gives exactly the events that a slow and obvious evaluator gives, whatever the query and the events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import table
from kyber.logs.search.meaning import needs, read
from kyber.logs.search.query import QueryError, Syntax, written
from kyber.logs.search.run import Searcher
from kyber.logs.search.when import Clock
from kyber.logs.store import Period
from tests.logs.search.slow import holds
from tests.logs.search.strategies import cases, narrow_cases
from tests.logs.sigma.test_match import ZONE, batch_of

CLOCK = Clock(datetime(2024, 3, 2, 10, 30, tzinfo=UTC), ZONE)


def found(query: str, *events: dict[str, Any], clock: Clock = CLOCK) -> list[int]:
    """The places of the events that match, from 0."""
    return [int(row) for row in Searcher(read(query, clock)).rows(batch_of(events))]


def windows(*events: dict[str, Any]) -> EventBatch:
    """Windows events under their native names."""
    numbers = list(range(len(events)))
    parsed = Parsed(events=list(events), raw=[b""] * len(events), numbers=numbers, offsets=numbers)
    return EventBatch(parsed, Origin("dc1", "security.evtx", b"", UTC), LogSource("windows"), table("windows"))


def in_parts(query: str, events: Sequence[dict[str, Any]], at: int, json: bool) -> list[int]:
    searcher = Searcher(read(query, CLOCK))
    first = searcher.rows(batch_of(events[:at], json=json)).tolist()
    return [*first, *(at + row for row in searcher.rows(batch_of(events[at:], json=json)).tolist())]


@settings(max_examples=150, deadline=None)
@given(case=cases, json=st.booleans(), at=st.integers(0, 8))
def test_search_finds_exactly_what_the_slow_evaluator_finds_in_one_batch_or_in_two(
    case: tuple[Syntax, list[dict[str, Any]]], json: bool, at: int
) -> None:
    tree, events = case
    query = written(tree)
    try:
        read(query, CLOCK)
    except QueryError:
        assume(False)  # a range in which nothing lies
    wanted = [place for place, event in enumerate(events) if holds(tree, event, ZONE)]
    assert in_parts(query, events, min(at, len(events)), json) == wanted


@settings(max_examples=150, deadline=None)
@given(case=narrow_cases, json=st.booleans())
def test_what_is_asked_again_of_fewer_and_of_more_events_is_answered_for_each(
    case: tuple[Syntax, list[dict[str, Any]]], json: bool
) -> None:
    tree, events = case
    wanted = [place for place, event in enumerate(events) if holds(tree, event, ZONE)]
    assert Searcher(read(written(tree), CLOCK)).rows(batch_of(events, json=json)).tolist() == wanted


@pytest.mark.parametrize("first", [1, 4])
def test_a_field_that_was_asked_of_some_events_is_asked_of_the_others_later(first: int) -> None:
    events = [{"A": "a", "b": "x"}] * first + [{"A": "c", "b": "y"}] * (5 - first)
    assert found("(b:x AND A:a) OR A:c", *events) == [0, 1, 2, 3, 4]
    assert found("(b:x AND A:c) OR A:c", *events) == list(range(first, 5))


@settings(max_examples=40, deadline=None)
@given(case=cases)
def test_nothing_outside_the_period_that_a_query_needs_matches(case: tuple[Syntax, list[dict[str, Any]]]) -> None:
    tree, events = case
    try:
        query = read(written(tree), CLOCK)
    except QueryError:
        assume(False)
    batch, period = batch_of(events), needs(query).period
    for row in Searcher(query).rows(batch):
        assert period.start is None or batch.times[row] >= period.start
        assert period.end is None or batch.times[row] < period.end


def test_what_has_to_be_read_is_told_from_the_query() -> None:
    need = needs(
        read('user:x AND (time:[2024-03-01 TO 2024-03-02] OR time:"2024-02-29") "a b"', CLOCK), frozenset({"c"})
    )
    assert need.fields == {"user", "time", "c"}
    assert need.whole
    assert need.period == Period(1_709_157_600_000_000, 1_709_416_800_000_000)
    assert needs(read("NOT time:2024-03-01", CLOCK)).period == Period()
    assert {"winlog.event_data.TargetUserName", "winlog.event_id"} <= needs(read("user.name:x", CLOCK)).columns(
        table("windows")
    )


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", [0, 1, 2]),
        ("*", [0, 1, 2]),
        ("user:ROOT", [0]),
        ("user:roo", []),
        ("user:r*t", [0]),
        ("user:*", [0, 2]),
        ("NOT user:*", [1]),
        ("-user:root", [1, 2]),
        ("user:(root OR anna)", [0, 2]),
        ("user:(r* -root)", []),
        ("port:22", [0, 1]),
        ('port:"22.0"', []),
        ("port:>22", [2]),
        ("port:{22 TO 2222]", [2]),
        ("port:[* TO 22]", [0, 1]),
        ("ip:10.0.0.0/8", [0]),
        ("ip:[10.0.0.1 TO 10.0.0.9]", [0]),
        ("user:[a TO b]", [2]),
        ("/fail(ed|ure)/", []),
        ("/fail(ed|ure)/i", [1]),
        ("message:/^Fail/", [1]),
        ('"password for"', [1]),
        ("password -for", []),
        ("failed OR anna", [1, 2]),
        ("root failed OR anna", [2]),
        ("USER:root", [0]),
    ],
)
def test_the_language_means_what_its_users_expect(query: str, wanted: list[int]) -> None:
    events = (
        {"user": "root", "port": 22, "ip": "10.0.0.5"},
        {"message": "Failed password for x", "port": "22", "ip": "192.0.2.1"},
        {"user": "Anna", "port": 2222},
    )
    assert found(query, *events) == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("time:today", [2]),
        ("time:yesterday", [1]),
        ("time:2024-03-01", [1]),
        ("time:2024-03", [1, 2]),
        ("time:>=now-12h", [2]),
        ("time:<2024-03-01", [0]),
        ("time:<=2024-03-01", [0, 1]),
        ("time:[2024-02-29T23:07 TO 2024-03-01T12:00]", [0, 1]),
        ("time:*", [0, 1, 2]),
        ("-time:*", [3]),
    ],
)
def test_times_are_read_by_the_clock_of_the_reader(query: str, wanted: list[int]) -> None:
    times = ["2024-02-29T23:07:59+02:00", "2024-02-29T22:00:00Z", "2024-03-02T12:00:00+02:00"]
    assert found(query, *({"@timestamp": time} for time in times), {"a": 1}) == wanted


def test_fields_are_found_by_canonical_native_and_sigma_names_in_any_case() -> None:
    batch = windows(
        {"winlog": {"event_id": 4624, "event_data": {"TargetUserName": "anna", "IpAddress": "192.0.2.7"}}},
        {"winlog": {"event_id": 1, "event_data": {"User": "LAB\\anna", "CommandLine": "whoami"}}},
    )
    for query, wanted in (
        ("user.name:anna", [0, 1]),
        ("TargetUserName:anna", [0]),
        ("targetusername:anna", [0]),
        ("winlog.event_data.TargetUserName:anna", [0]),
        ("EVENTID:4624", [0]),
        ("source.ip:192.0.2.0/24", [0]),
        ("commandline:whoami", [1]),
        ("source:dc1 file:*.evtx", [0, 1]),
        ("source:dc2", []),
        ("kyber.record:1", [1]),
        (f"kyber.id:{batch.event_id(0)}", [0]),
    ):
        assert Searcher(read(query, CLOCK)).rows(batch).tolist() == wanted, query


def test_a_field_that_no_event_has_is_named_with_those_that_may_have_been_meant() -> None:
    searcher = Searcher(read("usr.name:x OR nothing:y OR winlog.event_id:1", CLOCK), shown=("user", "EventId", "time"))
    assert searcher.unseen == {}
    searcher.rows(windows({"winlog": {"event_id": 4624, "event_data": {"TargetUserName": "anna"}}}))
    assert searcher.unseen["usr.name"][0] == "user.name"
    assert searcher.unseen["nothing"] == []
    assert set(searcher.unseen) == {"usr.name", "nothing", "user"}


def test_a_pattern_that_takes_too_long_is_named() -> None:
    searcher = Searcher(read(r"a:/^(a|a)+(?=b)$/", CLOCK))
    searcher.rows(batch_of([{"a": "a" * 40}]))
    assert searcher.slow == ["/^(a|a)+(?=b)$/"]
