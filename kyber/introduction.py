"""The introduction of the three practices: `introduction.yaml` and what registers prove in, where each phase stands.

The tracks and phases are those of the organisation's process; their months count from the start of the first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from kyber import amend
from kyber.amend import AmendError, Edit
from kyber.clock import Due
from kyber.people import Owner, People
from kyber.problem import Problem
from kyber.register import Day, Id, Part, Path_, Record, Text, out_of_order
from kyber.text import LANGUAGES, Words, words_for

FILE: Final = "introduction.yaml"
Track = Literal["risks", "continuity", "logs"]
_MONTH: Final = re.compile(r"(19|20)\d{2}-(0[1-9]|1[0-2])")


def is_month(text: object) -> bool:
    """Whether a text is a month, such as 2027-01."""
    return isinstance(text, str) and _MONTH.fullmatch(text) is not None


def _month(value: object) -> object:
    if not is_month(value):
        raise PydanticCustomError("month", "not a month")
    return value


Month = Annotated[str, BeforeValidator(_month), WithJsonSchema({"type": "string", "pattern": f"^{_MONTH.pattern}$"})]

_SECURITY: Final = ("security-officer", "tietoturvapäällikkö", "tietoturvavastaava", "ciso")
_RISKS: Final = ("risk-manager", "riskienhallintapäällikkö", *_SECURITY)
_DIRECTOR: Final = ("director", "hyvinvointialuejohtaja", "toimitusjohtaja", *_RISKS)
_CONTINUITY: Final = (
    *("continuity-manager", "jatkuvuuspäällikkö", "preparedness-manager", "valmiuspäällikkö"),
    *_SECURITY,
)
_PREPAREDNESS: Final = ("preparedness-manager", "valmiuspäällikkö", *_CONTINUITY)
_IT: Final = ("cio", "tietohallintojohtaja", "it-operations", *_SECURITY)
_PROCUREMENT: Final = ("procurement-manager", "hankintapäällikkö", *_IT)


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase: its track, its name, its first and last month from 1, and the roles that may own it, the best first."""

    track: Track
    id: str
    first: int
    last: int
    roles: tuple[str, ...]


PHASES: Final = (
    Phase("risks", "risk-interviews", 1, 1, _RISKS),
    Phase("risks", "risk-workshops", 2, 2, _RISKS),
    Phase("risks", "risk-joint-interviews", 3, 3, _RISKS),
    Phase("risks", "risk-analysis", 4, 4, _RISKS),
    Phase("risks", "risk-definition", 5, 5, _RISKS),
    Phase("risks", "risk-approval", 6, 6, _DIRECTOR),
    Phase("continuity", "current-state", 1, 1, _CONTINUITY),
    Phase("continuity", "continuity-interviews", 2, 2, _CONTINUITY),
    Phase("continuity", "continuity-workshops", 3, 3, _CONTINUITY),
    Phase("continuity", "continuity-parts", 4, 4, _CONTINUITY),
    Phase("continuity", "recovery-planning", 5, 5, _IT),
    Phase("continuity", "preparedness", 6, 6, _PREPAREDNESS),
    Phase("continuity", "annual-clock", 7, 7, _CONTINUITY),
    Phase("logs", "log-survey", 3, 3, _SECURITY),
    Phase("logs", "log-processes", 4, 6, _SECURITY),
    Phase("logs", "log-policy", 7, 7, _SECURITY),
    Phase("logs", "log-sources", 8, 9, _IT),
    Phase("logs", "log-procurement", 10, 11, _PROCUREMENT),
    Phase("logs", "log-adoption", 12, 12, _IT),
)
"""The phases of the three tracks, in their order."""
BY_ID: Final[Mapping[str, Phase]] = {phase.id: phase for phase in PHASES}


class Entry(Part):
    """A phase as this organisation does it."""

    owner: Owner
    """Who sees that it is done."""
    begins: Day
    """The first day."""
    ends: Day
    """The last day."""
    done_on: Day | None = None
    """When it was done."""
    evidence: tuple[Text, ...] = ()
    """What shows that it was done: minutes, a decision, a report."""


class Introduction(Record):
    """The introduction of risk management, continuity planning and log management."""

    started: Month
    """The month of the first phases, such as 2027-01."""
    phases: Mapping[Id, Entry]
    """The phases by their names; one that is left out is not done here."""

    def in_order(self) -> Iterator[tuple[Phase, Entry]]:
        """The phases there are, in the order of the process."""
        return ((phase, self.phases[phase.id]) for phase in PHASES if phase.id in self.phases)


# --- where it stands -------------------------------------------------------------------------------------------------


class State(StrEnum):
    """Where a phase stands. `proved`: nobody has written that it is done, but the registers show it. `unconfirmed`:
    somebody has, and the registers that could show it hold nothing of it."""

    DONE = "done"
    UNCONFIRMED = "unconfirmed"
    PROVED = "proved"
    LATE = "late"
    NOW = "now"
    COMING = "coming"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the registers hold that comes of a phase: how many records, and of how many, where all of them count."""

    number: int
    of: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it proves that the phase is done."""
        return self.number > 0 and (self.of is None or self.number >= self.of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a phase stands on a day. `proof` is None where no register can tell."""

    phase: Phase
    entry: Entry
    state: State
    proof: Proof | None


def stands(one: Introduction, proofs: Mapping[str, Proof], today: date) -> tuple[Stand, ...]:
    """Where every phase stands, in the order of the process."""
    return tuple(
        Stand(phase=phase, entry=entry, state=_state(entry, proofs.get(phase.id), today), proof=proofs.get(phase.id))
        for phase, entry in one.in_order()
    )


def _state(entry: Entry, proof: Proof | None, today: date) -> State:
    if entry.done_on is not None:
        return State.DONE if proof is None or proof.number else State.UNCONFIRMED
    if proof is not None and proof.is_whole:
        return State.PROVED
    if entry.ends < today:
        return State.LATE
    return State.NOW if entry.begins <= today else State.COMING


def dues(one: Introduction, proofs: Mapping[str, Proof], words: Words) -> Iterator[Due]:
    """The phases as what falls due, for the annual clock: done ones, and open ones that nothing proves done."""
    for phase, entry in one.in_order():
        proof = proofs.get(phase.id)
        if entry.done_on is None and proof is not None and proof.is_whole:
            continue
        yield Due(
            ring=phase.track,
            kind="introduction",
            id=phase.id,
            title=words(f"introduction.phase.{phase.id}"),
            owner=entry.owner,
            due=entry.ends,
            done=entry.done_on,
            place=one.where("phases", phase.id),
        )


# --- laying it out ---------------------------------------------------------------------------------------------------


def owners(people: People, otherwise: str | None = None) -> Mapping[str, str | None]:
    """Who owns each phase: the first of its roles that there is, or else `otherwise`."""
    return {
        phase.id: next((id_ for role in phase.roles if (id_ := people.called(role)) is not None), otherwise)
        for phase in PHASES
    }


def named(one: Introduction, name: str) -> tuple[str, ...]:
    """The phases that a name stands for, in any case: an id, or what they are called in any language."""
    wanted = " ".join(name.split()).casefold()
    called = {
        id_: {id_.casefold(), *(words_for(language)(f"introduction.phase.{id_}").casefold() for language in LANGUAGES)}
        for id_ in one.phases
        if id_ in BY_ID
    }
    return tuple(id_ for id_ in one.phases if wanted in called.get(id_, {id_.casefold()}))


def laid_out(root: Path, started: str, owned_by: Mapping[str, str]) -> Edit:
    """The file of an introduction that begins in a month. Raises AmendError, also where there is one already."""
    year, month = (int(part) for part in started.split("-"))
    phases = {
        phase.id: {
            "owner": owned_by[phase.id],
            "begins": _first_day(year, month, phase.first),
            "ends": _first_day(year, month, phase.last + 1) - timedelta(days=1),
        }
        for phase in PHASES
    }
    return amend.named(root, FILE, Introduction, {"started": started, "phases": phases})


def _first_day(year: int, month: int, number: int) -> date:
    """The first day of the month that has a number, where the given one has 1."""
    months = year * 12 + month - 1 + number - 1
    return date(months // 12, months % 12 + 1, 1)


def done(one: Introduction, phase: str, on: date, evidence: Sequence[str]) -> Edit:
    """An introduction with a phase that is done. Raises AmendError."""
    if phase not in one.phases:
        raise AmendError(f"there is no phase {phase} in {FILE}; there are {', '.join(one.phases)}")
    changes: list[tuple[Path_, object]] = [(("phases", phase, "done_on"), on)]
    there = one.phases[phase].evidence
    if evidence:
        changes.append((("phases", phase, "evidence"), [*there, *evidence]))
    return amend.amend(Path(one.at.file), Introduction, changes)


def check_introduction(one: Introduction, today: date) -> Iterator[Problem]:
    """K02: a phase that there is not. K06: days in the wrong order, or to come."""
    for id_, entry in one.phases.items():
        if id_ not in BY_ID:
            yield Problem(one.where("phases", id_), "K02", {"id": id_, "field": "phases"})
        yield from out_of_order(one, ("phases", id_, "ends"), entry.ends, first=entry.begins)
        yield from out_of_order(one, ("phases", id_, "done_on"), entry.done_on, last=today)
