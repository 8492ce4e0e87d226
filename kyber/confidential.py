"""What not everybody may see: registers in, the same without what is marked secret, or for anybody to see, out.

What is left out is taken out of the registers before anything is made of them: no page can show what it never had.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from kyber.continuity.recovery import unnamed, unnamed_loss
from kyber.continuity.register import ContinuityRegister
from kyber.join import MODELS, Snapshot
from kyber.privacy import mask
from kyber.problem import Problem
from kyber.register import Record, references, without_references

SECRET: Final = "secret"  # noqa: S105 - how files mark what not everybody may see

MARKED: Final = "confidentiality"
"""The key that says so."""
_VALUE: Final = re.compile(MARKED + r"""["']?\s*:\s*["']?([^\s"',}#]*)""", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
HIDDEN: Final = "[…]"
"""What stands where an address for e-mail stood."""
_ENDINGS: Final = (".yaml", ".yml", ".json")

Mark = tuple[str, str]
"""The kind and the id of a record."""
R = TypeVar("R", bound=Record)


def without_secrets(snapshot: Snapshot, *, incidents: bool = True) -> Snapshot:
    """The registers without risks and services that are secret, what belongs to these alone, and references to it;
    without `incidents`, these count as secret."""
    gone = _gone(snapshot, incidents=incidents)
    if not gone:
        return snapshot
    written = gone | _as_written(snapshot, gone)

    def bare(records: Iterable[R]) -> tuple[R, ...]:
        found = (without_references(one, written) for one in records)
        return tuple(one for one in found if one is not None)

    def left(kind: str, records: Iterable[R]) -> tuple[R, ...]:
        return bare(one for one in records if (kind, _id(one)) not in gone)

    risks, continuity = snapshot.risks, snapshot.continuity
    actions = left("action", risks.actions)
    return replace(
        snapshot,
        sources=left("source", snapshot.sources),
        incidents=left("incident", snapshot.incidents),
        tasks=left("task", snapshot.tasks),
        risks=replace(
            risks,
            risks=left("risk", risks.risks),
            controls=left("control", risks.controls),
            actions=actions,
            approvals=bare(risks.approvals),
        ),
        continuity=replace(
            _reckoned(continuity, frozenset(id_ for kind, id_ in gone if kind == "service")),
            services=left("service", continuity.services),
            plans=left("plan", continuity.plans),
            exercises=left("exercise", continuity.exercises),
            actions=actions,
        ),
    )


def _reckoned(register: ContinuityRegister, gone: Collection[str]) -> ContinuityRegister:
    """The register with times and losses as they are, though services that are waited for may not be shown."""
    if not gone:
        return register
    return replace(
        register,
        reckoned={id_: unnamed(one, gone) for id_, one in register.recoveries.items() if id_ not in gone},
        lost={id_: unnamed_loss(one, gone) for id_, one in register.losses.items() if id_ not in gone},
    )


def public(snapshot: Snapshot) -> Snapshot:
    """The same also without incidents, contacts of plans, and people's addresses: what anybody in the house may see."""
    people = tuple(one.model_copy(update={"email": None}) for one in snapshot.people.people)
    plans = tuple(one.model_copy(update={"contacts": ()}) for one in snapshot.continuity.plans)
    return without_secrets(
        replace(
            snapshot,
            people=snapshot.people.model_copy(update={"people": people}),
            continuity=replace(snapshot.continuity, plans=plans),
        ),
        incidents=False,
    )


def anonymous(text: str) -> str:
    """Without identity codes and addresses for e-mail: before it is shortened, since a part of one is left else."""
    return mask(_ADDRESS.sub(HIDDEN, text))


def hidden(whole: Snapshot, shown: Snapshot) -> frozenset[str]:
    """The ids of what is in the one and not in the other, incidents apart, which are not kept from anybody one by
    one."""
    return frozenset(id_ for _, id_ in {*_marks(whole)} - {*_marks(shown)})


def telling(whole: Snapshot, shown: Snapshot) -> Callable[[object], bool]:
    """Whether a value names anything that is in the one and not in the other: by id, name or title, within a text."""
    gone = hidden(whole, shown)
    records = [one for one in whole.records if getattr(one, "id", None) in gone]
    names = {
        str(getattr(one, key)).casefold() for one in records for key in ("id", "name", "title") if hasattr(one, key)
    }
    listed = "|".join(re.escape(one) for one in sorted(names))
    found = re.compile(rf"(?<![\w-])(?:{listed})(?![\w-])")

    def tells(value: object) -> bool:
        if isinstance(value, tuple | list | set | frozenset):
            return any(tells(one) for one in value)
        return bool(names) and found.search(str(value).casefold()) is not None

    return tells


def unread(snapshot: Snapshot) -> tuple[Path, ...]:
    """The files that will be meant as risks and services, and could not be read: they may be secret."""
    records = (*snapshot.risks.risks, *snapshot.continuity.services)
    known = {one.at.file for one in records}
    folders = [(snapshot.workspace.root / MODELS[kind].glob).parent for kind in ("risk", "service")]
    every = (file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir()))
    return tuple(one for one in every if one.suffix.casefold() in _ENDINGS and str(one) not in known)


def unclear(snapshot: Snapshot, problems: Iterable[Problem]) -> tuple[Path, ...]:
    """The files among them that say something of who may see them other than that it is anybody; and those that were
    read, and have a key that is nearly the one that says so. `problems`: what could not be read."""
    nearly = {
        one.place.file
        for one in problems
        if one.code == "K90" and str(one.facts["key"]).strip().casefold() == MARKED  # a key that nobody knows
    }
    found = [one for one in unread(snapshot) if _may_be_secret(one)]
    records = (*snapshot.risks.risks, *snapshot.continuity.services)
    return (*found, *(Path(one.at.file) for one in records if one.at.file in nearly))


def _may_be_secret(file: Path) -> bool:
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    return any(value != "public" for value in _VALUE.findall(text))


def _marks(of: Snapshot) -> Iterator[Mark]:
    yield from (("source", one.id) for one in of.sources)
    yield from (("task", one.id) for one in of.tasks)
    yield from (("risk", one.id) for one in of.risks.risks)
    yield from (("control", one.id) for one in of.risks.controls)
    yield from (("action", one.id) for one in of.risks.actions)
    yield from (("service", one.id) for one in of.continuity.services)
    yield from (("plan", one.id) for one in of.continuity.plans)
    yield from (("exercise", one.id) for one in of.continuity.exercises)


def _gone(snapshot: Snapshot, *, incidents: bool) -> frozenset[Mark]:
    """What is secret, and what belongs to that alone: what it names and nothing else does, what names it alone, and
    exercises that touch it at all."""
    meant = _meant(snapshot)

    def named_by(record: Record) -> set[Mark]:
        return _marks_in(record, meant)

    risks, continuity = snapshot.risks, snapshot.continuity
    gone = {("risk", one.id) for one in risks.risks if one.confidentiality == SECRET}
    gone |= {("service", one.id) for one in continuity.services if one.confidentiality == SECRET}
    if not incidents:
        gone |= {("incident", one.id) for one in snapshot.incidents}
    if not gone:
        return frozenset()
    for kind, records in (("plan", continuity.plans), ("source", snapshot.sources)):
        naming = {one.id: {mark for mark in named_by(one) if mark[0] == "service"} for one in records}
        for service in continuity.services:
            for of, id_ in named_by(service):
                if of == kind and id_ in naming:
                    naming[id_].add(("service", service.id))
        gone |= {(kind, id_) for id_, owners in naming.items() if _all(owners, gone)}
    gone |= {("exercise", one.id) for one in continuity.exercises if not gone.isdisjoint(named_by(one))}
    owners: dict[Mark, set[Mark]] = {}
    for of, naming_it in (("risk", risks.risks), ("exercise", continuity.exercises), ("incident", snapshot.incidents)):
        for one in naming_it:
            for mark in named_by(one):
                if mark[0] in ("control", "action"):
                    owners.setdefault(mark, set()).add((of, _id(one)))
    gone |= {mark for mark, theirs in owners.items() if _all(theirs, gone)}
    gone |= {("task", one.id) for one in snapshot.tasks if _all(named_by(one), gone)}
    return frozenset(gone)


def _marks_in(record: Record, meant: Mapping[str, str]) -> set[Mark]:
    """The records of risks, services and what belongs to them that a record names."""
    kinds = {"risk", "control", "action", "plan", "exercise", "source"}
    named = {(kind, one.id) for one in references(record) for kind in one.kinds if kind in kinds}
    services = (one.id for one in references(record) if "service" in one.kinds)
    return named | {("service", meant.get(one.casefold(), one)) for one in services}


def _meant(snapshot: Snapshot) -> Mapping[str, str]:
    """The ids of services by their ids and names in any case, as some references have them; of two with one name, a
    secret one."""
    services = sorted(snapshot.continuity.services, key=lambda one: one.confidentiality == SECRET)
    return {one.name.casefold(): one.id for one in services} | {one.id.casefold(): one.id for one in services}


def _as_written(snapshot: Snapshot, gone: Collection[Mark]) -> frozenset[Mark]:
    """The services among these as references in the registers have them, by name or in other letters."""
    meant = _meant(snapshot)
    written = {one.id for record in snapshot.records for one in references(record) if "service" in one.kinds}
    return frozenset(("service", one) for one in written if ("service", meant.get(one.casefold(), one)) in gone)


def _all(some: Collection[Mark], gone: Collection[Mark]) -> bool:
    return bool(some) and all(one in gone for one in some)


def _id(record: Record) -> str:
    found: str = record.id  # type: ignore[attr-defined]  # every record that comes here has one
    return found
