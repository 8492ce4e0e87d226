"""Events that match: what is shown of them, and in which order, whatever batches they come in."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.column import Places
from kyber.logs.search import hits as events_shown
from kyber.logs.search.hits import Order, Shown, hits, in_order
from kyber.logs.search.query import QueryError
from kyber.logs.values import NO_TIME
from tests.logs.search.strategies import FIELDS, events
from tests.logs.search.test_run import windows
from tests.logs.sigma.test_match import BARE, ZONE, batch_of

ALL = Shown()


def cut(some: Sequence[dict[str, Any]], size: int) -> Iterator[tuple[EventBatch, Places]]:
    """Events of one file in batches of a size, all rows of each."""
    for start in range(0, len(some), size):
        part = [dict(event) for event in some[start : start + size]]
        numbers = list(range(start + 1, start + 1 + len(part)))
        parsed = Parsed(events=part, raw=[orjson.dumps(event) for event in part], numbers=numbers, offsets=numbers)
        yield EventBatch(parsed, Origin("", "test", b"", ZONE), LogSource("test"), BARE), np.arange(len(part))


def flat(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@settings(max_examples=40, deadline=None)
@given(some=st.lists(events(), min_size=1, max_size=8), pick=st.data())
def test_an_event_is_shown_as_it_is(some: list[dict[str, Any]], pick: st.DataObject) -> None:
    rows = pick.draw(st.lists(st.sampled_from(range(len(some))), unique=True).map(sorted))
    shown = list(hits(batch_of(some), np.array(rows, dtype=np.int64), Shown(raw=True)))
    assert [hit.record for hit in shown] == [row + 1 for row in rows]
    for hit, row in zip(shown, rows, strict=True):
        assert repr(dict(sorted(hit.fields.items()))) == repr({key: flat(some[row][key]) for key in sorted(some[row])})
        assert hit.raw.startswith("{")
        assert (hit.file, hit.source) == ("test", "")


def test_fields_are_shown_by_the_names_that_were_asked_for() -> None:
    batch = windows({"winlog": {"event_id": 4624, "event_data": {"TargetUserName": "anna", "LogonType": 3}}})
    rows = np.arange(1)
    (hit,) = hits(batch, rows, Shown(("user.name", "LogonType", "file", "nothing")))
    assert hit.fields == {"user.name": "anna", "LogonType": 3}
    assert (hit.id, hit.time, hit.source, hit.file) == (batch.event_id(0), NO_TIME, "dc1", "security.evtx")
    (hit,) = hits(batch, rows, ALL)
    assert hit.fields["winlog.event_data.TargetUserName"] == hit.fields["user.name"] == "anna"
    (hit,) = hits(batch, rows, Shown(("source.ip",), table=True))
    assert list(hit.fields) == ["winlog.event_id", "user.name", "winlog.event_data.TargetUserName"]


@settings(max_examples=40, deadline=None)
@given(
    some=st.lists(events(), max_size=12),
    size=st.integers(1, 12),
    limit=st.one_of(st.none(), st.integers(1, 12)),
    field=st.sampled_from(["time", *FIELDS]),
    descending=st.booleans(),
)
def test_a_limit_cuts_what_is_sorted_and_batches_make_no_difference(
    some: list[dict[str, Any]], size: int, limit: int | None, field: str, descending: bool
) -> None:
    for number, event in enumerate(some):
        event["n"] = number
    order = Order(field, descending)
    whole = [hit.fields["n"] for hit in in_order(cut(some, 12), ALL, order, None)]
    assert set(whole) == set(range(len(some)))
    assert [hit.fields["n"] for hit in in_order(cut(some, size), ALL, order, limit)] == whole[:limit]


def test_numbers_sort_as_numbers_before_texts_and_what_is_absent_comes_last() -> None:
    some = [{"a": value} for value in ("10", 9, "b", "A", None, 1.5)] + [{"x": 1}]
    rows = [(batch_of(some), np.arange(len(some)))]

    def sorted_by(descending: bool) -> list[Any]:
        return [hit.fields.get("a") for hit in in_order(rows, Shown(("a",)), Order("a", descending), None)]

    assert sorted_by(False) == [1.5, 9, "10", "A", "b", None, None]
    assert sorted_by(True) == ["b", "A", "10", 9, 1.5, None, None]


def test_the_newest_come_first_and_what_has_no_time_last() -> None:
    times = ["2026-03-01", "2026-03-03", None, "2026-03-02"]
    some = [{"@timestamp": time, "n": n} for n, time in enumerate(times)]
    newest = in_order(cut(some, 1), Shown(("n",)), Order(descending=True), 3)
    assert [hit.fields["n"] for hit in newest] == [1, 3, 0]


def test_unsorted_events_come_as_they_are_read_and_no_more_is_read_than_is_shown() -> None:
    read = []

    def batches() -> Iterator[tuple[EventBatch, Places]]:
        for number in range(10):
            read.append(number)
            yield batch_of([{"n": number}, {"n": number}]), np.arange(2)

    assert [hit.fields["n"] for hit in in_order(batches(), ALL, None, 3)] == [0, 0, 1]
    assert read == [0, 1]


def test_sorting_without_a_limit_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_shown, "MAX_SORTED", 3)
    with pytest.raises(QueryError, match="--limit"):
        list(in_order(cut([{"n": 1}] * 4, 2), ALL, Order(), None))
    assert len(list(in_order(cut([{"n": 1}] * 4, 2), ALL, Order(), 4))) == 4
