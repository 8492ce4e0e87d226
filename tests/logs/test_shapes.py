"""Events gathered by their shape have the same columns as events that are not."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs import shapes
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import table
from kyber.logs.shapes import Shapes
from kyber.logs.values import parts

ORIGIN = Origin("s", "f", b"", UTC)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(("", "a", "B"))
KEYS = st.sampled_from(("a", "A", "b", "a.b", "b.c", "c"))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
KINDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=4)


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of few shapes, now and then with other values."""
    kinds = draw(KINDS)
    chosen = draw(st.lists(st.sampled_from(kinds), max_size=30))
    return [one if draw(st.booleans()) else {key: draw(VALUES) for key in one} for one in chosen]


def rows(batch: EventBatch) -> Iterator[tuple[bytes, int, int, int, dict[str, Any]]]:
    columns = {name: batch.column(name) for name in batch.names}
    for row in range(batch.rows):
        values = {
            name: repr(parts(column.at(row)))
            for name, column in columns.items()
            if column is not None and column.codes[row] >= 0
        }
        cells = {  # a name that stands twice in an event stands there twice
            name: repr(tuple(part for code in column.codes.tolist() for part in parts(column.values[code])))
            for name, places, column in batch.cells(np.array([row]))
            if set(places.tolist()) == {row}
        }
        assert cells == values
        held = batch.read.held
        yield batch.raw[row], batch.records[row], batch.offsets[row], held[row] if held else 1, values


def together(batches: Sequence[EventBatch]) -> list[tuple[bytes, int, int, int, dict[str, Any]]]:
    return sorted((row for batch in batches for row in rows(batch)), key=lambda row: row[1])


@given(logs(), st.booleans(), st.booleans(), st.sampled_from((str, str.lower)), st.sets(KEYS), st.integers(1, 9))
def test_gathered_events_have_the_columns_that_they_have_ungathered(
    events: list[dict[str, Any]], again: bool, joined: bool, named: Any, wanted: set[str], few: int
) -> None:
    raw = [orjson.dumps(one) for one in events]
    events = list(map(orjson.loads, raw))

    def parsed(start: int, stop: int) -> Parsed:
        numbers = list(range(start, stop))
        held = [1 + number % 3 for number in numbers] if joined and start % 2 else []
        loads = orjson.loads if again else None
        return Parsed(events[start:stop], raw[start:stop], numbers, [7 * one for one in numbers], held, again=loads)

    def batch(one: Parsed) -> EventBatch:
        return EventBatch(one, ORIGIN, LogSource(), table("json"), named)

    parts = [(start, min(start + few, len(events))) for start in range(0, len(events), few)]
    with (
        patch.object(shapes, "FEW", 2),
        patch.object(shapes, "READY", 5),
        patch.object(shapes, "PENDING", 200),
        patch.object(shapes, "MAX_VALUES", 2_000),
    ):
        gathering = Shapes(named, frozenset(wanted))
        found = [batch(one) for start, stop in parts for one in gathering.add(parsed(start, stop))]
        found += map(batch, gathering.rest())
        assert gathering.size == 0
    assert together(found) == together([batch(parsed(start, stop)) for start, stop in parts])


def test_only_columns_that_are_asked_for_are_made_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "FEW", 1)
    monkeypatch.setattr(shapes, "READY", 2)
    raw = [orjson.dumps({"a": number, "b": "x", "c": None}) for number in range(6)]
    gathering, made = Shapes(str, frozenset(("a", "b"))), []
    for start in range(0, 6, 2):
        events = list(map(orjson.loads, raw[start : start + 2]))
        given = Parsed(events, raw[start : start + 2], [1, 2], [0, 9], again=orjson.loads)
        for one in gathering.add(given):
            assert isinstance(one.fields, shapes.Alike)
            made.append(set(one.fields.columns))
            column = one.fields.column("c")
            assert column is not None
            assert column.values == [None]
            assert one.fields.column("d") is None
    assert made == [{"a", "b"}, {"c"}, {"c"}]
