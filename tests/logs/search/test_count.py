"""Counting by fields and over time agrees with counting one by one."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.search import count as counting
from kyber.logs.search.count import Bucket, Group, Groups, Histogram
from kyber.logs.search.query import QueryError
from tests.logs.search.strategies import events
from tests.logs.search.test_hits import cut
from tests.logs.sigma.test_match import batch_of

HELSINKI = ZoneInfo("Europe/Helsinki")


def text(event: dict[str, Any], field: str) -> str | None:
    name = next((name for name in (field, field.swapcase()) if name in event), None)
    value = None if name is None else event[name]
    if value is None:
        return None
    parts = value if isinstance(value, list) else [value]
    words = {True: "true", False: "false", None: ""}
    return ", ".join(words[one] if one is None or isinstance(one, bool) else str(one) for one in parts)


@settings(max_examples=40, deadline=None)
@given(st.lists(events(), max_size=10), st.integers(1, 10))
def test_groups_count_what_one_by_one_gives(some: list[dict[str, Any]], size: int) -> None:
    groups = Groups(("A", "b"))
    for batch, rows in cut(some, size):
        groups.add(batch, rows)
    wanted = Counter((text(event, "A"), text(event, "b")) for event in some)
    assert {group.values: group.count for group in groups.top(None)} == wanted
    counts = [group.count for group in groups.top(None)]
    assert counts == sorted(counts, reverse=True)
    assert groups.top(2) == groups.top(None)[:2]


def test_events_beyond_so_many_groups_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_GROUPS", 2)
    groups = Groups(("n",))
    for batch, rows in cut([{"n": n % 4} for n in range(8)], 4):
        groups.add(batch, rows)
    assert groups.top(None) == [Group(("0",), 2), Group(("1",), 2)]
    assert groups.gathered == 4


def buckets(times: Sequence[str | None], every: int | None = None) -> list[Bucket]:
    histogram = Histogram(HELSINKI, every)
    for time in times:
        histogram.add(batch_of([{"@timestamp": time}]), np.arange(1))
    return histogram.buckets()


def starts(times: Sequence[str | None], every: int | None = None) -> list[tuple[str, int]]:
    return [(f"{one.start:%m-%d %H:%M}", one.count) for one in buckets(times, every)]


def test_buckets_begin_at_midnight_of_the_reader_and_empty_ones_are_shown() -> None:
    times = ["2026-03-04T01:10:00", "2026-03-04T01:50:00", "2026-03-04T14:00:00", None]
    assert starts(times, 21_600) == [("03-04 00:00", 2), ("03-04 06:00", 0), ("03-04 12:00", 1)]
    assert starts(["2026-03-03T23:59:59", "2026-03-04T00:00:00"], 86_400) == [("03-03 00:00", 1), ("03-04 00:00", 1)]


def test_a_day_is_a_day_when_the_clock_is_put_forward_or_back() -> None:
    for spring, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        (day,) = buckets([f"{spring}T12:00:00"], 86_400)
        assert day.end.astimezone(UTC) - day.start.astimezone(UTC) == timedelta(hours=hours)
        whole = buckets([f"{spring}T00:30:00", f"{spring}T23:30:00"], 3_600)
        assert sum(one.count for one in whole) == 2
        assert all(one.end == other.start for one, other in pairwise(whole))


def test_weeks_begin_on_monday() -> None:
    assert starts(["2026-03-04T12:00:00", "2026-03-08T12:00:00", "2026-03-09T12:00:00"], 7 * 86_400) == [
        ("03-02 00:00", 2),
        ("03-09 00:00", 1),
    ]


moments = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(lambda time: time.isoformat())


@settings(max_examples=50, deadline=None)
@given(st.lists(moments, min_size=1, max_size=6), st.sampled_from([None, 90, 3_600, 5_400, 86_400, 7 * 86_400]))
def test_every_event_is_in_the_bucket_that_holds_its_time(times: list[str], every: int | None) -> None:
    histogram = Histogram(HELSINKI, every)
    batch = batch_of([{"@timestamp": time} for time in times])
    histogram.add(batch, np.arange(batch.rows))
    try:
        found = histogram.buckets()
    except QueryError:
        assert every is not None
        return
    at = [datetime.fromtimestamp(micros // 1_000_000, UTC) for micros in batch.times.tolist()]
    assert [one.count for one in found] == [sum(one.start <= time < one.end for time in at) for one in found]
    assert sum(one.count for one in found) == len(times)
    assert found[0].count
    assert found[-1].count
    if every is None:
        assert len(found) <= counting.BUCKETS + 2


def test_the_width_suits_the_period_where_nobody_says_it() -> None:
    def width(*times: str) -> timedelta:
        one = buckets(list(times))[0]
        return one.end - one.start

    assert width("2026-03-04T01:10:00") == timedelta(seconds=1)
    assert width("2026-03-04T01:10:00", "2026-03-04T01:40:00") == timedelta(minutes=1)
    assert width("2026-03-04T01:10:00", "2026-03-05T01:10:00") == timedelta(hours=1)
    assert width("2026-03-01T01:10:00", "2026-04-05T01:10:00") == timedelta(days=1)


def test_what_has_no_time_is_counted_apart_and_nothing_gives_no_buckets() -> None:
    histogram = Histogram(HELSINKI)
    histogram.add(batch_of([{"a": 1}]), np.arange(1))
    assert (histogram.timeless, histogram.buckets()) == (1, [])


def test_buckets_are_bounded_and_so_is_the_calendar() -> None:
    far = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    with pytest.raises(QueryError, match="--every"):
        buckets(far, 3_600)
    with pytest.raises(QueryError, match="--between"):
        buckets(far)
    with pytest.raises(QueryError, match="whole days"):
        Histogram(HELSINKI, 100_000)
