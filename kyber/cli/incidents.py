"""`kyber incident`: what happened, its course, what is to be notified by when, and the evidence as one archive."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Colour, Where, paint, plain, say
from kyber.cli.desk import By, Desk, DryRun, ids, json_record, one_of, open_at, owners, table, tell_errors, write
from kyber.cli.files import check_place, spare, write_out, write_whole
from kyber.cli.stores import Stores
from kyber.errors import KyberError, UsageError

if TYPE_CHECKING:
    from kyber.finding import Finding
    from kyber.incident import Clock, Incident
    from kyber.kept import KeptFinding
    from kyber.text import Words

app = typer.Typer(no_args_is_help=True, help="Incidents: what happened, what is to be notified by when, the evidence.")


class Grade(StrEnum):
    """How bad an incident is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Stage(StrEnum):
    """The notifications to an authority."""

    FIRST = "first"
    FOLLOW_UP = "follow-up"
    FINAL = "final"


class Regime(StrEnum):
    """What asks for a notification."""

    CYBERSECURITY_ACT = "cybersecurity-act"
    GDPR = "gdpr"


class Language(StrEnum):
    """The languages of a draft."""

    FI = "fi"
    SV = "sv"
    EN = "en"


Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The incident's id, such as I-001.", autocompletion=ids("incidents"), show_default=False
    ),
]
At = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="TIME",
        help="When, as 2026-11-03T12:30 in the workspace's time zone, or 2h ago; else now.",
        show_default=False,
    ),
]
COLOURS: Final = {
    "met": Colour.GOOD,
    "late": Colour.DOUBT,
    "running": Colour.DOUBT,
    "missed": Colour.BAD,
    "not-applicable": Colour.QUIET,
}
SIGNS: Final = {"met": "✓", "late": "✓!", "running": "…", "missed": "✗", "not-applicable": "–"}
"""Signs beside the words for where a clock stands."""
ARCHIVES: Final = (".zip", ".tar")
FINDING_SHOWN: Final = 8


@dataclass(frozen=True)
class IncidentDesk(Desk):
    """A workspace, its incidents, and the moment."""

    incidents: "Sequence[Incident]"
    now: datetime

    def incident(self, id_: str) -> "Incident":
        """The incident with an id, in any case. Raises UsageError."""
        return one_of(id_, self.incidents, "incident")

    def clocks(self, one: "Incident") -> "Sequence[Clock]":
        from kyber.incident import clocks

        return clocks(one, self.now, self.here.settings.zone)

    def moment(self, text: str, option: str) -> datetime:
        """A moment as it is written, or now, in the workspace's zone; none that is to come. Raises UsageError."""
        from kyber.logs.search.when import Clock

        zone = self.here.settings.zone
        if not text:
            return self.now.astimezone(zone)
        try:
            start = Clock(self.now, zone).since(text.removesuffix(" ago")).start
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from None
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start or 0)
        if moment > self.now:
            raise UsageError(f"{option} {text}: this time is yet to come")
        return moment.astimezone(zone)

    def shown(self, moment: datetime) -> str:
        """A moment in the workspace's zone."""
        return f"{moment.astimezone(self.here.settings.zone):%Y-%m-%d %H:%M}"


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
        "title": _line(title),
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
    _show_clocks(at, _as_made(edit.text))


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
            "–" if (clock := waiting[one.id]) is None else f"{_duty(at, clock)}: {_left(clock, at.words)}",
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
        "services": ", ".join(one.services),
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
    _show_clocks(at, one)
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
    if not _line(text):
        raise UsageError("the entry is empty: say what happened")
    edit = noted(one, at.moment(at_, "--at"), _line(text), at.by(by))
    say(at.words("incidents.did.noted", id=one.id))
    write(at, [edit], dry_run=dry_run)


@app.command()
def notify(
    incident: Id,
    stage: Annotated[Stage, typer.Option(help="Which notification.", show_default=False)],
    regime: Annotated[Regime, typer.Option(help="What asks for it.")] = Regime.CYBERSECURITY_ACT,
    draft: Annotated[bool, typer.Option("--draft", help="Write the draft; so it is without --done as well.")] = False,
    language: Annotated[
        Language | None, typer.Option(help="The language of the draft; else the workspace's.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the draft to a file.")
    ] = None,
    done: Annotated[bool, typer.Option("--done", help="Write down that the notification was sent.")] = False,
    at_: At = "",
    ref: Annotated[
        str, typer.Option(metavar="TEXT", help="The number that the authority gave it.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Draft a notification to an authority, in Markdown, from what the incident says; or write down that it was sent.

    kyber sends nothing. A draft has to be checked and completed by a person.
    """
    from kyber.incident import duty_for, notified

    at = desk(workspace)
    one, duty = at.incident(incident), duty_for(regime.value, stage.value)
    if not done and (at_ or ref):
        raise UsageError("--at and --ref are about a notification that was sent: give --done as well")
    edits = [notified(one, duty, at.moment(at_, "--at"), _line(ref))] if done else []
    if draft or not done:
        if output is not None:
            check_place(output)
            spare(output, at.here)
        write_out(output, _draft(at, one, duty, language.value if language else at.here.settings.language))
    if done:
        say(plain(at.words("incidents.did.notified", id=one.id, what=_notification(at, duty))))
        write(at, edits, dry_run=dry_run)


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
    if not _line(why):
        raise UsageError("--why is empty: say why")
    edit = closed(one, at.moment(at_, "--at"), _line(why))
    say(at.words("incidents.did.closed", id=one.id))
    write(at, [edit], dry_run=dry_run)
    if any(each.state.value in ("running", "missed") for each in at.clocks(one)):
        say(at.words("incidents.owes"))
        _show_clocks(at, one)


@app.command()
def archive(
    incident: Id,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The archive: FILE.zip or FILE.tar.", show_default=False),
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Take the place of a file that is there.")] = False,
    workspace: Where = None,
) -> None:
    """Write the evidence of an incident as one archive: its file, findings, their records, drafts, and SHA-256 of all.

    The same evidence makes the same bytes. Findings and records hold what was in the logs, unmasked: keep it safe.
    """
    from kyber.casefile import tarred, with_manifest, zipped

    at = desk(workspace)
    one = at.incident(incident)
    if output.suffix.lower() not in ARCHIVES:
        raise UsageError(f"{output}: an archive is named FILE.zip or FILE.tar")
    check_place(output)
    spare(output, at.here)
    if output.exists() and not overwrite and not _may_replace(at, output):
        raise UsageError(f"{output} is there already: name another file, or give --overwrite")
    contents, missing, unread = _evidence(at, one)
    make = zipped if output.suffix.lower() == ".zip" else tarred
    write_whole(output, make(with_manifest(contents)))
    say(plain(at.words.many("incidents.did.archived", len(contents), id=one.id, file=output)))
    if missing:
        say(at.words("incidents.findings-gone", ids=tuple(missing)), error=True)
    if unread:
        say(at.words("incidents.records-gone", ids=tuple(unread)), error=True)


# --- what an incident is made of -------------------------------------------------------------------------------------


def desk(workspace: Path | None) -> IncidentDesk:
    """The workspace's incidents; what cannot be read of them is told on standard error. Raises WorkspaceError."""
    from kyber.incident import GLOB, Incident
    from kyber.people import FILE, People
    from kyber.register import read_all

    here, today = open_at(workspace)
    people, problems = read_all(here.root, FILE, People)
    incidents, found = read_all(here.root, GLOB, Incident)
    made = IncidentDesk(here, people[0] if people else People(), today, incidents, datetime.now(UTC))
    tell_errors(made, (*problems, *found))
    return made


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
    from kyber.continuity.service import GLOB, Service
    from kyber.logs.source import load_sources
    from kyber.register import read_all

    met = {source for one in found for source in one.sources}
    named = {service for one in load_sources(at.here.root)[0] if one.id in met for service in one.services}
    return [one.id for one in read_all(at.here.root, GLOB, Service)[0] if one.id in named]


def _evidence(at: IncidentDesk, one: "Incident") -> tuple[dict[str, bytes], list[str], list[str]]:
    """What goes into the archive by name; the findings that are kept no more, and those whose record is not."""
    from kyber import kept
    from kyber.incident import DUTIES, applies

    contents = {f"incident/{Path(one.at.file).name}": Path(one.at.file).read_bytes()}
    found: Sequence[KeptFinding] = ()
    if one.findings and (at.here.state / kept.FILE).exists():
        with kept.open(at.here.state) as store:
            found = store.of(one.findings)
    for each in found:
        contents[f"findings/{each.finding.id}.json"] = kept.to_json(each.finding) + b"\n"
    records = _records(at, found)
    contents |= {f"records/{id_}.raw": raw for id_, raw in records.items()}
    for duty in DUTIES:
        if applies(one, duty):
            for language in Language:
                name = f"drafts/{duty.regime}-{duty.stage}.{language}.md"
                contents[name] = _draft(at, one, duty, language.value).encode()
    there = {each.finding.id for each in found}
    missing = [id_ for id_ in one.findings if id_ not in there]
    return contents, missing, [each.finding.id for each in found if each.finding.id not in records]


def _records(at: IncidentDesk, found: "Sequence[KeptFinding]") -> dict[str, bytes]:
    """By the finding's id, the record of its sample as it was read, where it is still stored."""
    records: dict[str, bytes] = {}
    wanted = {one.finding.id: one.finding.sample.event_id for one in found if one.finding.sample.event_id}
    if not wanted:
        return records
    try:
        with Stores(None, None, None, allow_plaintext=False, insecure=False).opened(at.here) as store, store.reading():
            for id_, event in wanted.items():
                if (there := store.event(event)) is not None:
                    batch, row = there
                    records[id_] = batch.raw[row]
    except KyberError:  # nothing is stored, or the store does not answer: what is missing is told
        return records
    return records


def _draft(at: IncidentDesk, one: "Incident", duty: Any, language: str) -> str:
    from kyber.notice import draft
    from kyber.text import words_for

    settings = at.here.settings
    return draft(one, duty, settings.organisation, at.people, words_for(language), settings.zone)


def _as_made(text: str) -> "Incident":
    from kyber.incident import Incident
    from kyber.register import read

    made, _ = read(text.encode(), "", Incident)
    if made is None:
        raise UsageError("the incident cannot be read back")
    return made


def _may_replace(at: IncidentDesk, output: Path) -> bool:
    return sys.stdin.isatty() and typer.confirm(plain(at.words("incidents.replace", file=output)), default=False)


# --- what is shown ---------------------------------------------------------------------------------------------------


def _show_clocks(at: IncidentDesk, one: "Incident") -> None:
    say()
    for clock in at.clocks(one):
        state = clock.state.value
        said = f"  {SIGNS[state]:<2} {_duty(at, clock)}: {_left(clock, at.words)}"
        if clock.due is not None:
            said += f" ({at.words('incidents.due', due=at.shown(clock.due))})"
        say(paint(said, COLOURS[state]))


def _show_timeline(at: IncidentDesk, one: "Incident") -> None:
    from kyber.privacy import mask

    say()
    if not one.timeline:
        say(at.words("incidents.no-timeline"))
    for each in sorted(one.timeline, key=lambda each: each.at):
        by = f"  ({at.people.shown(each.by)})" if each.by else ""
        say(plain(mask(f"  {at.shown(each.at)}  {each.what}{by}")))


def _duty(at: IncidentDesk, clock: "Clock") -> str:
    return _notification(at, clock.duty)


def _notification(at: IncidentDesk, duty: Any) -> str:
    return at.words(f"incidents.notification.{duty.regime}.{duty.stage}")


def _due(clock: "Clock | None") -> datetime:
    return clock.due if clock is not None and clock.due is not None else datetime.max.replace(tzinfo=UTC)


def _left(clock: "Clock", words: "Words") -> str:
    """Where a clock stands, with the hours left or past."""
    if clock.left is None:
        return words(f"incidents.clock.{clock.state.value}")
    hours = int(abs(clock.left))
    return words.many(f"incidents.clock.{clock.state.value}", hours)


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


def _line(text: str) -> str:
    return " ".join(text.encode(errors="replace").decode().split())
