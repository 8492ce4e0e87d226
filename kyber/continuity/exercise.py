"""An exercise: `continuity/exercises/*.yaml` in, frozen records out."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from kyber.duration import Duration
from kyber.people import Owner
from kyber.register import Day, Id, Moment, Part, Record, Ref, Span, Text

GLOB: Final = "continuity/exercises/*.yaml"
PREFIX: Final = "E"
"""How the ids of new exercises begin."""
YEARLY: Final = Duration.parse("12 months")
"""How often an impact is analysed, a plan exercised, an offline copy looked at and a restore tried."""

Kind = Literal["tabletop", "restore", "fallback", "technical", "taisto", "joint"]
Result = Literal["passed", "partial", "failed"]


class Measured(Part):
    """What a clock, or the logs, said of a restore."""

    detected: Moment | None = None
    """When it was noticed that the service is away."""
    started: Moment
    """When it went away: the last moment at which it was known to work."""
    service_up: Moment | None = None
    """When it worked again."""
    data_point: Moment | None = None
    """The time of the newest data that was there again."""
    source: Text | None = None
    """Where the times come from: a clock, the query over the logs."""

    @property
    def rto(self) -> timedelta | None:
        """How long the service was away."""
        return None if self.service_up is None else self.service_up - self.started

    @property
    def rpo(self) -> timedelta | None:
        """How much work was lost, as the time before the stop."""
        return None if self.data_point is None else max(self.started - self.data_point, timedelta())


class Observation(Part):
    """What the exercise showed."""

    what: Text
    """What was seen."""
    action: Annotated[Id, Ref("action")] | None = None
    """What is done about it."""


class Inject(Part):
    """Something that the facilitator tells the participants."""

    after: Span | None = None
    """How long after the start."""
    tells: Text
    """What they are told."""
    expects: Text | None = None
    """What they ought to do then."""


class Exercise(Record):
    """One exercise, planned or held."""

    id: Id
    """A stable name, such as E-001; never reused."""
    title: Text
    """The exercise in a few words."""
    type: Kind
    """`tabletop`, `restore`, `fallback`, `technical`, `taisto` or `joint`."""
    plans: tuple[Annotated[Id, Ref("plan")], ...] = ()
    """The plans that are exercised."""
    services: tuple[Annotated[Id, Ref("service")], ...] = ()
    """The services that are exercised or restored."""
    date: Day
    """The day on which it is held."""
    lead: Owner
    """Who leads it."""
    participants: tuple[Text, ...] = ()
    """Who takes part."""
    objectives: tuple[Text, ...] = ()
    """What it is to show."""
    risks: tuple[Annotated[Id, Ref("risk")], ...] = ()
    """The risks that it plays."""
    scenario: Text | None = None
    """What is supposed to have happened."""
    injects: tuple[Inject, ...] = ()
    """What the facilitator adds while it goes on."""
    interval: Span = YEARLY
    """How long after this one the next falls due."""
    result: Result | None = None
    """How it ended: `passed`, `partial` or `failed`; absent until it was held."""
    measured: Measured | None = None
    """What a restore took."""
    findings: tuple[Observation, ...] = ()
    """What it showed, and what is done about it."""
    notes: Text | None = None
    """Anything else."""

    @property
    def is_held(self) -> bool:
        return self.result is not None
