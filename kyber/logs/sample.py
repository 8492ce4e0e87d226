"""One event of a batch in, what a finding shows of it out: where it was read, when it happened, and what it was."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from kyber.finding import Sample
from kyber.logs.batch import EventBatch
from kyber.logs.values import as_datetime, shown
from kyber.privacy import shortened

LONGEST: Final = 4_096
"""Characters of a value that a finding shows; the raw record holds the rest."""


def sample(batch: EventBatch, row: int, identity: str, time: int, fields: Mapping[str, str] | None = None) -> Sample:
    """An event, with the columns that its product's field table shows, or with these."""
    shown_ = next(iter(fields_of(batch, [row]))) if fields is None else fields
    return Sample(identity, batch.origin(row).file, batch.records[row], as_datetime(time), shown_)


def fields_of(batch: EventBatch, rows: Sequence[int]) -> list[dict[str, str]]:
    """Of some events, the columns that their product's field table shows."""
    found: list[dict[str, str]] = [{} for _ in rows]
    places = np.array(rows, dtype=np.int64)
    held = np.zeros(batch.rows, dtype=bool)
    held[places] = True
    for name in batch.table.shown if rows else ():
        column = batch.first_of((name,), held)  # of these rows alone, so that nobody goes on making it of all
        if column is not None:
            texts: dict[int, str] = {}
            for one, code in zip(found, column.codes[places].tolist(), strict=True):
                if code >= 0:
                    if code not in texts:
                        texts[code] = short(shown(column.values[code]))
                    one[name] = texts[code]
    return found


def earliest(batch: EventBatch, ties: list[int]) -> tuple[tuple[bytes, int, str], int]:
    """Which of some rows of the same time comes first, wherever its batch begins; and what tells that."""
    if len(ties) == 1:
        (row,) = ties
        return (batch.origin(row).fingerprint, batch.offsets[row], batch.event_id(row)), row
    fingerprint, offset = min((batch.origin(row).fingerprint, batch.offsets[row]) for row in ties)
    event, row = min(
        (batch.event_id(row), row)
        for row in ties
        if batch.offsets[row] == offset and batch.origin(row).fingerprint == fingerprint
    )
    return (fingerprint, offset, event), row


def short(value: str) -> str:
    """A value as a finding shows it."""
    return shortened(value, LONGEST)
