"""What waits for whom, by which day: the one record in which every domain says what falls due.

Each domain yields its own: reviews of risks and plans, tests of controls, exercises, actions, tasks of the clock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final, Literal

from kyber.duration import Duration
from kyber.problem import Place

Ring = Literal["management", "risks", "continuity", "logs", "privacy", "training"]
"""The rings of the annual clock, from the outermost."""

LEAD: Final = Duration.parse("30 d")
"""How long before its day something is due that does not say it itself."""


class State(StrEnum):
    """Where something stands on a day; what presses most comes first."""

    LATE = "late"
    DUE = "due"
    COMING = "coming"
    DONE = "done"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that is to be done by a day, or was."""

    ring: Ring
    kind: str
    """What is to be done: the words stand in the catalogues under `clock.kind.KIND`."""
    id: str
    """The id of the record that it belongs to."""
    title: str
    """The title of that record."""
    owner: str | None
    """The role or person that it waits for."""
    deputy: str | None = None
    """Who stands in, where somebody is named."""
    due: date
    """The last day."""
    lead: Duration = LEAD
    """How long before that day it is time to begin."""
    done: date | None = None
    """When it was done; None while it waits."""
    passed: bool = False
    """Whether a later one of the same was done, so that nobody does this one any more."""
    place: Place
    """Where the record stands."""

    def state(self, today: date) -> State:
        """Where it stands on a day."""
        if self.done is not None:
            return State.DONE
        if today > self.due:
            return State.MISSED if self.passed else State.LATE
        return State.DUE if today >= self.lead.before(self.due) else State.COMING

    def waits(self, today: date) -> bool:
        """Whether it is yet to be done."""
        return self.state(today) in WAITING


def again(next_: Due, last: date | None) -> Iterator[Due]:
    """What comes round: the last time, as done, where there was one; and the next."""
    if last is not None:
        yield replace(next_, due=last, done=last)
    yield next_


WAITING: Final = frozenset((State.LATE, State.DUE, State.COMING))
"""What is yet to be done."""


def in_order(found: Iterable[Due]) -> tuple[Due, ...]:
    """By day, then ring, kind and id."""
    return tuple(sorted(found, key=lambda one: (one.due, one.ring, one.kind, one.id, one.place)))
