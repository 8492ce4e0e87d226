"""Silence: when something was heard and how long silence is usual for it in, whether and since when it is silent out.

Times are microseconds since the epoch, UTC. What was heard is known to the hour, but for the last time of it, which is
exact: so it is small, however many events there were, and can be put together in any order.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Final

from kyber.logs.sigma.occurrences import HOUR

SHARE: Final = 90
"""Percent of the time within which a gap between two hours that something was heard in must lie to be usual."""
ENOUGH: Final = 7 * 24
"""Hours from the first to the last time that something was heard, before anything is said of what is usual."""
LEARNT_DAYS: Final = 28
"""Days back from which the usual interval is learnt, and in which the last sign of life is looked for."""

Group = tuple[str, ...]
"""What a correlation groups by."""


@dataclass(frozen=True, slots=True)
class Heard:
    """When a group was heard: the last time, and every hour (since the epoch)."""

    last: int
    hours: frozenset[int]

    def joined(self, other: "Heard") -> "Heard":
        """What both know."""
        return Heard(max(self.last, other.last), self.hours | other.hours)


@dataclass(frozen=True, slots=True)
class Usual:
    """The longest interval that is usual, in hours, and what that was learnt from: hours that something was heard in,
    and hours from the first of them to the last."""

    interval: int
    heard: int
    over: int


@dataclass(frozen=True, slots=True)
class Past:
    """What a store knows besides the events that a scan looks at.

    `heard`: by correlation (its id) and group. `arrived`: by source, the hours in which something of it was stored.
    `since`: what lies before this time was not looked at; None: there is nothing before it.
    """

    heard: Mapping[str, Mapping[Group, Heard]] = field(default_factory=dict)
    arrived: Mapping[str, frozenset[int]] = field(default_factory=dict)
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a group may be silent (`span`, microseconds), and why: `every`, what the register says is usual; or
    `usual`, what was learnt; else the timespan of the rule alone."""

    span: int
    every: int | None = None
    usual: Usual | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """A group that is silent. `last`: when it was last heard, None where it was not. `since` as in `Past`."""

    patience: Patience
    last: int | None
    since: int | None


def usual(hours: Collection[int]) -> Usual | None:
    """How long the silence between two hours that something was heard in usually lasts; None where too little is known.

    Gaps count by their length: at SHARE of all moments the gap around the moment is no longer than that. So bursts
    weigh nothing, nights and weekends do, and a single outage does not.
    """
    ordered = sorted(hours)
    over = ordered[-1] - ordered[0] if ordered else 0
    if over < ENOUGH:
        return None
    within = 0
    for gap in sorted(later - earlier for earlier, later in pairwise(ordered)):
        within += gap
        if within * 100 >= over * SHARE:
            return Usual(gap, len(ordered), over)
    raise AssertionError("the gaps add up to the whole")


def patience(
    timespan: int, times: Fraction | None, every: int | None, heard: Collection[int], arrived: Collection[int] | None
) -> Patience:
    """How long a source may be silent.

    `times`: its usual interval so many times, where that is known; None: the timespan. `every`: what the register says
    is usual. `heard`, `arrived`: hours from which it is learnt otherwise; `arrived` None: events come when they happen.
    """
    if times is None:
        return Patience(max(timespan, every or 0), every if (every or 0) > timespan else None)
    if every is not None:
        return Patience(int(times * every), every)
    found = [usual(heard)] if arrived is None else [usual(heard), usual(arrived)]
    known = [one for one in found if one is not None]
    if len(known) < len(found):  # what comes once a day may be of every hour, and the other way round
        return Patience(timespan)
    longest = max(known, key=lambda one: one.interval)
    return Patience(int(times * longest.interval * HOUR), usual=longest)


def regular(heard: Mapping[Group, Heard], timespan: int) -> Iterable[tuple[Group, Usual]]:
    """The groups that used to be heard within a timespan."""
    for group, one in heard.items():
        found = usual(one.hours)
        if found is not None and found.interval * HOUR <= timespan:
            yield group, found
