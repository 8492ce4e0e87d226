"""A task of the annual clock: `calendar/*.yaml` in, frozen records out."""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from kyber.calendar.duties import DutyId
from kyber.calendar.rule import Rule
from kyber.clock import Ring
from kyber.people import Owner
from kyber.register import Day, Id, Part, Record, Ref, Span, Text

GLOB: Final = "calendar/*.yaml"
FOLDER: Final = "calendar"
PREFIX: Final = "T"
"""How the ids of new tasks begin."""
FIRST: Final = date(2000, 1, 1)
LAST: Final = date(2199, 12, 31)
"""The clock runs between these days."""

ClockDay = Annotated[Day, Field(ge=FIRST, le=LAST)]


class Done(Part):
    """One time that it was done."""

    on: ClockDay
    """When."""
    by: Owner | None = None
    """Who did it."""
    evidence: Text | None = None
    """What shows it: a ticket, minutes, a report."""
    for_: ClockDay | None = Field(default=None, alias="for")
    """The day by which it was to be done; else the nearest one that is open and had come into its lead time."""


class Targets(Part):
    """What the task is about, by id."""

    services: tuple[Annotated[Id, Ref("service")], ...] = ()
    """Services."""
    plans: tuple[Annotated[Id, Ref("plan")], ...] = ()
    """Plans."""
    risks: tuple[Annotated[Id, Ref("risk")], ...] = ()
    """Risks."""
    controls: tuple[Annotated[Id, Ref("control")], ...] = ()
    """Controls."""
    sources: tuple[Annotated[Id, Ref("source")], ...] = ()
    """Log sources."""


class Task(Record):
    """Something that is done again and again."""

    id: Id
    """A stable name, such as T-001; never reused."""
    title: Text
    """What is done, in a few words."""
    ring: Ring
    """The ring it stands in: `management`, `risks`, `continuity`, `logs`, `privacy` or `training`."""
    owner: Owner | None = None
    """Who sees that it is done (K61)."""
    deputy: Owner | None = None
    """Who stands in."""
    rule: Rule
    """When it comes round: an RRULE of RFC 5545, or a mapping."""
    starts: ClockDay
    """The first day on which it can fall due. Where the rule changes, the first day of the new one."""
    until: ClockDay | None = None
    """The last one."""
    renew_from: Literal["rule", "last_done"] = "rule"
    """What the next time follows: the `rule`, or the period of the rule after the time it was `last_done`."""
    lead_time: Span
    """How long before its day it is time to begin."""
    output: Text
    """What there is when it is done: minutes, a report, an approved plan."""
    basis: tuple[Text, ...] = Field(min_length=1)
    """Why it is done: the law, the decision, the guide."""
    duties: tuple[DutyId, ...] = ()
    """The duties in law that it is there for."""
    targets: Targets = Targets()
    """What it is about."""
    done: tuple[Done, ...] = ()
    """The times that it was done."""
    notes: Text | None = None
    """Anything else."""
