"""Two stores that differ in an event or a finding are told apart, and the first difference is named."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import pytest

from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.collect import collect
from kyber.logs.compare import CONTENT, LOCAL, THERE, Delivered, compare, delivered, events
from kyber.logs.store import Part, Period, Store
from kyber.logs.store.ledger import Ledger, Refused, Shipment
from kyber.logs.store.parquet import WritableStore, writing
from tests.logs.sigma.correlating import batch_of
from tests.logs.test_correlating import NOW, job, log, store_file
from tests.logs.test_scan_stored import looking_for, ruleset

FIRST: Final = datetime(2026, 3, 2, 10, tzinfo=UTC)
RULES: Final = ruleset(looking_for("needle"), looking_for("hay"))
Event = Mapping[str, Any]
WORDS: Final = ("needle", "hay", "straw", "needle again")


def event(number: int, **more: Any) -> dict[str, Any]:
    """Events six hours from each other."""
    moment = FIRST + timedelta(hours=6 * number)
    return {"@timestamp": moment.isoformat(), "text": WORDS[number % len(WORDS)], "n": number, **more}


EVENTS: Final = [event(number) for number in range(10)]


@contextmanager
def stored(folder: Path, found: Sequence[Event], name: str = "app.json") -> Iterator[WritableStore]:
    """A store of these events, read from a file that lies in the same place whatever store it is for."""
    with writing(folder, "test") as store:
        store_file(store, log(folder.parent, name, found))
        yield store


@contextmanager
def two(folder: Path, here: Sequence[Event], there: Sequence[Event]) -> Iterator[tuple[WritableStore, WritableStore]]:
    with stored(folder / "here", here) as one, stored(folder / "there", there) as other:
        yield one, other


def test_stores_with_the_same_events_are_the_same(tmp_path: Path) -> None:
    with two(tmp_path, EVENTS, EVENTS) as (here, there):
        found = compare(here, there, RULES, NOW, UTC)
        assert found.same
        assert (found.events.alike, found.alike, found.events.first) == (10, len(found.here.findings), None)
        assert found.alike > 3


def test_events_of_one_store_only_are_counted_and_the_first_of_them_is_named(tmp_path: Path) -> None:
    # the first line is another one, so the file is another one to kyber
    with two(tmp_path, EVENTS[:8], [*EVENTS[:8], event(9)]) as (here, there):
        both = events(here, there)
        assert (both.alike, both.only_here, both.only_there, both.content) == (8, 0, 1, 0)
        first = both.first
        assert first is not None
        assert (first.what, first.source, first.day, first.record) == (THERE, "made", "2026-03-04", 9)
        assert first.file.endswith("app.json")
        moment = FIRST + timedelta(hours=54)
        assert first.time == round(moment.timestamp() * 1_000_000)
        back = events(there, here)
        assert (back.only_here, back.only_there) == (1, 0)
        assert back.first == replace(first, what=LOCAL)
        found = compare(here, there, RULES, NOW, UTC)
        assert not found.same
        assert [one.count for one in found.only_there] == [1]
        assert found.only_here == ()


@pytest.mark.parametrize("what", ["logsource", "zone", "file"])
def test_an_event_with_other_content_is_named(what: str, tmp_path: Path) -> None:
    """One file, read in two ways, gives the same ids."""
    file = log(tmp_path, "app.json", [{**one, "@timestamp": str(one["@timestamp"])[:19]} for one in EVENTS])
    os.utime(file, (0, 0))
    elsewhere = tmp_path / "elsewhere.json"
    shutil.copy2(file, elsewhere)
    one = job(file)
    other = {
        "logsource": replace(one, logsource=LogSource("other")),
        "zone": replace(one, zone=ZoneInfo("Europe/Helsinki")),
        "file": job(elsewhere),
    }[what]
    with writing(tmp_path / "here", "test") as here, writing(tmp_path / "there", "test") as there:
        collect([one], here, NOW)
        collect([other], there, NOW)
        both = events(here, there)
    first = both.first
    assert first is not None
    if what == "zone":  # the first one is of another day there
        assert (both.alike, both.content + both.only_there) == (0, 10)
    else:
        assert (both.alike, both.content, both.only_here, both.only_there) == (0, 10, 0, 0)
        assert (first.what, first.source, first.record, first.file) == (CONTENT, "made", 1, str(file))


@dataclass(frozen=True)
class Given:
    """A store of one batch."""

    batch: EventBatch

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()

    def parts(self, _: Period) -> list[Part]:
        counts = {"rows": self.batch.rows, "records": self.batch.rows, "undated": 0, "size": 0}
        times = {"first": None, "last": None}
        return [Part(key="k", source="made", day="d", table="t", **counts, **times, read=lambda _: iter([self.batch]))]  # type: ignore[arg-type]

    def event(self, identity: str) -> tuple[EventBatch, int]:
        return self.batch, [self.batch.event_id(row) for row in range(self.batch.rows)].index(identity)


VALUES: Final = ["a", "A", "", 1, "1", 1.0, True, None, [], ["a"], ["a", "a"], [1], [None], 2**63]


def test_every_value_of_every_field_counts(tmp_path: Path) -> None:
    """Of two events with the same record, each with another value, or without the field, or under another name."""
    fields: list[dict[str, Any]] = [*({"x": one} for one in VALUES), {}, {"y": "a"}, {"x": "a", "y": "a"}]
    plain = batch_of([event(0), event(1)], source="made")
    made = []
    for one in fields:
        batch = batch_of([event(0), event(1)], source="made")
        batch.fields = batch_of([event(0), {**event(1), **one}]).fields
        made.append(batch)
    assert events(cast(Store, Given(plain)), cast(Store, Given(made[len(VALUES)]))).same
    for (mine, left), (theirs, right) in product(enumerate(made), repeat=2):
        both = events(cast(Store, Given(left)), cast(Store, Given(right)))
        assert (both.alike, both.content) == ((2, 0) if mine == theirs else (1, 1)), (fields[mine], fields[theirs])
        assert mine == theirs or (both.first is not None and both.first.record == 2)


def test_only_events_of_the_period_are_compared(tmp_path: Path) -> None:
    day = round(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1_000_000)
    with two(tmp_path, EVENTS, [*EVENTS, {"text": "undated"}]) as (here, there):
        assert events(here, there).only_there == 1
        both = events(here, there, Period(day, day + 86_400_000_000))
    assert (both.alike, both.same) == (4, True)


def test_what_was_not_delivered_yet_or_was_refused_is_told_apart_from_what_is_lost(tmp_path: Path) -> None:
    with two(tmp_path, EVENTS, EVENTS) as (here, there):
        assert there.delete({"made": date(2026, 3, 4)}, 0)
        assert events(here, there).only_here == 7
        second, third, _ = here.parts()
        ids = [batch.event_id(row) for batch in here.events(days=[second.day]) for row in range(batch.rows)]
        both = events(here, there, ledger=Delivered({int(third.key): 0}, frozenset(ids[:2])))
        assert (both.alike, both.pending, both.refused, both.only_here, both.same) == (3, 4, 2, 1, False)
        assert both.first is not None
        assert (both.first.id, both.first.what, both.first.day) == (ids[2], LOCAL, "2026-03-02")
        halfway = Delivered({int(second.key): 2, int(third.key): 0}, frozenset(ids[:2]))
        assert events(here, there, ledger=halfway).same


def test_the_ledger_of_a_destination_says_what_is_pending_and_what_was_refused(tmp_path: Path) -> None:
    with stored(tmp_path / "here", EVENTS) as here:
        keys = [int(part.key) for part in here.parts()]
        ledger = Ledger(here.index, "one")
        ledger.open(0, "http://one")
        refused = Refused(
            id="f" * 32, source="made", day="2026-03-02", at=0, status=400, reason="", held=1, action=b"", body=b""
        )
        for key, upto in zip(keys, (3, 1), strict=False):
            ledger.begin(key)
            ledger.settle(key, upto, Shipment(source="made", at=0), [refused])
        found = delivered(here.index, "one")
        rows = {int(part.key): part.rows for part in here.parts()}
        assert found.refused == {"f" * 32}
        assert found.unsettled == {key: upto for key, upto in zip(keys, (3, 1, 0), strict=False) if upto < rows[key]}
        assert delivered(here.index, "another").unsettled == dict.fromkeys(keys, 0)


def test_log_sources_of_which_nothing_is_stored_here_are_not_compared(tmp_path: Path) -> None:
    with two(tmp_path, EVENTS, EVENTS) as (here, there):
        other = log(tmp_path, "other.json", [event(1, by="another host")])
        os.utime(other, (0, 0))
        collect([job(other, "other")], there, NOW)
        found = compare(here, there, RULES, NOW, UTC)
    assert found.same
    assert found.others == {"other": 1}
