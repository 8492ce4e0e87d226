"""Events that show that something works in; when it was last seen to work before it stopped, and when again, out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from kyber.logs.batch import EventBatch
from kyber.logs.search.run import Searcher
from kyber.logs.values import NO_TIME, as_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The longest time between two events that follow each other; times are UTC."""

    last: datetime
    """The last event before it."""
    first: datetime
    """The first event after it."""
    events: int
    """How many events there were in all."""


def longest_gap(searcher: Searcher, events: Iterable[EventBatch]) -> Gap | None:
    """The longest gap between the events that a query finds, the first of several as long; None below two events."""
    found = [batch.times[searcher.rows(batch)] for batch in events]
    times = np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
    times = times[times != NO_TIME]
    if len(times) < 2:
        return None
    at = int(np.argmax(np.diff(times)))
    last, first = as_datetime(int(times[at])), as_datetime(int(times[at + 1]))
    return None if last is None or first is None else Gap(last=last, first=first, events=len(times))
