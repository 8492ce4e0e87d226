"""`kyber continuity add`, `bia` and `plan`: what people say of services and plans, as options or answers."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.continuity_files import ContinuityDesk, PlanId, ServiceId, desk
from kyber.cli.continuity_files import services as service_ids
from kyber.cli.desk import By, DryRun, On, owners, write
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.continuity.service import Service
    from kyber.duration import Duration

app = typer.Typer(
    no_args_is_help=True, help="Plans for when services stop: drafted, approved, reviewed, kept on paper."
)

_T = TypeVar("_T")
_LEVEL: Final = re.compile(r"\s*([^=]+?)\s*=\s*([0-9]{1,2})\s*")
UNITS: Final = {"vrk": "d", "pv": "d", "vko": "w", "kk": "months", "dygn": "d", "tuntia": "h"}
"""Units as people write them in Finnish and Swedish."""
_UNIT: Final = re.compile(rf"(?<=[0-9 ])(?:{'|'.join(UNITS)})$", re.IGNORECASE)
AFTER: Final = ("1 h", "4 h", "1 d", "3 d", "7 d")
"""How long a service has been away, where an impact analysis asks."""
CLASSES: Final = (("4 h", 1), ("1 d", 2), ("3 d", 3))
"""The criticality that a longest tolerable stop suggests; a longer one: 4."""
GRAVE: Final = 2
"""How many of the highest classes of impact cannot be borne."""


class PlanKind(StrEnum):
    """The kinds of plans."""

    CONTINUITY = "continuity"
    RECOVERY = "recovery"
    PREPAREDNESS = "preparedness"
    COMMUNICATION = "communication"
    INCIDENT = "incident"


Owner = Annotated[
    str,
    typer.Option(
        metavar="WHO", help="The role or person that answers for it.", autocompletion=owners, show_default=False
    ),
]


def _text_option(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text, show_default=False)


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The service's name.", show_default=False)],
    id_: Annotated[
        str, typer.Option("--id", metavar="ID", help="Its id, for good; else made of the name.", show_default=False)
    ] = "",
    owner: Owner = "",
    description: Annotated[str, _text_option("TEXT", "What it is and whom it serves.")] = "",
    depends_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVICE",
            help="A service that it needs; may be repeated.",
            autocompletion=service_ids,
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Add a service, or what services need: a network, a supplier, a room. `kyber continuity bia` says the rest."""
    from kyber.amend import slug
    from kyber.continuity.edits import add_service

    at = desk(workspace)
    name = " ".join(name.split())
    made = id_ or slug(name)
    if not made:
        raise UsageError(f"no id can be made of {name}: name one with --id")
    if made in at.register.service:
        raise UsageError(f"there is a service {made} already; give another id with --id")
    fields = {
        "id": made,
        "name": name,
        "description": description or None,
        "owner": at.owner(owner) if owner else None,
        "depends_on": [{"id": _service(at, each, made)} for each in depends_on or ()] or None,
    }
    edit = add_service(at.here.root, fields)
    say(plain(at.words("continuity.did.added", id=made, name=name)))
    write(at, [edit], dry_run=dry_run)


def bia(
    service: ServiceId,
    impact: Annotated[
        list[str] | None,
        _text_option("TEXT", "How bad it is after a time, as '4 h safety=3 operations=2'; may be repeated."),
    ] = None,
    mtpd: Annotated[str, _text_option("TIME", "The longest that it may be away, as 12 h or 2 d.")] = "",
    rto: Annotated[str, _text_option("TIME", "Within what time it is to be back.")] = "",
    rpo: Annotated[str, _text_option("TIME", "How much work may be lost; none: it holds no data.")] = "",
    criticality: Annotated[
        int | None, typer.Option(min=1, max=4, help="From 1, the most critical, to 4.", show_default=False)
    ] = None,
    patient_safety: Annotated[
        bool | None,
        typer.Option(
            "--patient-safety/--no-patient-safety",
            help="Whether clients or patients are in danger when it is away.",
            show_default=False,
        ),
    ] = None,
    owner: Owner = "",
    tech_owner: Annotated[
        str, typer.Option(metavar="WHO", help="Who keeps it running.", autocompletion=owners, show_default=False)
    ] = "",
    needs: Annotated[
        str, _text_option("SERVICES", "What it needs, in the order of restoring, with commas between.")
    ] = "",
    fallback: Annotated[str, _text_option("TEXT", "How the work is done while it is away.")] = "",
    fallback_for: Annotated[str, _text_option("TIME", "How long that can be borne.")] = "",
    by: By = None,
    on: On = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Analyse what it means to be without a service. Without options kyber asks for each part, with what is there.

    Enter keeps what is there, or takes what is suggested; what is not named in options stays as it is.
    """
    from kyber.continuity.edits import analyse

    at = desk(workspace)
    one, who, day = at.service(service), at.by(by), at.day(on)  # before anything is asked
    given = (impact, mtpd, rto, rpo, criticality, patient_safety, owner, tech_owner, needs, fallback, fallback_for)
    if any(each not in (None, "", []) for each in given):
        fields: dict[str, object] = {
            "owner": at.owner(owner) if owner else None,
            "tech_owner": at.owner(tech_owner) if tech_owner else None,
            "criticality": criticality,
            "patient_safety": patient_safety,
            "impact_curve": _curve_with(at, one, impact) if impact else None,
            "mtpd": _length("--mtpd", mtpd),
            "rto": _length("--rto", rto),
            "depends_on": _needs(at, one, needs) if needs else None,
            "manual_fallback": _fallback(one, fallback, fallback_for),
        }
        fields |= {"holds_data": False} if rpo.strip() == "none" else {"rpo": _length("--rpo", rpo)}
    else:
        fields = _asked(at, one)
    known = {name: value for name, value in fields.items() if value is not None}
    edit = analyse(one, known, day, who)
    say(plain(at.words("continuity.did.analysed", id=one.id, name=one.name)))
    write(at, [edit], dry_run=dry_run)


@app.command("add")
def add_plan(
    service: ServiceId,
    title: Annotated[str, _text_option("TEXT", "The plan in a few words; else made of the service's name.")] = "",
    type_: Annotated[PlanKind, typer.Option("--type", help="The kind of plan.")] = PlanKind.RECOVERY,
    owner: Owner = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Draft a plan for a service, with the steps that the register knows: what is needed in its order, who, by when."""
    from kyber.continuity.edits import add_plan as added
    from kyber.continuity.edits import drafted

    at = desk(workspace)
    one = at.service(service)
    who = at.owner(owner) if owner else one.tech_owner or one.owner
    if who is None:
        raise UsageError(f"{one.id} has no owner yet: name who answers for the plan with --owner")
    names = ("alternative", "restore", "check", "release", "activation", "tell")
    words = {name: at.words(f"continuity.draft.{name}", name="{name}", to="{to}") for name in names}
    title = title or at.words(f"continuity.draft.title.{type_}", name=one.name)
    id_, edit = added(at.here.root, at.used(), drafted(at.register, one, type_.value, title, who, words))
    say(plain(at.words("continuity.did.drafted", id=id_, title=title)))
    write(at, [edit], dry_run=dry_run)


@app.command()
def approve(
    plan: PlanId,
    by: By = None,
    version: Annotated[str, _text_option("VERSION", "The version that is approved; else the one that is there.")] = "",
    on: On = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Record that management has approved a plan; its next review is counted from that day."""
    from kyber.continuity.edits import approve as approved

    at = desk(workspace)
    one, day, who = at.plan(plan), at.day(on), at.by(by)
    edit = approved(one, who, day, version or None)
    say(plain(at.words("continuity.did.approved", id=one.id, title=one.title, by=at.people.shown(who), on=day)))
    write(at, [edit], dry_run=dry_run)


@app.command()
def review(
    plan: PlanId, by: By = None, on: On = "", dry_run: DryRun = False, workspace: Where = None
) -> None:  # fmt: skip
    """Record that a plan was looked over, and is still right."""
    from kyber.continuity.edits import review as reviewed

    at = desk(workspace)
    one = at.plan(plan)
    edit = reviewed(one, at.by(by), at.day(on))
    say(plain(at.words("continuity.did.reviewed", id=one.id, title=one.title)))
    write(at, [edit], dry_run=dry_run)


@app.command()
def copy(
    plan: PlanId,
    where: Annotated[str, _text_option("TEXT", "Where the copy lies; else where it lay.")] = "",
    on: On = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Record that the offline copy of a plan is there, and of this version."""
    from kyber.continuity.edits import copied

    at = desk(workspace)
    one = at.plan(plan)
    edit = copied(one, where or None, at.day(on))
    say(plain(at.words("continuity.did.copied", id=one.id, title=one.title)))
    write(at, [edit], dry_run=dry_run)


def _asked(at: ContinuityDesk, one: "Service") -> dict[str, object]:
    """The answers of a guided impact analysis."""
    from kyber.duration import Duration

    words, register = at.words, at.register
    say(plain(words("continuity.bia.begins", id=one.id, name=one.name)))
    dimensions, classes = register.settings.scales.impact, len(register.settings.matrix[0])
    say(plain(words("continuity.bia.scale", dimensions=dimensions, most=classes)))
    owner = _until(at, "owner", one.owner or "", at.owner)
    tech_owner = _until(at, "tech-owner", one.tech_owner or owner, at.owner)
    before = _curve(one)
    times = sorted({*AFTER, *before}, key=lambda text: Duration.parse(text).approximate_seconds)
    highest: dict[str, int] = {}
    curve = [
        point
        for text in times
        for point in _until(at, "impact", before.get(text, ""), partial(_rising, at, highest, text), after=text)
    ]
    grave = [point["after"] for point in curve if int(str(point["level"])) > classes - GRAVE]
    mtpd = _until(at, "mtpd", str(one.mtpd or (grave[0] if grave else "")), _span)
    suggested = next((number for most, number in CLASSES if not _longer(mtpd, Duration.parse(most))), 4)
    rto = _until(at, "rto", str(one.rto or ""), lambda said: _at_most(_span(said), mtpd))
    rpo = _until(
        at, "rpo", str(one.rpo or ("" if one.holds_data else "-")), lambda said: said if said == "-" else _span(said)
    )
    criticality = _until(at, "criticality", str(one.criticality or suggested), lambda said: _among(said, 4))
    danger = any(point["dimension"] == "safety" and int(str(point["level"])) > classes - GRAVE for point in curve)
    safety = typer.confirm(
        words("continuity.ask.patient-safety"), default=danger if one.patient_safety is None else one.patient_safety
    )
    needs = _until(
        at, "needs", ", ".join(need.id for need in one.depends_on) or "-", lambda said: _needs(at, one, said)
    )
    how = _ask(at, "fallback", one.manual_fallback.how if one.manual_fallback else "-")
    most = (
        _until(at, "fallback-for", str(one.manual_fallback.max_duration if one.manual_fallback else ""), _span)
        if how != "-"
        else None
    )
    return {
        "owner": owner,
        "tech_owner": tech_owner,
        "criticality": criticality,
        "patient_safety": safety,
        "impact_curve": curve,
        "mtpd": mtpd,
        "rto": rto,
        **({"holds_data": False} if rpo == "-" else {"rpo": rpo}),
        "depends_on": needs or None,
        "manual_fallback": {"how": how, "max_duration": most} if most is not None else None,
    }


def _ask(at: ContinuityDesk, key: str, default: str, **facts: object) -> str:
    asked = plain(at.words(f"continuity.ask.{key}", **facts))
    return " ".join(str(typer.prompt(asked, default=default, show_default=bool(default))).split())


def _until(at: ContinuityDesk, key: str, default: str, read: Callable[[str], _T], **facts: object) -> _T:
    """Asks again until the answer can be used."""
    while True:
        try:
            return read(_ask(at, key, default, **facts))
        except UsageError as error:
            say(plain(error), error=True)


def _curve(one: "Service") -> Mapping[str, str]:
    found: dict[str, list[str]] = {}
    for point in one.impact_curve or ():
        found.setdefault(str(point.after), []).append(f"{point.dimension}={point.level}")
    return {after: " ".join(levels) for after, levels in found.items()}


def _curve_with(at: ContinuityDesk, one: "Service", impact: Sequence[str]) -> Sequence[Mapping[str, object]]:
    """The curve with these points; those of other times stay."""
    from kyber.duration import Duration

    new = [point for text in impact for point in _points(at, text)]
    times = {Duration.parse(str(point["after"])).approximate_seconds for point in new}
    kept = [
        {"after": str(point.after), "dimension": point.dimension, "level": point.level}
        for point in one.impact_curve or ()
        if point.after.approximate_seconds not in times
    ]
    return sorted([*kept, *new], key=lambda point: Duration.parse(str(point["after"])).approximate_seconds)


def _points(at: ContinuityDesk, text: str) -> Sequence[Mapping[str, object]]:
    found = re.fullmatch(r"\s*([0-9.]+\s*[a-z]+|P[0-9A-Z]+)\s+(\S.*)", text)
    if found is None:
        raise UsageError(f"--impact {text}: write a time and what it does, as '4 h safety=3 operations=2'")
    return _levels(at, str(_span(found[1])), found[2])


def _levels(at: ContinuityDesk, after: str, text: str) -> Sequence[Mapping[str, object]]:
    known, classes = at.register.settings.scales.impact, len(at.register.settings.matrix[0])
    made = []
    for part in re.split(r"[,\s]+(?=[^=\s]+\s*=)", text.strip()) if text.strip() else []:
        found = _LEVEL.fullmatch(part)
        if found is None:
            raise UsageError(f"{part}: write a dimension and a class, as safety=3")
        if found[1] not in known:
            raise UsageError(f"there is no dimension {found[1]}; there are {', '.join(known)}")
        if not 1 <= int(found[2]) <= classes:
            raise UsageError(f"{part}: the classes are 1 to {classes}")
        made.append({"after": after, "dimension": found[1], "level": int(found[2])})
    return made


def _rising(at: ContinuityDesk, highest: dict[str, int], after: str, text: str) -> Sequence[Mapping[str, object]]:
    """The classes after a time, none of them below what was said of a shorter one, which is kept in `highest`."""
    made = _levels(at, after, text)
    for point in made:
        dimension, level = str(point["dimension"]), int(str(point["level"]))
        if level < highest.get(dimension, 0):
            raise UsageError(f"{dimension}={level}: it was {highest[dimension]} before, and harm does not shrink")
    highest.update({str(point["dimension"]): int(str(point["level"])) for point in made})
    return made


def _needs(at: ContinuityDesk, one: "Service", text: str) -> list[Mapping[str, object]]:
    """The needs of a service, each after the one before; what was said of one before stays."""
    before = {need.id: need for need in one.depends_on}
    names = [each for each in re.split(r"[,\s]+", text.strip()) if each not in ("", "-")]
    is_same = [name.casefold() for name in names] == [need.id.casefold() for need in one.depends_on]
    made: list[Mapping[str, object]] = []
    for number, name in enumerate(names, 1):
        id_ = _service(at, name, one.id)
        known = (
            before[id_].model_dump(mode="json", exclude_none=True)
            if id_ in before
            else {"id": id_, "kind": "technical"}
        )
        made.append(known if is_same else {**known, "restore_order": number})
    return made


def _service(at: ContinuityDesk, name: str, but: str) -> str:
    known = {one.id.casefold(): one.id for one in at.register.services if one.id != but}
    if (found := known.get(name.casefold())) is not None:
        return found
    near = get_close_matches(name.casefold(), known, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "add it first: kyber continuity add NAME"
    raise UsageError(f"there is no service {name}; {hint}")


def _fallback(one: "Service", how: str, most: str) -> Mapping[str, object] | None:
    if not how and not most:
        return None
    before = one.manual_fallback
    length = _length("--fallback-for", most) or (before.max_duration if before else None)
    text = how or (before.how if before else "")
    if length is None or not text:
        raise UsageError("an alternative way to work needs both: --fallback TEXT and --fallback-for TIME")
    return {"how": text, "max_duration": length}


def _length(option: str, text: str) -> "Duration | None":
    if not text:
        return None
    try:
        return _span(text)
    except UsageError as error:
        raise UsageError(f"{option} {error}") from None


def _span(text: str) -> "Duration":
    from kyber.duration import Duration

    try:
        return Duration.parse(_UNIT.sub(lambda found: UNITS[found[0].casefold()], text.strip()))
    except ValueError:
        raise UsageError(f"{text or '-'}: write a time as 30 min, 4 h or 2 d") from None


def _at_most(length: "Duration", most: "Duration") -> "Duration":
    if _longer(length, most):
        raise UsageError(f"{length} is longer than the longest that it may be away, {most}")
    return length


def _longer(one: "Duration", other: "Duration") -> bool:
    return one.approximate_seconds > other.approximate_seconds


def _among(text: str, most: int) -> int:
    if text.isdecimal() and 1 <= int(text) <= most:
        return int(text)
    raise UsageError(f"{text}: a number from 1 to {most}")
