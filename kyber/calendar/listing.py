"""The annual clock in words: what falls due as a table, as records, as a wheel; and who is meant by an owner."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any, Final, get_args

from kyber.clock import Due, Ring, State
from kyber.people import People
from kyber.privacy import mask
from kyber.render.money import day
from kyber.render.sheet import Column, Sheet
from kyber.render.wheel import MONTHS, Spot, Wheel, room
from kyber.text import Words

RINGS: Final[tuple[str, ...]] = get_args(Ring)
SIGNS: Final[Mapping[State, str]] = {
    State.DONE: "✓",
    State.DUE: "●",
    State.LATE: "!",
    State.COMING: "○",
    State.MISSED: "✗",
}
"""Beside the word, in a table."""
LEGEND: Final = (State.DONE, State.DUE, State.LATE, State.COMING, State.MISSED)
NAMED: Final = 12
"""How many records one entry of the wheel's list names; `desc` has them all."""


def owners_of(people: People, owner: str, today: date) -> frozenset[str]:
    """The owners that stand for one: a person and the roles that they hold, or a role and its only holder."""
    roles = {role.id for role in people.roles if any(one.id == owner for one in people.held_by(role.id, today))}
    holders = {one.id for one in people.held_by(owner, today)}
    return frozenset({owner} | roles | (holders if len(holders) == 1 else set()))


def in_year(dues: Iterable[Due], year: int, today: date) -> tuple[Due, ...]:
    """What falls due in a year; in the current one, also what is late from before."""
    return tuple(
        one
        for one in dues
        if one.due.year == year or (one.due.year < year and year == today.year and one.state(today) is State.LATE)
    )


def called(one: Due, words: Words) -> str:
    """What is to be done: a task by its title, anything else by its kind and the record's title."""
    if one.kind == "task":
        return mask(one.title)
    return f"{capital(words(f'clock.kind.{one.kind}'))}: {mask(one.title)}"


def told(state: State, words: Words) -> str:
    """A state as a sign and a word."""
    return f"{SIGNS[state]} {words(f'clock.state.{state}')}"


def by_month(dues: Sequence[Due], people: People, words: Words, year: int, today: date) -> Sheet:
    """The year as a table, month by month; what is late from before comes first."""
    rows, last = [], ""
    for one in dues:
        month = words(f"clock.month.{one.due.month}") if one.due.year == year else words("clock.before", year=year)
        rows.append(("" if month == last else month, *_row(one, people, words, today)))
        last = month
    heads = (Column(words("clock.head.month")), *_heads(words))
    return Sheet(heads, tuple(rows))


def waiting(dues: Sequence[Due], people: People, words: Words, today: date) -> Sheet:
    """What waits, as a table."""
    return Sheet(_heads(words), tuple(_row(one, people, words, today) for one in dues))


def record(one: Due, today: date) -> Mapping[str, Any]:
    """What falls due, as JSON has it."""
    return {
        "kind": one.kind,
        "id": one.id,
        "title": one.title,
        "ring": one.ring,
        "owner": one.owner,
        "deputy": one.deputy,
        "due": one.due.isoformat(),
        "begins": one.lead.before(one.due).isoformat(),
        "state": one.state(today).value,
        "done": one.done.isoformat() if one.done else None,
        "file": one.place.file,
        "line": one.place.line,
    }


def summary(dues: Sequence[Due], words: Words, today: date) -> str:
    """How many stand where, in one line."""
    counts = Counter(one.state(today) for one in dues)
    return ", ".join(words.many(f"clock.sum.{state}", counts[state]) for state in State if counts[state]) or words(
        "clock.none"
    )


def wheel(dues: Sequence[Due], people: People, words: Words, year: int, today: date, organisation: str) -> Wheel:
    """The year as a wheel. Tasks have a mark each; reviews and the like share one by month, ring, kind and state."""
    days = (date(year, 12, 31) - date(year, 1, 1)).days + 1
    return Wheel(
        title=words("clock.title", year=year, organisation=organisation),
        months=tuple(words(f"clock.month.{month}") for month in range(1, MONTHS + 1)),
        rings=tuple(words(f"clock.ring.{ring}") for ring in RINGS),
        states={state.value: words(f"clock.state.{state}") for state in LEGEND},
        spots=_spots(dues, people, words, year, today),
        today=(today - date(year, 1, 1)).days / days if today.year == year else None,
        hand=f"{words('clock.today')} {day(today, words)}",
        described="; ".join(_line(one, people, words, today) for one in dues),
    )


def _spots(dues: Sequence[Due], people: People, words: Words, year: int, today: date) -> tuple[Spot, ...]:
    """By month, day and ring, which is the order of the wheel's numbers and list."""

    def cell(one: Due) -> tuple[int, int]:
        return (one.due.month if one.due.year == year else 1), RINGS.index(one.ring)

    spots: list[tuple[int, date, int, Spot]] = []
    for (month, ring), found in groupby(sorted(dues, key=cell), key=cell):
        together: dict[tuple[object, ...], list[Due]] = {}
        for one in found:
            alone = (one.id, one.due) if one.kind == "task" else ()
            together.setdefault((one.kind, one.state(today), *alone), []).append(one)
        if len(together) > room(ring, len(RINGS)):  # then what stands alike shares a mark
            all_of_them = [one for some in together.values() for one in some]
            together = {}
            for one in all_of_them:
                together.setdefault((one.state(today),), []).append(one)
        for some in together.values():
            text = _together(some, people, words, year)
            spot = Spot(month=month, ring=ring, state=some[0].state(today).value, text=text)
            spots.append((month, min(one.due for one in some), ring, spot))
    return tuple(spot for *_, spot in sorted(spots, key=lambda one: one[:3]))


def _together(some: Sequence[Due], people: People, words: Words, year: int) -> str:
    """An entry of the wheel's list; the month stands above it, and its mark says where it stands."""
    days = sorted({one.due for one in some})
    between = "–".join(_day(each, words, year) for each in dict.fromkeys((days[0], days[-1])))
    if len(some) == 1:
        return f"{between} {called(some[0], words)} · {_owner(some[0], people, words)}"
    kinds = dict.fromkeys(words(f"clock.kind.{one.kind}") for one in some)
    names = [mask(one.id) for one in some[:NAMED]] + ([f"+{len(some) - NAMED}"] if len(some) > NAMED else [])
    return f"{between} {capital(', '.join(kinds))} ({len(some)}): {', '.join(names)}"


def _line(one: Due, people: People, words: Words, today: date) -> str:
    """One thing that falls due, in a line: when, what, whose, and where it stands."""
    state = words(f"clock.state.{one.state(today)}")
    said = f"{day(one.due, words)} {mask(one.id)} {called(one, words)} · {_owner(one, people, words)} · {state}"
    return said if one.done is None else f"{said} {day(one.done, words)}"


def _owner(one: Due, people: People, words: Words) -> str:
    return mask(people.shown(one.owner)) if one.owner else words("clock.nobody")


def _day(when: date, words: Words, year: int) -> str:
    return words("clock.day", day=when.day) if when.year == year else day(when, words)


def capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _heads(words: Words) -> tuple[Column, ...]:
    return (
        Column(words("clock.head.state")),
        Column(words("clock.head.due")),
        Column(words("clock.head.title"), weight=5),
        Column(words("clock.head.owner"), weight=4),
        Column(words("clock.head.id")),
    )


def _row(one: Due, people: People, words: Words, today: date) -> tuple[str, ...]:
    owner = _owner(one, people, words)
    return told(one.state(today), words), one.due.isoformat(), called(one, words), owner, mask(one.id)
