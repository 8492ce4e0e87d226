"""Waivers: `waivers.yaml` in, the problems that are borne until a day apart from those that are not, out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final

from pydantic import Field

from kyber.duration import Duration
from kyber.problem import Problem, Severity
from kyber.register import Day, Id, Part, Record, Text

FILE: Final = "waivers.yaml"
NEVER: Final = frozenset(("K01", "K02", "K08", "K21", "K22", "K24", "K25"))
"""What nobody can waive, and with it all that makes a file unreadable, K80 and above."""
LONGEST: Final = Duration.parse("12 months")
"""How far ahead a waiver may end."""


class Waiver(Part):
    """One problem that is known, and borne until a day."""

    code: Annotated[str, Field(pattern=r"^K[0-9]{2}$")]
    """The code, as `kyber check` shows it."""
    id: Id
    """The id of the record that has the problem."""
    until: Day
    """The last day on which it is borne."""
    why: Text
    """Why it is borne."""


class Waivers(Record):
    """The problems that are known, and borne until a day."""

    waivers: tuple[Waiver, ...] = ()
    """The waivers."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """Problems after waivers."""

    left: tuple[Problem, ...]
    waived: tuple[Problem, ...]


def sift(problems: Sequence[Problem], waivers: Sequence[Waivers], ids: Mapping[str, str], today: date) -> Sifted:
    """The problems apart by whether a waiver holds for them; and what is to be mended in the waivers.

    `ids` is the id of the record by its file. K87: a waiver that is over. K88: one that waives nothing. K89: one for
    what nobody can waive.
    """
    holding = {
        (one.code, one.id)
        for record in waivers
        for one in record.waivers
        if today <= one.until <= LONGEST.after(today) and _may_be(one.code)
    }
    left: list[Problem] = []
    waived: list[Problem] = []
    for problem in problems:
        keys = {(problem.code, ids.get(problem.place.file)), (problem.code, str(problem.facts.get("id")))}
        (waived if keys & holding else left).append(problem)
    met = {(one.code, id_) for one in problems for id_ in (ids.get(one.place.file), str(one.facts.get("id")))}
    return Sifted((*left, *_doubts(waivers, met, today)), tuple(waived))


def _may_be(code: str) -> bool:
    return code not in NEVER and code < "K80"


def _doubts(waivers: Sequence[Waivers], met: set[tuple[str, str | None]], today: date) -> Iterator[Problem]:
    for record in waivers:
        for at, one in enumerate(record.waivers):
            facts = {"code": one.code, "id": one.id}
            if not _may_be(one.code):
                yield Problem(record.where("waivers", at, "code"), "K89", facts)
            elif one.until > LONGEST.after(today):
                place = record.where("waivers", at, "until")
                yield Problem(place, "K06", {"field": "until", "day": one.until, "limit": LONGEST.after(today)})
            elif one.until < today:
                place = record.where("waivers", at, "until")
                yield Problem(place, "K87", {"code": one.code, "id": one.id, "until": one.until}, Severity.WARNING)
            elif (one.code, one.id) not in met:
                yield Problem(record.where("waivers", at), "K88", facts, Severity.NOTE)
