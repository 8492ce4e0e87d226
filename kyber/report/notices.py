"""Incidents and the notifications that the law asks for: those of the period, and those that wait; numbers out."""

from collections import Counter
from dataclasses import dataclass

from kyber.incident import Incident, State, clocks
from kyber.report.given import Given


@dataclass(frozen=True, slots=True)
class Notices:
    """How many incidents there were, how many are open, and where the notifications stand.

    `late`: sent after their time; `missed`: not sent, and their time is over; `running`: not sent, and there is time.
    """

    incidents: int
    open: int
    met: int
    late: int
    missed: int
    running: int


def of_period(given: Given) -> tuple[Incident, ...]:
    """The incidents that were noticed in the period, and older ones that are still open."""
    zone = given.snapshot.workspace.settings.zone
    end = given.period.until(given.today)
    return tuple(
        one
        for one in given.snapshot.incidents
        if (day := one.noticed.astimezone(zone).date()) <= end and (day >= given.period.start or one.is_open)
    )


def notices(given: Given) -> Notices:
    """The counts, as the day begins."""
    zone = given.snapshot.workspace.settings.zone
    found = of_period(given)
    states = Counter(each.state for one in found for each in clocks(one, given.snapshot.morning, zone))
    return Notices(
        incidents=len(found),
        open=sum(one.is_open for one in found),
        met=states[State.MET],
        late=states[State.LATE],
        missed=states[State.MISSED],
        running=states[State.RUNNING],
    )
