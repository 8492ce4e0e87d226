"""What a query calls a field -> the columns of a batch. Some names are kyber's own and no field of an event: OWN.

A field is looked for as rules look for it, by its canonical (ECS), native or Sigma name. Upper and lower case make no
difference; where an event has several spellings, the one that was asked for comes first.
"""

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import cached_property
from typing import Final

import numpy as np

from kyber.logs.batch import EventBatch
from kyber.logs.column import ABSENT, Column, Rows
from kyber.logs.schema import Drawn, Table

TIME: Final = frozenset(("time", "@timestamp"))
"""When the event happened, as its product's table says."""
SOURCE: Final = "source"
"""The id of the log source."""
FILE: Final = "file"
"""The file that the event was read from."""
RECORD: Final = "kyber.record"
"""The number of the event's first record in the file, from 1."""
ID: Final = "kyber.id"
"""The event's deterministic id."""
OWN: Final = frozenset((*TIME, SOURCE, FILE, RECORD, ID))
SUGGESTIONS: Final = 3


class Fields:
    """The fields of one batch, by any name that a person may give them."""

    def __init__(self, batch: EventBatch) -> None:
        self.batch = batch

    @cached_property
    def native(self) -> dict[str, list[str]]:
        """A name in lower case -> the native and derived columns that are spelled so."""
        found: dict[str, list[str]] = {}
        for name in sorted((*self.batch.names, *self.batch.derived)):
            found.setdefault(name.lower(), []).append(name)
        return found

    def names(self, field: str) -> tuple[str, ...]:
        """The columns in which a field is looked for, in order; the first that an event has is its value."""
        known = tuple(where_is(self.batch.table, field))
        spelled = (name for one in known for name in self.native.get(one.lower(), ()))
        return tuple(dict.fromkeys((*known, *spelled)))

    def column(self, field: str, held: Rows | None = None) -> Column | None:
        """A field of each event, None where no event has it. `held`: no other rows need be in it."""
        batch = self.batch
        if field == SOURCE:
            return Column(np.zeros(batch.rows, dtype=np.int32), [batch.source])
        if field == FILE:
            return self._own(lambda row: batch.origin(row).file, held)
        if field == RECORD:
            return self._own(lambda row: batch.records[row], held)
        if field == ID:
            return self._own(batch.event_id, held)
        return batch.first_of(self.names(field), held)

    def _own(self, value: Callable[[int], str | int], held: Rows | None) -> Column:
        """What is known of each event beside its fields."""
        codes, index = np.full(self.batch.rows, ABSENT, dtype=np.int32), dict[str | int, int]()
        for row in range(self.batch.rows) if held is None else np.flatnonzero(held).tolist():
            codes[row] = index.setdefault(value(row), len(index))
        return Column(codes, list(index))

    def has(self, field: str) -> bool:
        """Whether some event may have the field; told from names alone."""
        if field in OWN:
            return self.batch.rows > 0
        table, native = self.batch.table, set(self.batch.names)
        return any(
            name in self.batch.derived
            or any(one.column in native for one in (*table.columns.get(name, ()), Drawn(name)))
            for name in self.names(field)
        )

    def here(self) -> Iterator[str]:
        """The names of the fields that some event may have: canonical ones, and native ones."""
        yield from self.batch.names
        yield from self.batch.derived
        yield from (name for name in self.batch.table.columns if self.has(name))


def native(table: Table, field: str) -> frozenset[str]:
    """The native columns of a product in which a field may be found, as far as its table tells."""
    if field in TIME:
        return frozenset(clock.column for clock in table.time)
    known = tuple(where_is(table, field))
    drawn = (one for name in known for one in table.columns.get(name, ()))
    return frozenset(known) | {name for one in drawn for name in (one.column, *(column for column, _ in one.when))}


def where_is(table: Table, field: str) -> Iterator[str]:
    """Where the product's table looks for the field: as it is written, then as it is spelled otherwise."""
    yield from table.where_is(field)
    folded = field.lower()
    for name in (*table.fields, *table.columns):
        if name.lower() == folded and name != field:
            yield from table.where_is(name)


def nearest(field: str, known: Iterable[str]) -> list[str]:
    """Names that may have been meant, the likeliest first."""
    folded, names = field.lower(), {name.lower(): name for name in sorted(known, key=len, reverse=True)}
    parts = folded.split(".")
    holding = sorted((name for name in names if set(parts) <= set(name.split("."))), key=len)
    alike = get_close_matches(folded, names, SUGGESTIONS, 0.7)
    return [names[name] for name in dict.fromkeys((*holding, *alike))][:SUGGESTIONS]
