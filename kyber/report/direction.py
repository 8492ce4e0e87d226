"""Better, unchanged or worse: the values of two reports in, the direction and what speaks for it out.

The rules: each of COUNTS says worse where it is larger than in the last report, and better where it is smaller; serious
findings likewise, against as many days before, where they differ by a quarter and by five. The direction is what more
of them say; as many on both sides are no change. With a notification newly missed it is never better.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from kyber.render.money import day
from kyber.report.period import comparable
from kyber.text import Words

COUNTS: Final = (
    "notices.missed",
    "risks.above",
    "risks.highest",
    "services.late",
    "clock.late",
    "risks.unseen",
)
"""What is better the smaller it is, the weightiest first."""
ASSESSED: Final = ("risks.above", "risks.highest", "risks.unseen")
UNASSESSED: Final = "risks.unassessed"
SERIOUS: Final = "findings.serious"
FEWEST: Final = 5
"""By how many serious findings must differ to say anything."""
SHARE: Final = 0.25
"""By which share of those before."""
NAMED: Final = 3
"""How many reasons the sentence gives."""

DIGITS: Final = 18
"""A value of more digits is no number."""

Direction = Literal["better", "unchanged", "worse"]


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that went up or down."""

    key: str
    before: int
    now: int

    @property
    def is_worse(self) -> bool:
        return self.now > self.before


def signals(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Signal]:
    """What went up or down between two reports; what either of them does not know says nothing, and fewer risks say
    nothing where more are not assessed."""
    before = comparable(before, now)
    lost = number(now.get(UNASSESSED, "")) > number(before.get(UNASSESSED, ""))
    for key in COUNTS:
        if key in before and key in now and before[key] != now[key]:
            found = Signal(key, number(before[key]), number(now[key]))
            if found.is_worse or not (lost and key in ASSESSED):
                yield found
    if f"{SERIOUS}.before" in now:
        was, is_ = number(now[f"{SERIOUS}.before"]), number(now.get(SERIOUS, ""))
        if abs(is_ - was) >= max(FEWEST, SHARE * was):
            yield Signal(SERIOUS, was, is_)


def direction(found: tuple[Signal, ...]) -> Direction:
    """Where it goes, after the rules above."""
    worse = sum(one.is_worse for one in found)
    better = len(found) - worse
    if worse > better:
        return "worse"
    missed = any(one.key == "notices.missed" and one.is_worse for one in found)
    return "better" if better > worse and not missed else "unchanged"


def sentence(before: Mapping[str, str], now: Mapping[str, str], since: date, words: Words) -> str:
    """Where it goes between two reports, the first of which is as of `since`, and why."""
    found = tuple(signals(before, now))
    if not found:
        return words("report.direction.same", day=day(since, words))
    way = direction(found)
    return words(f"report.direction.{way}", day=day(since, words), why=reasons(found, way, words))


def reasons(found: tuple[Signal, ...], way: Direction, words: Words) -> str:
    """The weightiest reasons, those that speak for the direction first, and set apart what speaks against it."""
    wanted = [one for one in found if one.is_worse == (way == "worse")][:NAMED]
    others = [one for one in found if one.is_worse != (way == "worse")][: NAMED - len(wanted)]
    first, second = (words("report.list", items=tuple(reason(one, words) for one in some)) for some in (wanted, others))
    return words("report.direction.but", first=first, others=second) if first and second else first or second


def reason(one: Signal, words: Words) -> str:
    """What went up or down, with both numbers."""
    return words(f"report.signal.{one.key}", now=words.number(one.now), before=words.number(one.before))


def number(text: str) -> int:
    """The number that a value is; 0 where it is none, or one of more digits than anything is counted to."""
    return int(text) if text.isdecimal() and len(text) <= DIGITS else 0
