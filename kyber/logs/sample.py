"""One event of a batch in, what a finding shows of it out: where it was read, when it happened, and what it was."""

from typing import Final

from kyber.finding import Sample
from kyber.logs.batch import EventBatch
from kyber.logs.values import as_datetime, shown
from kyber.privacy import shortened

LONGEST: Final = 4_096
"""Characters of a value that a finding shows; the raw record holds the rest."""


def sample(batch: EventBatch, row: int, identity: str, time: int) -> Sample:
    """An event, with the columns that its product's field table shows."""
    return Sample(identity, batch.origin(row).file, batch.records[row], as_datetime(time), fields_of(batch, row))


def fields_of(batch: EventBatch, row: int) -> dict[str, str]:
    """Of one event, the columns that its product's field table shows."""
    found = ((name, batch.at(name, row)) for name in batch.table.shown)
    return {name: short(shown(held[0])) for name, held in found if held is not None}


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
