"""`kyber incident`: what happened, its course, what is to be notified by when, and the evidence as one archive."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Colour, Where, paint, plain, say
from kyber.cli.desk import By, DryRun, json_record, owners, table, write
from kyber.cli.incidents_files import At, Id, IncidentDesk, desk, left, line, notification, show_clocks
from kyber.cli.incidents_notify import archive, notify
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.finding import Finding
    from kyber.incident import Clock, Incident
    from kyber.kept import KeptFinding

app = typer.Typer(no_args_is_help=True, help="Incidents: what happened, what is to be notified by when, the evidence.")
FINDING_SHOWN: Final = 8
"""Characters of a finding's id that are shown."""


class Grade(StrEnum):
    """How bad an incident is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@app.command("open")
def open_(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The incident in a few words.", show_default=False)],
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FINDING",
            help="A finding it is known from: the first characters of its id; may be repeated.",
            show_default=False,
        ),
    ] = None,
    noticed: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="When it was noticed: the clocks begin here; as 2026-11-03T12:30, or 2h ago; else now.",
            show_default=False,
        ),
    ] = "",
    occurred: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="When it began; else the first event of its findings.", show_default=False
        ),
    ] = "",
    severity: Annotated[Grade, typer.Option(help="How bad it is.")] = Grade.MEDIUM,
    significant: Annotated[
        bool | None,
        typer.Option(
            "--significant/--not-significant",
            help="Whether it is significant in the sense of the Cybersecurity Act; the clocks run until it is judged.",
            show_default=False,
        ),
    ] = None,
    personal_data: Annotated[
        bool, typer.Option("--personal-data", help="Personal data were breached: the clock of GDPR 33 runs.")
    ] = False,
    service: Annotated[
        list[str] | None,
        typer.Option("--service", "-s", metavar="SERVICE", help="A service it touches; may be repeated.",
                     show_default=False),
    ] = None,
    owner: Annotated[
        str,
        typer.Option(metavar="WHO", help="The role or person that leads the work.", autocompletion=owners,
                     show_default=False),
    ] = "",
    by: By = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Open an incident, with an id that was never used before. The statutory clocks begin when it was noticed."""
    from kyber.incident import opened, written

    at = desk(workspace)
    found = [one.finding for one in _findings(at, from_ or [])]
    when = at.moment(noticed, "--noticed")
    began = at.moment(occurred, "--occurred") if occurred else _first(found, at)
    if began is not None and began > when:
        raise UsageError(f"--noticed {at.shown(when)} is before it began, {at.shown(began)}")
    services = list(dict.fromkeys([*(service or ()), *_services(at, found)]))
    fields: dict[str, object] = {
        "title": line(title),
        "severity": severity.value,
        "significant": significant,
        "personal_data": personal_data,
        "noticed": written(when),
        "occurred": written(began) if began else None,
        "owner": at.owner(owner) if owner else None,
        "services": services or None,
        "findings": [one.id for one in found] or None,
        "timeline": [{"at": written(when), "what": at.words("incidents.noticed"), "by": at.by(by)}],
    }
    id_, edit = opened(at.here.root, at.used() | {one.id for one in at.incidents}, fields)
    say(plain(at.words("incidents.did.opened", id=id_, title=fields["title"])))
    write(at, [edit], dry_run=dry_run)
    show_clocks(at, _as_made(edit.text))


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that are closed as well.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")] = False,
    workspace: Where = None,
) -> None:
    """List the incidents that are open, or still owe a notification: the one whose clock ends first on top."""
    from kyber.incident import next_due
    from kyber.privacy import mask
    from kyber.render.sheet import Column, Sheet

    at, zone = (found := desk(workspace)), found.here.settings.zone
    waiting = {one.id: next_due(one, at.now, zone) for one in at.incidents}
    chosen = [one for one in at.incidents if all_ or one.is_open or waiting[one.id] is not None]
    chosen.sort(key=lambda one: (_due(waiting[one.id]), one.id))
    if json:
        for one in chosen:
            say(json_record(_record(at, one)))
        return
    if not chosen:
        say(at.words("incidents.none"))
        return
    heads = ("id", "noticed", "severity", "status", "title", "due")
    columns = tuple(
        Column(at.words(f"incidents.head.{head}"), weight={"title": 2, "due": 2}.get(head, 0)) for head in heads
    )
    rows = tuple(
        (
            one.id,
            at.shown(one.noticed),
            at.words(f"incidents.severity.{one.severity}"),
            at.words(f"incidents.status.{'open' if one.is_open else 'closed'}"),
            mask(one.title),
            "–" if (clock := waiting[one.id]) is None else f"{notification(at, clock.duty)}: {left(clock, at.words)}",
        )
        for one in chosen
    )
    say(table(Sheet(columns, rows)).rstrip("\n"))


@app.command()
def show(
    incident: Id,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    workspace: Where = None,
) -> None:
    """Show an incident whole: what is known, its clocks with the hours left, its findings and its course."""
    from kyber.privacy import mask

    at = desk(workspace)
    one = at.incident(incident)
    if json:
        say(json_record(_record(at, one)))
        return
    words = at.words
    state = words(f"incidents.status.{'open' if one.is_open else 'closed'}")
    say(paint(plain(f"{one.id}  {mask(one.title)}"), Colour.GOOD, bold=True))
    judged = "unknown" if one.significant is None else "yes" if one.significant else "no"
    facts = {
        "status": state if one.closed is None else f"{state} {at.shown(one.closed.on)}: {one.closed.why}",
        "severity": words(f"incidents.severity.{one.severity}"),
        "significant": words(f"incidents.significant.{judged}"),
        "personal-data": words(f"incidents.personal-data.{'yes' if one.personal_data else 'no'}"),
        "noticed": at.shown(one.noticed),
        "occurred": at.shown(one.occurred) if one.occurred else "",
        "owner": at.people.shown(one.owner) if one.owner else "",
        "services": ", ".join(at.services.get(each, each) for each in one.services),
        "findings": ", ".join(each[:FINDING_SHOWN] for each in one.findings),
        "risks": ", ".join(one.risks),
        "actions": ", ".join(one.actions),
        "description": one.description or "",
        "impact": one.impact or "",
        "cause": one.cause or "",
        "measures": one.measures or "",
    }
    for name, value in facts.items():
        if value:
            say(plain(mask(f"  {words(f'incidents.label.{name}')}: {value}")))
    for each in one.lessons:
        say(plain(mask(f"  {words('incidents.label.lesson')}: {each}")))
    show_clocks(at, one)
    _show_timeline(at, one)


@app.command()
def timeline(
    incident: Id,
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]", help="What happened or was done; no personal data. Else kyber shows the course.",
            show_default=False,
        ),
    ] = None,
    at_: At = "",
    by: By = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Show the course of an incident, in the order of time; with a text, add an entry to it."""
    from kyber.incident import noted

    at = desk(workspace)
    one = at.incident(incident)
    if text is None:
        if at_:
            raise UsageError("--at is the time of an entry: say what happened as well")
        _show_timeline(at, one)
        return
    if not line(text):
        raise UsageError("the entry is empty: say what happened")
    edit = noted(one, at.moment(at_, "--at"), line(text), at.by(by))
    say(at.words("incidents.did.noted", id=one.id))
    write(at, [edit], dry_run=dry_run)


app.command()(notify)


@app.command()
def close(
    incident: Id,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why it is over. It is kept in git: no personal data.")],
    at_: At = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Close an incident. What it still owes an authority goes on being counted."""
    from kyber.incident import closed

    at = desk(workspace)
    one = at.incident(incident)
    if not line(why):
        raise UsageError("--why is empty: say why")
    edit = closed(one, at.moment(at_, "--at"), line(why))
    say(at.words("incidents.did.closed", id=one.id))
    write(at, [edit], dry_run=dry_run)
    if any(each.state.value in ("running", "missed") for each in at.clocks(one)):
        say(at.words("incidents.owes"))
        show_clocks(at, one)


app.command()(archive)


def _findings(at: IncidentDesk, prefixes: Sequence[str]) -> "Sequence[KeptFinding]":
    """The kept findings whose ids begin so, each once. Raises UsageError."""
    from kyber import kept

    if not prefixes:
        return ()
    if not (at.here.state / kept.FILE).exists():
        raise UsageError("no findings are kept here yet: `kyber scan` without paths keeps what it finds")
    with kept.open(at.here.state) as store:
        return tuple({one.finding.id: one for one in map(store.get, prefixes)}.values())


def _first(found: "Sequence[Finding]", at: IncidentDesk) -> datetime | None:
    times = [one.first for one in found if one.first is not None]
    return min(times).replace(microsecond=0).astimezone(at.here.settings.zone) if times else None


def _services(at: IncidentDesk, found: "Sequence[Finding]") -> Sequence[str]:
    """The services of the register that the log sources of the findings tell of."""
    if not found:
        return ()
    from kyber.logs.source import load_sources

    met = {source for one in found for source in one.sources}
    named = {service for one in load_sources(at.here.root)[0] if one.id in met for service in one.services}
    return [id_ for id_ in at.services if id_ in named]


def _as_made(text: str) -> "Incident":
    from kyber.incident import Incident
    from kyber.register import read

    made, _ = read(text.encode(), "", Incident)
    if made is None:
        raise UsageError("the incident cannot be read back")
    return made


def _show_timeline(at: IncidentDesk, one: "Incident") -> None:
    from kyber.privacy import mask

    say()
    if not one.timeline:
        say(at.words("incidents.no-timeline"))
    for each in sorted(one.timeline, key=lambda each: each.at):
        by = f"  ({at.people.shown(each.by)})" if each.by else ""
        say(plain(mask(f"  {at.shown(each.at)}  {each.what}{by}")))


def _due(clock: "Clock | None") -> datetime:
    return clock.due if clock is not None and clock.due is not None else datetime.max.replace(tzinfo=UTC)


def _record(at: IncidentDesk, one: "Incident") -> dict[str, Any]:
    return {
        **one.model_dump(mode="json", exclude_none=True, by_alias=True),
        "computed": {
            "status": "open" if one.is_open else "closed",
            "clocks": [
                {
                    "regime": clock.duty.regime,
                    "stage": clock.duty.stage,
                    "state": clock.state.value,
                    "due": clock.due.isoformat() if clock.due else None,
                    "hours_left": None if clock.left is None else round(clock.left, 2),
                }
                for clock in at.clocks(one)
            ],
        },
    }
