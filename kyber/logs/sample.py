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


def earliest(batch: EventBatch, ties: list[int]) -> tuple[tuple[bytes, int, str, str], int]:
    """Which of some rows of the same time comes first, wherever its batch begins; and what tells that.

    One record may be there twice, in a file and its copy: then the name of the file decides.
    """
    origins = [(batch.origin(row), batch.offsets[row], row) for row in ties]
    first = min((origin.fingerprint, offset) for origin, offset, _ in origins)
    same = [(origin.file, row) for origin, offset, row in origins if (origin.fingerprint, offset) == first]
    event, file, row = min((batch.event_id(row), file, row) for file, row in same)
    return (*first, event, file), row


def short(value: str) -> str:
    """A value as a finding shows it."""
    return shortened(value, LONGEST)
