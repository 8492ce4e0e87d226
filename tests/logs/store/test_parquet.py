"""The store keeps each event once, in its day, through compaction; what it deletes, it deletes when it may."""

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.errors import NothingReadError
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed, Reject
from kyber.logs.schema import table
from kyber.logs.store import Period, parquet, segment
from kyber.logs.store.index import EVENTS, REJECTED, UNDATED, Cursor, Read, SegmentInfo, StoreError
from kyber.logs.store.lock import LockedError
from kyber.logs.store.parquet import DAY, EARLIEST, Appended, ParquetStore, WritableStore, writing
from kyber.logs.values import NO_TIME

NOW: Final = datetime(2026, 3, 5, 12, tzinfo=UTC)
TODAY: Final = "2026-03-05"


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def at(text: str) -> int:
    """Microseconds of an ISO time, UTC."""
    return micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def batch_of(
    times: Sequence[str | None],
    *,
    source: str = "app",
    file: str = "app.log",
    first: int = 1,
    product: str = "made",
    text: str = "",
) -> EventBatch:
    """Events with these times, of one input; `first` is the number of the first record, ten bytes each."""
    events = [{"@timestamp": time, "number": number, "text": text} for number, time in enumerate(times, first)]
    parsed = Parsed(
        events=[{key: value for key, value in event.items() if value is not None} for event in events],
        raw=[f"event {number:03}".encode() for number in range(first, first + len(times))],
        numbers=list(range(first, first + len(times))),
        offsets=[number * 10 for number in range(first, first + len(times))],
    )
    return EventBatch(parsed, origin_of(source, file), LogSource(product), table("json"))


def origin_of(source: str = "app", file: str = "app.log") -> Origin:
    return Origin(source, file, file.encode().ljust(32, b"\0"), UTC)


def put(
    store: WritableStore,
    batch: EventBatch | None,
    *rejects: Reject,
    origin: Origin | None = None,
    now: datetime = NOW,
    cursor: Cursor | None = None,
    by_line: bool = False,
) -> Appended:
    source = origin or (batch.origin(0) if batch is not None and batch.rows else origin_of())
    cursor = cursor or Cursor(source=source.source, path=source.file)
    read = Read(source=source.source, file=source.file, records=len(rejects) + (batch.rows if batch else 0))
    return store.append(batch, rejects, source, cursor, read, micros(now), by_line=by_line)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WritableStore]:
    with writing(tmp_path / ".kyber", "the test") as opened:
        yield opened


def held(store: ParquetStore, **wanted: Any) -> list[tuple[Any, ...]]:
    """Every stored event: source, id, time, number, raw, record, offset; in order."""
    return sorted(
        (
            batch.source,
            batch.event_id(row),
            int(batch.times[row]),
            column.at(row),
            batch.raw[row],
            batch.records[row],
            batch.offsets[row],
        )
        for batch in store.events(**wanted)
        for column in [batch.column("number")]
        for row in range(batch.rows)
        if column is not None
    )


def numbers(store: ParquetStore, **wanted: Any) -> list[int]:
    return sorted(one[3] for one in held(store, **wanted))


def days(store: ParquetStore) -> dict[str, int]:
    """How many events lie in the folder of each day."""
    found: Counter[str] = Counter()
    for one in store.chosen():
        assert one.path.split("/")[-2] == one.day
        found[one.day] += one.rows
    return dict(found)


def files(store: ParquetStore) -> set[str]:
    """The files in the folders of events."""
    return {str(one.relative_to(store.folder)) for one in store.folder.glob("events/**/*") if one.is_file()}


# --- appending --------------------------------------------------------------------------------------------------------


def test_an_event_that_is_stored_is_not_stored_again(store: WritableStore) -> None:
    batch = batch_of(["2026-03-04T10:00:00"] * 4)
    first = put(store, batch)
    assert (first.stored, first.duplicate) == (4, 0)
    before = held(store)
    again = put(store, batch, cursor=first.cursor)
    assert (again.stored, again.duplicate, again.cursor) == (0, 4, first.cursor)
    assert held(store) == before
    assert len(store.chosen()) == 1
    totals = store.totals()["app"]
    assert (totals.records, totals.events, totals.stored, totals.duplicate, totals.kept) == (8, 8, 4, 4, 4)
    assert [(one.stored, one.duplicate) for one in store.index.reads()] == [(4, 0), (0, 4)]


def test_of_a_batch_that_overlaps_only_what_is_new_is_stored(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-04"] * 5))
    made = put(store, batch_of(["2026-03-04"] * 5, first=4))
    assert (made.stored, made.duplicate) == (3, 2)
    assert numbers(store) == list(range(1, 9))
    assert put(store, batch_of(["2026-03-04"] * 8)).stored == 0


def test_equal_records_of_two_files_or_two_sources_are_two_events(store: WritableStore) -> None:
    for source, file in (("app", "a"), ("app", "b"), ("other", "a")):
        assert put(store, batch_of(["2026-03-04"], source=source, file=file)).stored == 1
    assert len({one[1] for one in held(store)}) == 3
    assert [len(held(store, sources=[one])) for one in ("app", "other", "none")] == [2, 1, 0]


def test_a_line_that_was_stored_within_another_record_is_recognised_where_lines_are_compared(
    store: WritableStore,
) -> None:
    def joined(*records: tuple[int, bytes]) -> EventBatch:
        parsed = Parsed(
            events=[{"number": offset} for offset, _ in records],
            raw=[raw for _, raw in records],
            numbers=list(range(1, len(records) + 1)),
            offsets=[offset for offset, _ in records],
        )
        return EventBatch(parsed, origin_of(), LogSource(), table("json"))

    put(store, joined((0, b"one\n\n two"), (20, b"three")), Reject(9, 40, b"bad", "F41"))
    apart = joined((0, b"one"), (5, b" two"), (20, b"three"), (30, b"one"), (40, b"bad"), (50, b"\n"))
    assert put(store, apart, by_line=True).stored == 2  # what stands elsewhere, and a blank line, which tells nothing
    assert numbers(store) == [0, 20, 30, 50]
    assert put(store, apart).stored == 3  # by their ids, "one", " two" and "bad" are others
    parsed = Parsed(raw=[b"one", b" two"], offsets=[0, 5], rejects=[Reject(9, 40, b"bad", "F41")])
    assert store.has(parsed, origin_of())
    assert not store.has(parsed, origin_of(file="another"))
    assert not store.has(Parsed(raw=[b"one", b"four"], offsets=[0, 5]), origin_of())


def test_a_batch_and_the_cursor_after_it_become_true_together_or_not_at_all(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(store, batch_of(["2026-03-04"]), cursor=Cursor(source="app", path="app.log", offset=10)).cursor
    before = (held(store), store.totals(), store.index.cursors("app"), store.index.state("commit"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for owner, name in ((store.index, "set_state"), (segment, "write"), (parquet, "_sync")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with pytest.raises(StoreError, match=r"\.kyber cannot be written: No space left on device"):
                put(store, batch_of(["2026-03-04"] * 3), Reject(9, 40, b"bad", "F41"), cursor=replace(kept, offset=40))
        assert (held(store), store.totals(), store.index.cursors("app"), store.index.state("commit")) == before
    made = put(store, batch_of(["2026-03-04"] * 3), cursor=replace(kept, offset=40))
    assert (made.stored, made.duplicate, made.cursor.offset) == (2, 1, 40)
    assert store.index.cursors("app") == [made.cursor]
    store.sweep()
    assert files(store) == store.index.paths()


def test_events_lie_in_the_folder_of_their_utc_day_and_those_with_no_believable_time_apart(
    store: WritableStore,
) -> None:
    times = [
        "2026-03-03T23:59:59.999999",
        "2026-03-04T00:00:00",
        "2026-03-04T01:30:00+02:00",
        "1990-01-01T00:00:00",
        "1989-12-31T23:59:59.999999",
        "1970-01-01T00:00:00",
        "1900-05-05T00:00:00",
        None,
        "soon",
        (NOW + timedelta(days=1)).isoformat(),
        (NOW + timedelta(days=1, microseconds=1)).isoformat(),
        "9999-12-31T23:59:59",
    ]
    put(store, batch_of(times))
    assert days(store) == {"1990-01-01": 1, "2026-03-03": 2, "2026-03-04": 1, "2026-03-06": 1, UNDATED: 7}
    assert numbers(store) == list(range(1, 13))
    assert numbers(store, days=[UNDATED]) == [5, 6, 7, 8, 9, 11, 12]
    (undated,) = store.chosen(days=[UNDATED])
    assert (undated.undated, undated.first, undated.last) == (2, at("1900-05-05"), at("9999-12-31T23:59:59"))
    assert at("1990-01-01") == EARLIEST
    # A clock that runs ahead does not hide that a source has fallen silent.
    totals = store.totals()["app"]
    assert (totals.first, totals.last) == (at("1990-01-01"), micros(NOW + timedelta(days=1)))
    assert totals.kept == 12


def test_of_more_days_than_honest_logs_have_those_with_the_fewest_events_lie_together(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "MAX_DAYS", 2)
    times = [
        f"2026-01-{day:02}T{hour:02}:00:00" for day, hours in ((1, 1), (2, 3), (3, 1), (4, 2)) for hour in range(hours)
    ]
    put(store, batch_of(times))
    assert days(store) == {"2026-01-02": 3, "2026-01-04": 2, UNDATED: 2}
    assert numbers(store) == list(range(1, 8))
    one = at("2026-01-03")
    assert 5 in numbers(store, period=Period(one, one + DAY))


def test_a_period_gives_at_least_the_events_in_it_and_no_other_days(store: WritableStore) -> None:
    put(store, batch_of([f"2026-03-0{day}T12:00:00" for day in (1, 2, 3, 4)] + [None, "1980-01-01"]))
    assert numbers(store, period=Period(at("2026-03-02"), at("2026-03-04"))) == [2, 3]
    assert numbers(store, period=Period(at("2026-03-03T13:00:00"))) == [4]
    assert numbers(store, period=Period(None, at("2026-03-01T12:00:00"))) == [5, 6]
    assert numbers(store, period=Period(None, at("1980-01-01"))) == []
    assert numbers(store, days=["2026-03-02", UNDATED, "2020-01-01"]) == [2, 5, 6]
    assert numbers(store, days=[]) == []


def test_a_large_batch_becomes_segments_of_a_bounded_size(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "ROWS", 7)
    put(store, batch_of(["2026-03-04"] * 20))
    assert [one.rows for one in store.chosen()] == [7, 7, 6]
    assert numbers(store) == list(range(1, 21))
    assert put(store, batch_of(["2026-03-04"] * 21)).stored == 1


def test_a_rejected_record_is_kept_once_with_its_reason(store: WritableStore) -> None:
    bad, worse = Reject(3, 40, b"\xffbad", "F41", {"why": "no"}), Reject(7, 90, b"worse\nstill", "F10", held=2)
    put(store, None, bad)
    put(store, batch_of(["2026-03-04"]), bad, worse, worse)
    put(store, None, bad, worse)
    common = {"source": "app", "file": "app.log"}
    expected = [
        {**common, "record": 3, "offset": 40, "reason": "F41", "facts": {"why": "no"}, "raw": b"\xffbad"},
        {**common, "record": 7, "offset": 90, "reason": "F10", "facts": {}, "raw": b"worse\nstill"},
    ]
    assert list(store.rejected()) == expected
    assert list(store.rejected(["app"])) == expected
    assert list(store.rejected(["other"])) == []
    assert [(one.rows, one.records, one.day) for one in store.index.segments(REJECTED)] == [
        (1, 1, TODAY),
        (1, 2, TODAY),
    ]
    assert numbers(store) == [1]
    assert put(store, None, bad, by_line=True).stored == 0
    assert len(list(store.rejected())) == 2


# --- compaction -------------------------------------------------------------------------------------------------------


def grown(store: WritableStore, commits: int, *, day: str = "2026-03-04", each: int = 2, **named: Any) -> None:
    """So many commits of a few events each."""
    for number in range(commits):
        put(store, batch_of([f"{day}T10:00:{number:02}"] * each, first=1 + number * each, **named))


def test_compaction_keeps_every_event_and_the_range_of_commits(store: WritableStore) -> None:
    grown(store, 5)
    put(store, batch_of(["2026-03-04T09:00:00", None, "2026-03-03"], file="b.log"))
    before, spans = held(store), store.index.spans(one.id for one in store.chosen())
    assert len(store.chosen(days=["2026-03-04"])) == 6
    assert store.compact() == 5
    assert held(store) == before
    (merged,) = store.chosen(days=["2026-03-04"])
    assert (merged.rows, merged.low, merged.high, merged.collected) == (11, 1, 6, micros(NOW))
    assert (merged.first, merged.last) == (at("2026-03-04T09:00:00"), at("2026-03-04T10:00:04"))
    assert sorted(store.index.spans(one.id for one in store.chosen()), key=repr) == sorted(spans, key=repr)
    (batch,) = store.events(days=["2026-03-04"])
    assert batch.times.tolist() == sorted(batch.times.tolist())
    assert segment.Segment(store.folder / merged.path).array("kyber.commit").to_pylist() == [
        6,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
        5,
        5,
    ]
    assert files(store) == store.index.paths()
    assert store.compact() == 0
    # What was merged is still known.
    assert put(store, batch_of(["2026-03-04T10:00:00"] * 2)).duplicate == 2
    assert store.index.days(5) == ["2026-03-03", "2026-03-04", UNDATED]
    assert store.index.days(6) == []


def test_only_segments_of_one_source_day_and_nature_are_merged_and_only_when_they_are_many(
    store: WritableStore,
) -> None:
    for source, product, day in (("a", "made", 4), ("b", "made", 4), ("a", "other", 4), ("a", "made", 3)):
        grown(store, parquet.FEW - 1, day=f"2026-03-0{day}", source=source, product=product, file=f"{product}{day}")
    assert store.compact() == 0
    put(store, batch_of(["2026-03-04T11:00:00"], source="a", first=50))
    assert store.compact() == parquet.FEW - 1
    assert sorted(one.rows for one in store.chosen()) == [2] * 9 + [7]
    natures = {batch.logsource.product: batch.rows for batch in store.events(days=["2026-03-04"], sources=["a"])}
    assert set(natures) == {"made", "other"}


@settings(deadline=None, max_examples=25)
@given(
    commits=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 300)), min_size=1, max_size=9),
    most=st.integers(4, 12),
    room=st.integers(500, 8_000),
)
def test_compaction_is_bounded_and_ends(commits: list[tuple[int, int]], most: int, room: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, writing(Path(folder), "x") as store:
        patch.setattr(segment, "ROWS", most)
        patch.setattr(parquet, "SMALL", most)
        patch.setattr(parquet, "MERGED", room)
        first = 1
        for rows, width in commits:
            put(store, batch_of(["2026-03-04T10:00:00"] * rows, first=first, text="x" * width))
            first += rows
        before, count = held(store), len(store.chosen())
        fewer = store.compact()
        assert held(store) == before
        assert len(store.chosen()) == count - fewer
        assert all(one.rows <= most for one in store.chosen())
        for _ in range(count):
            if not store.compact():
                break
        assert store.compact() == 0
        assert held(store) == before


def test_what_is_merged_fits_together_in_the_memory_that_merging_may_take(
    store: WritableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(store, 6, each=3)
    weights = [segment.Segment(store.folder / one.path).weight for one in store.chosen()]
    monkeypatch.setattr(parquet, "MERGED", 2 * max(weights))
    assert store.compact() == 3
    assert sorted(one.rows for one in store.chosen()) == [6, 6, 6]
    monkeypatch.setattr(parquet, "MERGED", min(weights) - 1)
    grown(store, 6, each=3, file="b.log")
    assert store.compact() == 0


def test_readers_go_on_while_segments_are_merged_and_deleted(store: WritableStore) -> None:
    grown(store, 4)
    before = held(store)
    with closing(ParquetStore(store.folder)) as other:
        reading = other.events()
        batches = [next(reading)]
        assert store.compact() == 3
        assert store.delete({"app": date(2030, 1, 1)}, micros(NOW))[0].rows == 8
        assert len(files(store)) == 5
        batches += reading
        assert sorted(batch.event_id(row) for batch in batches for row in range(batch.rows)) == [
            one[1] for one in before
        ]
        assert held(other) == []
    store.sweep()
    assert files(store) == set()


# --- retention --------------------------------------------------------------------------------------------------------


def test_retention_deletes_what_is_old_enough_and_nothing_else(store: WritableStore) -> None:
    put(store, batch_of(["2026-03-01T23:59:59", "2026-03-02T00:00:00", None]), now=datetime(2026, 3, 2, tzinfo=UTC))
    put(store, batch_of(["2026-03-01", "1970-01-01"], source="other"), Reject(1, 0, b"bad", "F41"))
    put(store, None, Reject(1, 0, b"bad", "F41"), origin=origin_of("app"), now=datetime(2026, 3, 1, tzinfo=UTC))
    before = {"app": date(2026, 3, 2)}
    told = store.expired(before)
    assert [(one.source, one.kind, one.day, one.rows) for one in told] == [
        ("app", EVENTS, "2026-03-01", 1),
        ("app", REJECTED, "2026-03-01", 1),
    ]
    assert len(held(store)) == 5
    hashes = {one.path: one.hash for one in store.chosen()}
    assert store.delete(before, micros(NOW)) == told
    assert [one[3] for one in held(store, sources=["app"])] == [3, 2] or numbers(store, sources=["app"]) == [2, 3]
    assert len(held(store, sources=["other"])) == 2
    assert [one["source"] for one in store.rejected()] == ["other"]
    assert files(store) == store.index.paths()
    lines = [json.loads(line) for line in (store.folder / "deleted.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "deleted": "2026-03-05T12:00:00+00:00",
        "source": "app",
        "kind": "events",
        "day": "2026-03-01",
        "first": "2026-03-01T23:59:59+00:00",
        "last": "2026-03-01T23:59:59+00:00",
        "rows": 1,
        "sha256": told[0].hash,
    }
    assert lines[0]["sha256"] in hashes.values()
    assert [one["kind"] for one in lines] == ["events", "rejected"]
    # Undated events go by when they were collected.
    assert store.delete(before, micros(NOW)) == []
    gone = store.delete({"app": date(2026, 3, 3), "other": date(2026, 3, 5), "nobody": date(2030, 1, 1)}, micros(NOW))
    assert [(one.source, one.day) for one in gone] == [("other", "2026-03-01"), ("app", "2026-03-02"), ("app", UNDATED)]
    assert [one.day for one in store.chosen()] == [UNDATED]
    assert len((store.folder / "deleted.jsonl").read_text().splitlines()) == 5


def test_undated_events_of_many_days_are_not_kept_longer_for_being_merged(store: WritableStore) -> None:
    for day in (1, 2):
        for number in range(parquet.FEW):
            first = day * 100 + number
            put(store, batch_of([None], first=first), now=datetime(2026, 3, day, 1 + number, tzinfo=UTC))
    assert store.compact() == 2 * (parquet.FEW - 1)
    assert [one.rows for one in store.delete({"app": date(2026, 3, 2)}, micros(NOW))] == [parquet.FEW]
    assert numbers(store) == [200 + number for number in range(parquet.FEW)]


def test_what_is_deleted_is_written_down_first(store: WritableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(store, 1)
    before = {"app": date(2026, 3, 5)}
    with monkeypatch.context() as patch:
        patch.setattr(store.index, "drop", lambda _: (_ for _ in ()).throw(StoreError("killed here")))
        with pytest.raises(StoreError, match="killed here"):
            store.delete(before, micros(NOW))
    assert len((store.folder / "deleted.jsonl").read_text().splitlines()) == 1
    assert numbers(store) == [1, 2]
    (store.folder / "deleted.jsonl").unlink()
    (store.folder / "deleted.jsonl").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        store.delete(before, micros(NOW))
    assert numbers(store) == [1, 2]


# --- what a killed process leaves, and others at work -----------------------------------------------------------------


def orphans(store: WritableStore) -> list[Path]:
    """Files that the index does not know: in a day that has events, and in one of their own."""
    made = []
    for name in (
        "app/2026-03-04/000009.parquet",
        "app/2026-03-04/000010.parquet.part",
        "gone/2026-01-01/000001.parquet",
    ):
        file = store.folder / "events" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"PAR1")
        made.append(file)
    return made


def test_what_a_killed_process_left_is_removed_when_nobody_reads(store: WritableStore) -> None:
    grown(store, 2)
    left, known = orphans(store), store.index.paths()
    with closing(ParquetStore(store.folder)) as reader, reader.reading():
        store.sweep()
        assert all(one.exists() for one in left)
    store.sweep()
    assert files(store) == known
    assert not (store.folder / "events/gone/2026-01-01").exists()
    assert numbers(store) == [1, 2, 3, 4]


def test_what_a_killed_process_left_is_removed_when_the_store_is_opened_for_writing(tmp_path: Path) -> None:
    with writing(tmp_path, "first") as store:
        grown(store, 1)
        known = store.index.paths()
        left = orphans(store)
    with closing(ParquetStore(tmp_path)) as reader:
        assert numbers(reader) == [1, 2]
    assert all(one.exists() for one in left)
    with writing(tmp_path, "second") as store:
        assert files(store) == known


def test_a_new_segment_takes_no_name_of_one_that_is_there(store: WritableStore) -> None:
    grown(store, 1)
    orphans(store)
    put(store, batch_of(["2026-03-04"], first=90))
    assert {one.path.split("/")[-1] for one in store.chosen()} == {"000001.parquet", "000010.parquet"}


def test_who_writes_second_is_told_who_writes(tmp_path: Path) -> None:
    with writing(tmp_path, "eero on srv-1 (process 7)"):
        with pytest.raises(LockedError, match=r"^eero on srv-1 \(process 7\) is at work here already") as caught:
            writing(tmp_path, "anna").__enter__()
        assert isinstance(caught.value, NothingReadError)
        assert caught.value.holder == "eero on srv-1 (process 7)"
    with (
        writing(tmp_path, "x"),
        pytest.raises(LockedError, match=r"^x is at work here already"),
        writing(tmp_path, "anna"),
    ):
        pass
    with writing(tmp_path, "anna") as store:
        grown(store, 1)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kyber.logs.store.parquet import writing\n"
        "with writing(Path(sys.argv[1]), 'the other'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError) as caught:
            writing(tmp_path, "me").__enter__()
        assert caught.value.holder == "the other"
        other.kill()
    with writing(tmp_path, "me") as store:
        assert held(store) == []


def test_what_goes_wrong_while_the_store_is_open_is_not_said_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing(tmp_path, "me"):
        (tmp_path / "nothing").read_bytes()


# --- a store that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda file: file.write_bytes(b"PAR1"), lambda file: os.truncate(file, 90)]
)
def test_a_segment_that_is_missing_or_damaged_is_named(damage: Callable[[Path], object], tmp_path: Path) -> None:
    with writing(tmp_path, "me") as store:
        grown(store, parquet.FEW)
        put(store, None, Reject(9, 1_000, b"bad", "F41"))
    (broken,) = (one for one in store_of(tmp_path) if one.path.endswith("000002.parquet"))
    damage(tmp_path / broken.path)
    named = pytest.raises(StoreError, match=rf"{broken.path} cannot be read \(.+\): bring it back from a backup")
    with writing(tmp_path, "me") as store:
        with named:
            held(store)
        with named:
            store.compact()
        with named:
            put(store, batch_of(["2026-03-04"] * 9))
        assert numbers(store, days=["2026-03-03"]) == []
        (rejects,) = store.index.segments(REJECTED)
        damage(tmp_path / rejects.path)
        with pytest.raises(StoreError, match=rf"{rejects.path} cannot be read"):
            list(store.rejected())


def store_of(folder: Path) -> list[SegmentInfo]:
    with closing(ParquetStore(folder)) as store:
        return store.chosen()


def test_a_segment_whose_values_are_damaged_is_named_when_they_are_read(tmp_path: Path) -> None:
    with writing(tmp_path, "me") as store:
        put(store, batch_of(["2026-03-04"] * 200, text="x" * 20))
    (info,) = store_of(tmp_path)
    file = tmp_path / info.path
    whole = bytearray(file.read_bytes())
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    whole[4:footer] = bytes(footer - 4)
    file.write_bytes(whole)
    with closing(ParquetStore(tmp_path)) as reader:
        (batch,) = reader.events()
        for read in (lambda: batch.raw, lambda: batch.times, lambda: batch.event_id(0)):
            with pytest.raises(StoreError, match=f"{info.path} cannot be read"):
                read()


def test_events_whose_field_table_is_gone_are_told_of(store: WritableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(store, 1)
    (info,) = store.chosen()
    opened = segment.Segment(store.folder / info.path)
    opened.nature = replace(opened.nature, table="amiga")
    monkeypatch.setattr(store, "_opened", lambda _: opened)
    with pytest.raises(StoreError, match="needs the field table 'amiga'"):
        list(store.events())


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no rights to take away here")
@pytest.mark.parametrize("call", ["writing(folder, 'me').__enter__()", "ParquetStore(folder)"])
def test_a_folder_that_may_not_be_written_is_told_of(call: str) -> None:
    with TemporaryDirectory() as top:
        folder = Path(top) / ".kyber"
        with writing(folder, "me") as store:
            grown(store, 1)
        Path(top).chmod(0o755)  # so that another account gets to the folder
        for file in (*folder.rglob("*"), folder):
            file.chmod(0o555 if file.is_dir() else 0o444)
        code = (
            "import os, sys; from pathlib import Path; from kyber.logs.store.parquet import ParquetStore, writing\n"
            "if os.geteuid() == 0: os.setgroups([]); os.setuid(65534)\n"  # root may write anywhere
            f"folder = Path(sys.argv[1])\n{call}"
        )
        ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
        folder.chmod(0o755)
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("kyber.logs.store.index.StoreError: ")
    assert str(folder) in last


def test_where_a_file_takes_the_place_of_the_folder_that_is_told(tmp_path: Path) -> None:
    (tmp_path / ".kyber").write_text("")
    with pytest.raises(StoreError, match=r"\.kyber cannot be written"), writing(tmp_path / ".kyber", "me"):
        pass


def test_an_index_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with writing(tmp_path, "me") as store:
        grown(store, 1)
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as index:
        index.execute("pragma user_version = 99")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.parquet")}
    with pytest.raises(StoreError, match=r"index\.sqlite was written by another version of kyber \(99, not 2\)"):
        writing(tmp_path, "me").__enter__()
    with pytest.raises(StoreError, match="another version"):
        ParquetStore(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.parquet")} == before


def torn(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def overwritten(file: Path) -> None:
    file.write_bytes(b"\xa5" * file.stat().st_size)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [torn, overwritten, emptied, Path.unlink])
def test_a_damaged_or_missing_index_is_told_of_and_costs_no_event(
    damage: Callable[[Path], object], tmp_path: Path
) -> None:
    with writing(tmp_path, "me") as store:
        grown(store, 3)
        put(store, None, Reject(9, 1_000, b"bad", "F41"))
    file = tmp_path / "index.sqlite"
    assert not file.with_name("index.sqlite-wal").exists()
    whole, before = file.read_bytes(), {one: one.read_bytes() for one in tmp_path.rglob("*.parquet")}
    damage(file)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"index\.sqlite"):
            writing(tmp_path, "me").__enter__()
        with pytest.raises(StoreError, match=r"index\.sqlite"), closing(ParquetStore(tmp_path)) as reader:
            list(reader.events())
    assert {one: one.read_bytes() for one in tmp_path.rglob("*.parquet")} == before
    file.write_bytes(whole)
    with closing(ParquetStore(tmp_path)) as reader:
        assert numbers(reader) == [1, 2, 3, 4, 5, 6]


def test_an_index_that_was_just_made_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").touch()
    with writing(tmp_path, "me") as store:
        grown(store, 1)
        assert numbers(store) == [1, 2]


# --- what the index remembers -----------------------------------------------------------------------------------------


def test_answers_are_kept_for_the_segments_that_are_there_and_forgotten_with_them(store: WritableStore) -> None:
    grown(store, 4)
    one, two, three, _ = store.chosen()
    first, second = (store.batch(info).read.memory for info in (one, two))
    assert first is not None
    assert second is not None
    assert first.get(b"asked") is None
    first[b"asked"], second[b"asked"] = b"yes", b"no"
    store.remember()

    def known() -> list[bytes | None]:
        return [store.index.answer(info.id, question) for info in (one, two) for question in (b"asked", b"other")]

    assert known() == [b"yes", None, b"no", None]
    assert first.get(b"asked") == b"yes"
    second[b"other"] = b"maybe"
    store.remember()  # what was asked of a segment takes the place of what was asked before
    assert known() == [b"yes", None, None, b"maybe"]
    third = store.batch(three).read.memory
    assert third is not None
    third[b"asked"] = b"yes"
    store.compact()
    store.remember()
    assert [store.index.answer(info.id, b"asked") for info in (one, two, three)] == [None] * 3
    # A number is not given twice, so that a late answer cannot fall upon another segment.
    store.delete({"app": date(2030, 1, 1)}, micros(NOW))
    grown(store, 1, file="b.log")
    assert store.chosen()[0].id > max(one.id, two.id, three.id) + 1


def test_times_that_are_not_known_are_no_times(store: WritableStore) -> None:
    put(store, batch_of([None, "soon"]))
    (batch,) = store.events()
    assert batch.times.tolist() == [NO_TIME, NO_TIME]
    assert store.totals()["app"].last is None
    assert DAY == 24 * 3_600 * 1_000_000
