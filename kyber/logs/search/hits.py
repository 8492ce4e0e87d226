"""Rows that match -> events to show, in the order that was asked for. Only what is shown is held in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import chain, islice
from typing import Any, Final

import numpy as np

from kyber.logs.batch import EventBatch
from kyber.logs.column import Column, Places
from kyber.logs.search.fields import OWN, TIME, Fields
from kyber.logs.search.query import QueryError
from kyber.logs.values import NO_TIME, Value, fold, number, parts, text

MAX_SORTED: Final = 1_000_000
"""Events that are sorted where no limit says how many are shown."""
AT_ONCE: Final = 16_384
"""Rows of which events are made at once."""

Found = Iterable[tuple[EventBatch, Places]]
"""Batches, and the rows of each that match, ascending."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that matches: where and when (microseconds, or NO_TIME), its record and the fields that are shown.

    `fields` are by the names that were asked for, or else all of them: native and canonical. `raw` is empty where it
    was not asked for.
    """

    id: str
    time: int
    source: str
    file: str
    record: int
    fields: Mapping[str, Value]
    raw: str = ""

    def changed(self, change: Callable[[str], str]) -> "Hit":
        """The same event with every text in it changed."""
        return Hit(
            id=self.id,
            time=self.time,
            source=change(self.source),
            file=change(self.file),
            record=self.record,
            fields={change(name): _changed(value, change) for name, value in self.fields.items()},
            raw=change(self.raw),
        )


def _changed(value: Value, change: Callable[[str], str]) -> Value:
    if isinstance(value, tuple):
        return tuple(change(part) if isinstance(part, str) else part for part in value)
    return change(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Shown:
    """What of an event is shown: fields by name, all of them where None; those of its product's table with `table`."""

    fields: tuple[str, ...] | None = None
    table: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """By which field events are sorted: numbers, then texts, or the reverse. Events without the field come last."""

    field: str = "time"
    descending: bool = False


def hits(batch: EventBatch, rows: Places, shown: Shown) -> Iterator[Hit]:
    """Some rows of a batch as events, in the order of the rows."""
    whole = shown.fields is None and not shown.table
    columns = list(_columns(batch, rows, shown))
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        values = _native(batch, some) if whole else [dict[str, Value]() for _ in some]
        for name, column in columns:
            for found, code in zip(values, column.codes[some].tolist(), strict=True):
                if code >= 0:
                    found[name] = column.values[code]
        for row, time, found in zip(some.tolist(), batch.times[some].tolist(), values, strict=True):
            yield Hit(
                id=batch.event_id(row),
                time=time,
                source=batch.source,
                file=batch.origin(row).file,
                record=batch.records[row],
                fields=found,
                raw=batch.raw[row].decode("utf-8", "replace") if shown.raw else "",
            )


def _columns(batch: EventBatch, rows: Places, shown: Shown) -> Iterator[tuple[str, Column]]:
    """The fields that are shown by name: those that were asked for, or the canonical ones."""
    fields, held = Fields(batch), np.zeros(batch.rows, dtype=bool)
    held[rows] = True
    names = (*(shown.fields or ()), *(batch.table.shown if shown.table else ()))
    if shown.fields is None and not shown.table:
        names = (*batch.table.columns, *batch.derived)
    for name in dict.fromkeys(names):
        column = None if name in OWN else fields.column(name, held)
        if column is not None:
            yield name, column


def _native(batch: EventBatch, rows: Places) -> list[dict[str, Value]]:
    """All that each of the rows holds, by native names."""
    found = [dict[str, Value]() for _ in rows]
    places = np.zeros(batch.rows, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    for name, cells, column in batch.cells(rows):
        for place, code in zip(places[cells].tolist(), column.codes.tolist(), strict=True):
            found[place][name] = column.values[code]
    return found


def in_order(found: Found, shown: Shown, order: Order | None, limit: int | None) -> Iterator[Hit]:
    """The events, sorted where an order is given, the first `limit` of them. Raises QueryError.

    What is unsorted is given as it comes, and nothing is read any more when the limit is reached.
    """
    if order is None:
        yield from islice(chain.from_iterable(hits(batch, rows, shown) for batch, rows in found), limit)
        return
    choose = nlargest if order.descending else nsmallest
    best: list[tuple[Any, Hit]] = []
    for batch, rows in found:
        keys = _keys(batch, rows, order)
        if limit is None:
            if len(best) + len(rows) > MAX_SORTED:
                raise QueryError(f"more than {MAX_SORTED:,} events to sort: ask for less, or say --limit")
            places: Iterable[int] = range(len(rows))
        else:
            places = choose(limit, range(len(rows)), key=keys.__getitem__)
            if len(best) >= limit:
                worst = best[-1][0]
                places = [one for one in places if (keys[one] > worst if order.descending else keys[one] < worst)]
        places = sorted(places)
        new = zip(
            [keys[one] for one in places], hits(batch, rows[np.array(places, dtype=np.int64)], shown), strict=True
        )
        if limit is None:
            best.extend(new)
        else:
            best = choose(limit, chain(best, new), key=lambda one: one[0])
    if limit is None:
        best.sort(key=lambda one: one[0], reverse=order.descending)
    yield from (hit for _, hit in best)


def _keys(batch: EventBatch, rows: Places, order: Order) -> list[Any]:
    """What each of the rows is sorted by; no two events have the same."""
    times = batch.times[rows].tolist()
    rest = [
        (order.descending ^ (time == NO_TIME), time, batch.source, batch.origin(row).file, batch.records[row], place)
        for place, (row, time) in enumerate(zip(rows.tolist(), times, strict=True))
    ]
    if order.field in TIME:
        return rest
    column = Fields(batch).column(order.field)
    none = (not order.descending, 0, 0, "")
    if column is None:
        return [(none, one) for one in rest]
    values = [*(_key(value, order.descending) for value in column.values), none]
    return [(values[code], one) for code, one in zip(column.codes[rows].tolist(), rest, strict=True)]


def _key(value: Value, descending: bool) -> tuple[bool, int, int | float, str]:
    first = next(iter(parts(value)), None)
    if first is None:
        return (not descending, 0, 0, "")
    found = number(first)
    if found is not None and found == found:
        return (descending, 0, found, "")
    return (descending, 1, 0, fold(text(first)))
