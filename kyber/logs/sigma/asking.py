"""What a scan says to its correlations: as of when absence is judged, and from where events are expected.

And what of a set of correlations is known before any event is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from kyber.logs.batch import EventBatch
from kyber.logs.column import Column
from kyber.logs.sigma.correlation import Correlation
from kyber.logs.sigma.occurrences import LIMIT

SOURCE: Final = "kyber.source"
"""The field that holds the id of an event's source."""
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Awaited:
    """A source from which events are expected: its id, the hosts that write to it, and what they are declared to be.

    `every`: how long it may be silent, in microseconds; a shorter silence of it is none. None where nobody says.
    """

    source: str
    hosts: tuple[str, ...] = ()
    product: str | None = None
    every: int | None = None
    category: str | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """How a scan correlates. `as_of` (aware): when absence is judged; None leaves it to the scan.

    `limit`: occurrences that are held in all; where there are more, the oldest are left out, and that is said.
    """

    as_of: datetime | None = None
    awaited: tuple[Awaited, ...] = ()
    limit: int = LIMIT


def micros(moment: datetime) -> int:
    """An aware time in microseconds since the epoch."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def sourced(batch: EventBatch) -> EventBatch:
    """The batch, in which SOURCE can be asked for like any other column; absent where events are of no source."""
    batch.derived = {**batch.derived, SOURCE: _source_of}
    return batch


def _source_of(batch: EventBatch) -> Column | None:
    return Column(np.zeros(batch.rows, dtype=np.int32), [batch.source]) if batch.source else None


def silenced(correlations: Iterable[Correlation]) -> frozenset[str]:
    """The ids of rules and correlations that do not alert on their own, since some correlation is about them."""
    named = [(rule, one.generate) for one in correlations for rule in one.rules]
    return frozenset(rule for rule, _ in named) - {rule for rule, generate in named if generate}


def reaches(correlations: Iterable[Correlation]) -> dict[str, int]:
    """How far back a firing of each may look, through those that it builds on, in microseconds; by id."""
    found: dict[str, int] = {}
    for one in correlations:
        found[one.ref.id] = one.timespan + max((found.get(rule, 0) for rule in one.rules), default=0)
    return found
