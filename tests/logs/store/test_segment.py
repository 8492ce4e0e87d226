"""A segment gives back what was written into it, whatever the events look like, alone and merged with others."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin, Parsed, Reject, event_id
from kyber.logs.column import Column
from kyber.logs.flattened import OTHERS
from kyber.logs.formats import Context
from kyber.logs.formats.json import JsonParser
from kyber.logs.schema import table
from kyber.logs.store import segment
from kyber.logs.store.index import StoreError
from kyber.logs.store.segment import Nature, Segment
from kyber.logs.values import NO_TIME, Value, parts

ZONE = ZoneInfo("Europe/Helsinki")
MADE = LogSource("made", None, "thing")
CONTEXT = Context(reference=None, zone=UTC)  # type: ignore[arg-type]
OWN = ["kyber.time", "kyber.id", "kyber.raw", "kyber.commit", "kyber.field.a", 'kyber.field."', "kyber.x", OTHERS]
KEYS = st.one_of(
    st.sampled_from(["a", "A", "b", "a.b", "", ".", "ä", "\0", '"', "@timestamp", "host", "name", "message", *OWN]),
    st.text(max_size=4),
)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, -(2**63), 2**63, 2**64, 10**40]),
    st.sampled_from([0.0, 1.0, -0.0, math.inf, -math.inf, math.nan, 1e300]),
    st.sampled_from(["", "a", "A", "1", "true", "null", "\0", "a\0", "NaN"]),
)
TIMES = st.sampled_from(
    ["2026-03-04T05:06:07.123456Z", "2026-03-04 05:06", "1969-12-31T23:59:59Z", "soon", 1.5e9, None]
)
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
EVENT = st.dictionaries(KEYS, NESTED, max_size=5) | st.fixed_dictionaries(
    {"@timestamp": TIMES}, optional={"host": st.fixed_dictionaries({"name": SCALARS}), "a": NESTED, "message": SCALARS}
)
EVENTS = st.lists(EVENT, min_size=1, max_size=8)
FILES = st.sampled_from(["", "app.log", "ä.log", "a b/ä\0.log"])


@pytest.fixture(autouse=True, scope="module")
def few_records_are_joined_at_a_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "TOGETHER", 3)
        yield


def batch_of(events: Sequence[Mapping[str, Any]], held: Sequence[int] = (), origin: Origin | None = None) -> EventBatch:
    """The events as JSON lines would bring them; `held` says how many records each of them is made of."""
    raw = [json.dumps(event).encode() for event in events]
    offsets = np.cumsum([0, *(len(one) + 1 for one in raw)])[:-1].tolist()
    parsed = JsonParser().feed(Chunk(raw, offsets))
    assert len(parsed.events) == len(events)
    parsed.held = list(held)
    return EventBatch(parsed, origin or Origin("one", "a.log", b"\x01" * 32, ZONE), MADE, table("json"), json=True)


def written(batch: EventBatch, folder: str | Path, rows: Sequence[int] | None = None, commit: int = 7) -> Segment:
    """Some rows of a batch as a segment on the disk, opened."""
    places = np.array(range(batch.rows) if rows is None else rows, dtype=np.int64)
    return saved(segment.as_table(batch, places, [batch.event_id(row) for row in places.tolist()], commit), folder)


def saved(made: pa.Table, folder: str | Path) -> Segment:
    file = Path(folder) / f"{len(list(Path(folder).iterdir()))}.parquet"
    segment.write(made, file)
    return Segment(file)


def typed(value: Value) -> object:
    """A value that equals only what is of its kind too, and NaN itself."""
    if isinstance(value, tuple):
        return ("array", *map(typed, value))
    return (type(value).__name__, "nan" if isinstance(value, float) and math.isnan(value) else value)


def held_in(column: Column | None, row: int) -> object:
    """What a row holds of a column, and whether it has it at all."""
    return "absent" if column is None or column.codes[row] < 0 else typed(column.at(row))


def said(batch: EventBatch, row: int, names: Sequence[str]) -> dict[str, object]:
    """All that can be asked of one event."""
    cells: dict[str, list[object]] = {}
    for name, places, column in batch.cells(np.array([row])):
        assert set(places.tolist()) == {row}
        cells.setdefault(name, []).extend(
            typed(part) for code in column.codes.tolist() for part in parts(column.values[code])
        )
    ((joined, ends),) = batch.read.joined(np.array([row]))
    return {
        "columns": {name: held_in(batch.column(name), row) for name in names},
        "cells": cells,
        "time": int(batch.times[row]),
        "id": batch.event_id(row),
        "raw": batch.raw[row],
        "record": batch.records[row],
        "offset": batch.offsets[row],
        "held": batch.read.held[row] if batch.read.held else 1,
        "origin": batch.origin(row),
        "joined": (joined, ends.tolist()),
        "nature": Nature.of(batch),
    }


@cache
def canonical() -> tuple[str, ...]:
    return tuple(table("json").columns)


def names_of(batches: Sequence[EventBatch]) -> list[str]:
    return sorted({name for batch in batches for name in batch.names} | set(canonical()) | {"nothing", "kyber.nothing"})


@st.composite
def some_batches(draw: st.DrawFn, most: int) -> list[EventBatch]:
    """Batches of one nature from several files, whose columns are of many kinds."""
    made = []
    for number in range(draw(st.integers(1, most))):
        events = draw(EVENTS)
        held = draw(st.just(()) | st.lists(st.integers(1, 9), min_size=len(events), max_size=len(events)).map(tuple))
        made.append(batch_of(events, held, Origin("one", draw(FILES), bytes([number]) * 32, ZONE)))
    return made


DEEP: dict[str, Any] = {}
inner = DEEP
for _ in range(70):
    inner["d"] = inner = {}
inner["d"] = [1, "x"]

MIXED: list[dict[str, Any]] = [{"a": one} for one in (1, 1.0, True, "1", None, [1, True, None, 1.0], [], {"b": 1})]


@settings(deadline=None, max_examples=30)
@given(some_batches(1), st.randoms(use_true_random=False))
@example([batch_of([*MIXED, {}])], None)
@example([batch_of([DEEP])], None)
@example([batch_of([{name: index for index, name in enumerate(OWN)}] * 2)], None)
@example([batch_of([{}])], None)
def test_a_segment_gives_back_all_that_was_written(batches: list[EventBatch], seed: Any) -> None:
    (batch,) = batches
    rows = sorted(seed.sample(range(batch.rows), seed.randint(1, batch.rows))) if seed else list(range(batch.rows))
    with TemporaryDirectory() as folder:
        read = written(batch, folder, rows).batch()
        names = names_of([batch])
        assert set(read.names) <= set(batch.names)
        assert read.rows == len(rows)
        for row, source in enumerate(rows):
            assert said(read, row, names) == said(batch, source, names)
        assert_whole(read, batch, rows)


def assert_whole(read: EventBatch, batch: EventBatch, rows: Sequence[int]) -> None:
    """What is asked of many rows at once is what is asked of each."""
    places = np.arange(read.rows)
    raw = [batch.raw[row] for row in rows]
    for step in (1, 2):
        left = raw[::step]
        for joined, ends in read.read.joined(places[::step]):
            here, left = left[: len(ends)], left[len(ends) :]
            assert 0 < len(here) <= segment.TOGETHER
            assert (joined, ends.tolist()) == (b"".join(here), np.cumsum([len(one) for one in here]).tolist())
        assert left == []
    assert list(read.raw) == raw == read.raw[:] == read.raw[::-1][::-1]
    found: dict[str, dict[int, object]] = {}
    for name, there, column in read.cells(places):
        assert len(column.codes) == len(there)
        found[name] = {row: typed(column.at(at)) for at, row in enumerate(there.tolist())}
    for name in read.names:
        assert found.pop(name) == {
            row: held for row in range(read.rows) if (held := held_in(read.fields.column(name), row)) != "absent"
        }
    assert found == {}


@settings(deadline=None, max_examples=40)
@given(some_batches(4))
@example([batch_of([one]) for one in MIXED])
@example([batch_of([{"a": math.nan}] * 2), batch_of([{"a": math.nan}, {"a": 2**70}])])
@example([batch_of([{}]), batch_of([{"kyber.id": 1, "KYBER.ID": "x", "": "\0"}])])
def test_merged_segments_give_back_all_that_each_of_them_held_in_order_of_time(batches: list[EventBatch]) -> None:
    with TemporaryDirectory() as folder:
        parts_ = [written(one, folder, commit=commit) for commit, one in enumerate(batches)]
        merged = saved(segment.merged(parts_), folder)
        read, names = merged.batch(), names_of(batches)
        order = sorted(
            ((int(one.times[row]), at, row) for at, one in enumerate(batches) for row in range(one.rows)),
            key=lambda known: (known[0] == NO_TIME, known),
        )
        assert read.rows == len(order)
        for place, (_, at, row) in enumerate(order):
            assert said(read, place, names) == said(batches[at], row, names)
        assert merged.array("kyber.commit").to_pylist() == [at for _, at, _ in order]
        again = saved(segment.merged([merged, *parts_[:1]]), folder).batch()
        twice = {at for at, one in enumerate(order) if one[1] == 0}
        assert sorted(again.event_id(row) for row in range(again.rows)) == sorted(
            read.event_id(row) for row in range(read.rows) for _ in range(1 + (row in twice))
        )


@pytest.mark.parametrize("half", ["\ud800", "x\udfff", "\udc00\ud800"])
def test_half_a_character_is_kept_in_values_and_in_names(half: str, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [{half: "x", "a": half, "b": (1, half)}, {half + "2": 1, "a": "whole"}, {}]
    parsed = Parsed(events=events, raw=[b"{}"] * 3, numbers=[1, 2, 3], offsets=[0, 3, 6])
    batch = EventBatch(parsed, Origin("one", "a", b"", ZONE), MADE, table("json"))
    first = written(batch, tmp_path)
    names = names_of([batch])
    for read in (first.batch(), saved(segment.merged([first]), tmp_path).batch()):
        assert [said(read, row, names) for row in range(3)] == [said(batch, row, names) for row in range(3)]


def test_a_file_whose_name_is_no_text_can_be_stored(tmp_path: Path) -> None:
    read = written(batch_of([{}], origin=Origin("one", "\udce4.log", b"f", ZONE)), tmp_path).batch()
    assert read.origin(0).file == "?.log"
    made = segment.rejected([("00" * 16, Reject(1, 0, b"x", "F41"))], Origin("one", "\udce4.log", b"f", ZONE), 1)
    segment.write(made, tmp_path / "rejected.parquet")
    assert [one["file"] for one in segment.rows(tmp_path / "rejected.parquet")] == ["?.log"]


def test_fields_beyond_the_most_that_are_told_apart_are_kept_together(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("kyber.logs.flattened.MAX_COLUMNS", 2)
    batch = batch_of([{"a": 1, "b": 2, "c": 3, "d": "x"}])
    read = written(batch, tmp_path).batch()
    assert set(read.names) == {"a", "b", OTHERS}
    assert held_in(read.column(OTHERS), 0) == held_in(batch.column(OTHERS), 0) == typed((3, "x"))


def test_columns_are_stored_as_what_they_are_so_that_other_programs_read_them(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [
        {"t": "x", "i": 1, "f": 1.5, "b": True, "m": 1, "n": None, "big": 2**63, "kyber.id": "y"},
        {"m": "1"},
    ]
    made = pq.read_table(written(batch_of(events), tmp_path).path)
    kinds = {name: str(made.schema.field(name).type) for name in ("t", "i", "f", "b")}
    text = "dictionary<values=string, indices=int32, ordered=0>"
    assert kinds == {"t": text, "i": "int64", "f": "double", "b": "bool"}
    as_json = {one.name for one in made.schema if (one.metadata or {}).get(b"kyber") == b"json"}
    assert as_json == {"m", "n", "big"}
    assert made.column("m").to_pylist() == ["1", '"1"']
    assert made.column("n").to_pylist() == ["null", None]
    assert made.column("kyber.field.kyber.id").to_pylist() == ["y", None]


def test_the_zone_of_a_segment_counts_when_its_times_are_read_anew(tmp_path: Path) -> None:
    batch = batch_of([{"@timestamp": "2026-07-01T12:00:00"}])
    read = written(batch, tmp_path).batch()
    assert str(read.zone) == "Europe/Helsinki"
    assert read.times.tolist() == batch.times.tolist() == [1_782_896_400_000_000]


def test_rejected_records_are_given_back_with_their_reasons(tmp_path: Path) -> None:
    origin = Origin("one", "a.log", b"f" * 32, ZONE)
    rejects = [
        Reject(3, 40, b"\xff\x00 not\nJSON", "F41", {"why": "no", "at": 3}, held=2),
        Reject(9, 90, b"", "F40", {"kind": "list", "path": Path("x")}),
    ]
    ids = [event_id(origin, one.offset, one.raw) for one in rejects]
    segment.write(segment.rejected(list(zip(ids, rejects, strict=True)), origin, 1), tmp_path / "r")
    assert list(segment.rows(tmp_path / "r")) == [
        {
            "file": "a.log",
            "record": 3,
            "offset": 40,
            "reason": "F41",
            "facts": {"why": "no", "at": 3},
            "raw": rejects[0].raw,
        },
        {
            "file": "a.log",
            "record": 9,
            "offset": 90,
            "reason": "F40",
            "facts": {"kind": "list", "path": "x"},
            "raw": b"",
        },
    ]
    assert segment.ids(tmp_path / "r") == ids
    assert list(segment.lines(tmp_path / "r", b"f" * 32)) == [(40, b"\xff\x00 not"), (47, b"JSON")]
    assert list(segment.lines(tmp_path / "r", b"another")) == []


# --- what is no segment, or a damaged one -----------------------------------------------------------------------------


def everything(file: Path) -> list[object]:
    """All that is read of a segment."""
    opened = Segment(file)
    read = opened.batch()
    found: list[object] = [said(read, row, sorted(read.names)) for row in range(read.rows)]
    return [*found, sorted(read.names), opened.weight, segment.ids(file), list(segment.lines(file, b"\x01" * 32))]


EVENTS_OF_A_DAY = [{"@timestamp": f"2026-03-04T05:06:{at:02}Z", "text": f"event {at % 7}", "n": at} for at in range(12)]


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_damaged_segment_is_told_of_and_never_read_as_another(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        opened = written(batch_of(EVENTS_OF_A_DAY), folder)
        file, whole = opened.path, opened.path.read_bytes()
        before = everything(file)
        footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
        at = data.draw(st.integers(0, footer - 1), label="byte")
        damaged = bytearray(whole)
        damaged[at] ^= data.draw(st.integers(1, 255), label="flipped")
        file.write_bytes(damaged)
        try:
            found = everything(file)
        except StoreError as error:
            found = [str(error).startswith(f"{file} cannot be read")]
        assert found in (before, [True])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_segment_that_was_cut_short_is_told_of(share: float, tmp_path: Path) -> None:
    file = written(batch_of(EVENTS_OF_A_DAY), tmp_path).path
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    for read in (everything, segment.ids, lambda one: list(segment.rows(one))):
        with pytest.raises(StoreError, match="bring it back"):
            read(file)


def test_what_is_no_segment_is_told_of(tmp_path: Path) -> None:
    other = tmp_path / "other"
    pq.write_table(pa.table({"a": [1]}), other)
    later = tmp_path / "later"
    nature = orjson.dumps({**orjson.loads(Nature.of(batch_of([{}])).dump()), "version": 2})
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"kyber": nature}), later)
    for file, why in ((other, "no segment"), (later, "another version"), (tmp_path / "none", "No such file")):
        with pytest.raises(StoreError, match=why):
            Segment(file)
