"""`kyber findings`: the findings that scans kept, and what people decide about them."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Colour, Where, day_here, paint, plain, root_of, say, tell_problems
from kyber.cli.continuity_files import services
from kyber.cli.desk import one_of
from kyber.cli.files import check_output, form_of, standard_output, write_out
from kyber.cli.identity import who
from kyber.cli.scan import BY_ENDING, Form, Limit
from kyber.cli.web import web_of
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kyber.amend import Edit
    from kyber.finding import Finding, Judgement, Status, Touched
    from kyber.kept import Kept, KeptFinding
    from kyber.render.kept import Threat, Whole
    from kyber.text import Words
    from kyber.thread import Web
    from kyber.triage import Decision
    from kyber.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="The findings that were kept, and what is decided about them.")


class Which(StrEnum):
    """Which findings are listed, by where they stand; `open` are those that wait for somebody, reopened ones too."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    FALSE_POSITIVE = "false-positive"
    ALL = "all"


class Order(StrEnum):
    """What comes first in a list: the most serious, or what threatens the most critical services."""

    LEVEL = "level"
    THREAT = "threat"


class Picture(StrEnum):
    """The families of findings."""

    SECURITY = "security"
    ACCESS = "access"
    TECHNICAL = "technical"


Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Ids of findings; the first characters will do.", show_default=False),
]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why. It is kept in git: no personal data.")]
MaybeWhy = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Why. It is kept in git: no personal data.", show_default=False)
]
By = Annotated[
    str | None,
    typer.Option(
        metavar="PERSON",
        help="Who decides: an id or e-mail address of people.yaml; else git's user.email.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")]

TABLE_WIDTH: Final = 100
_MINUTES: Final = re.compile(r"^([0-9.]+)\s*m$")
"""As in --around 10m: between events, nobody means months."""


@app.command("list")
def list_(
    status: Annotated[
        Which, typer.Option(help="Where they stand; open are those that wait for somebody, reopened ones too.")
    ] = Which.OPEN,
    level: Annotated[Limit, typer.Option(help="Leave out findings below this level.")] = Limit.INFORMATIONAL,
    family: Annotated[
        list[Picture] | None, typer.Option(help="Only this family; may be repeated.", show_default=False)
    ] = None,
    rule: Annotated[
        str, typer.Option(metavar="PATTERN", help="Id, name, title or file of the rule, with * and ?.")
    ] = "",
    host: Annotated[str, typer.Option(metavar="PATTERN", help="The host, with * and ?.")] = "",
    user: Annotated[str, typer.Option(metavar="PATTERN", help="The user, with * and ?.")] = "",
    source: Annotated[str, typer.Option(metavar="PATTERN", help="Id of the log source, with * and ?.")] = "",
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Only those whose last event is not before: 2026-03-04, yesterday, or 7d back."
        ),
    ] = "",
    service: Annotated[
        str,
        typer.Option(
            metavar="SERVICE",
            help="Only those that threaten this service: it, or something that it rests on.",
            autocompletion=services,
            show_default=False,
        ),
    ] = "",
    sort: Annotated[
        Order, typer.Option(help="What comes first: the most serious, or what threatens the most critical services.")
    ] = Order.LEVEL,
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="The form of the findings; else by the ending of -o, or a table."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the findings to a file.")
    ] = None,
    workspace: Where = None,
) -> None:
    """List the findings that were kept: the open ones, unless asked for others."""
    from kyber.finding import Family
    from kyber.level import Level
    from kyber.text import words_for
    from kyber.thread import urgency

    here, now = _here(workspace), datetime.now(UTC)
    words = words_for(here.settings.language)
    form = Form(form_of(form, json, output, BY_ENDING))
    check_output(output, here)
    start = _since(since, here, now)
    with _store(here) as store:
        found: Sequence[KeptFinding] = store.all(
            level=Level.of(level),
            families=[Family(one) for one in family or ()],
            rule=rule,
            host=host,
            user=user,
            source=source,
            since=start,
        )
    _, judged = _judged(here, found, words)
    web = web_of(here, day_here(here, now), risks=form is not Form.TABLE)
    touched = web.thread(one.finding for one in found)
    if service:
        wanted = one_of(service, web.continuity.services, "service").id
        found = [one for one in found if touched[one.finding.id].threatens(wanted)]
    if sort is Order.THREAT:
        found = sorted(found, key=lambda one: urgency(touched[one.finding.id]))
    chosen = [one for one in found if _is_wanted(judged[one.finding.id].status, status)]
    if form is Form.TABLE:
        others = len(found) - len(chosen) if status is Which.OPEN else 0
        write_out(output, _table(chosen, judged, touched, others, words, output))
    else:
        write_out(output, _in_form(form, chosen, judged, touched, here, now, words))


@app.command()
def show(
    finding: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a finding; the first characters will do.", show_default=False)
    ],
    around: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Show what else happened on its host, so long before and after: 10m.",
            show_default=False,
        ),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="With --around: the records as they were read.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    workspace: Where = None,
) -> None:
    """Show everything about a finding: what was seen and why it matters, what was decided, what happened around it."""
    from kyber.render import kept as render
    from kyber.text import words_for

    here = _here(workspace)
    words = words_for(here.settings.language)
    if raw and around is None:
        raise UsageError("--raw shows records of the time around a finding: give --around too")
    with _store(here) as store:
        found = store.get(finding)
    decisions, judged = _judged(here, [found], words)
    web = web_of(here, day_here(here))
    whole = _whole(found, decisions, judged, _threat(web, found.finding, words))
    if json:
        say(render.as_json(whole))
    else:
        from rich.console import Console

        with standard_output():
            render.show_one(whole, words, Console())
    if around is not None:
        _around(here, found.finding, around, words, raw=raw, json=json)


@app.command()
def ack(
    findings: Ids,
    why: MaybeWhy = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DAY", help="The last day on which it holds, as 2026-03-31, or 14d from today.", show_default=False
        ),
    ] = None,
    by: By = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Acknowledge findings: somebody looks into them. Each decision is a line in a file of the folder triage."""
    _decide(findings, "acknowledged", why, by, workspace, dry_run, until=until or "")


@app.command()
def close(findings: Ids, why: Why, by: By = None, dry_run: DryRun = False, workspace: Where = None) -> None:
    """Close findings: they are dealt with. One that grows afterwards shows again, as reopened."""
    _decide(findings, "closed", why, by, workspace, dry_run)


@app.command("false-positive")
def false_positive(findings: Ids, why: Why, by: By = None, dry_run: DryRun = False, workspace: Where = None) -> None:
    """Mark findings as false positives: not what the rule looks for. They stay quiet even if they grow."""
    _decide(findings, "false-positive", why, by, workspace, dry_run)


@app.command()
def reopen(
    findings: Ids, why: MaybeWhy = None, by: By = None, dry_run: DryRun = False, workspace: Where = None
) -> None:
    """Open findings again that were acknowledged, closed or marked as false positives."""
    _decide(findings, "open", why, by, workspace, dry_run)


def _here(workspace: Path | None) -> "Workspace":
    from kyber.workspace import at

    return at(root_of(workspace or Path()))


def _store(here: "Workspace") -> "Kept":
    """The kept findings. Raises UsageError where no scan has kept any."""
    from kyber import kept

    if not (here.state / kept.FILE).exists():
        raise UsageError("no findings are kept here yet: `kyber scan` without paths keeps what it finds")
    return kept.open(here.state)


def _since(text: str, here: "Workspace", now: datetime) -> datetime | None:
    if not text:
        return None
    from kyber.logs.search.when import Clock

    try:
        start = Clock(now, here.settings.zone).since(text).start
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None
    return None if start is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start)


def _day(text: str, today: date) -> date:
    """A day as it is written, or so long from `today`."""
    from kyber.duration import Duration

    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return Duration.parse(text).after(today)
    except ValueError:
        raise UsageError(f"--until {text}: write a day as 2026-03-31, or a time from today as 14d") from None


def _judged(
    here: "Workspace", findings: "Sequence[KeptFinding]", words: "Words"
) -> "tuple[Mapping[str, Sequence[Decision]], Mapping[str, Judgement]]":
    """The decisions by finding, and where each finding stands; what cannot be read of them is told."""
    from kyber import triage

    records, problems = triage.load_triage(here.root)
    tell_problems(problems, words)
    decisions = triage.by_finding(records)
    return decisions, triage.judged(findings, decisions, day_here(here))


def _is_wanted(status: "Status", which: Which) -> bool:
    from kyber.finding import Status

    match which:
        case Which.ALL:
            return True
        case Which.OPEN:
            return status in (Status.OPEN, Status.REOPENED)
        case _:
            return status.value == which.value


def _table(
    findings: "Sequence[KeptFinding]",
    judged: "Mapping[str, Judgement]",
    touched: "Mapping[str, Touched]",
    others: int,
    words: "Words",
    output: Path | None,
) -> str:
    """The list as text: as wide, and as coloured, as the terminal, or for a file."""
    import io

    from rich.console import Console

    from kyber.render.kept import show_list

    shown = Console() if output is None else Console(width=TABLE_WIDTH, color_system=None, force_terminal=False)
    with shown.capture() as text:
        if findings:
            show_list(findings, judged, words, shown, touched)
        else:
            shown.print(words("findings.list.none"), highlight=False, markup=False)
        if others:
            shown.print(words.many("findings.list.others", others), highlight=False, markup=False)
    return "".join(f"{line.rstrip()}\n" for line in io.StringIO(text.get()))


def _in_form(
    form: Form,
    findings: "Sequence[KeptFinding]",
    judged: "Mapping[str, Judgement]",
    touched: "Mapping[str, Touched]",
    here: "Workspace",
    now: datetime,
    words: "Words",
) -> str:
    from kyber.finding import ScanResult
    from kyber.render.findings import FORMS

    result = ScanResult(
        findings=tuple(one.finding for one in findings),
        blind=(),
        inputs=(),
        problems=(),
        rules=0,
        fired=0,
        started=now,
        seconds=0.0,
        timezone=here.settings.timezone,
        judged={one.finding.id: judged[one.finding.id] for one in findings},
        touched={one.finding.id: touched[one.finding.id] for one in findings},
    )
    return FORMS[form](result, words, False)


def _whole(
    found: "KeptFinding",
    decisions: "Mapping[str, Sequence[Decision]]",
    judged: "Mapping[str, Judgement]",
    threat: "Threat",
) -> "Whole":
    from kyber.render.kept import Whole
    from kyber.triage import history

    id_ = found.finding.id
    return Whole(kept=found, judged=judged[id_], history=history(decisions.get(id_, ())), threat=threat)


def _threat(web: "Web", finding: "Finding", words: "Words") -> "Threat":
    """What a finding threatens, with the names of it all."""
    from kyber.render.kept import Named, Threat

    touched, continuity = web.touched(finding), web.continuity
    risks = {one.id: one.title for one in web.risks}
    services, plans = [], []
    for id_ in touched.services:
        service = continuity.service.get(id_)
        services.append(Named(id_, service.name if service else "", service.criticality if service else None))
    for id_ in touched.plans:
        plan = continuity.plan[id_]
        last = continuity.last_exercise(plan)
        about = words("findings.threat.exercised", day=last.date) if last else words("findings.threat.not-exercised")
        plans.append(Named(id_, f"{plan.title} ({about})"))
    return Threat(
        touched=touched,
        services=tuple(services),
        plans=tuple(plans),
        risks=tuple(Named(id_, risks[id_]) for id_ in touched.risks),
    )


def _around(here: "Workspace", finding: "Finding", span: str, words: "Words", *, raw: bool, json: bool) -> None:
    """What else was stored of the finding's host, or else its user or address, from so long before its first event to
    as long after its last, as `kyber search` shows it. Raises UsageError where there is nothing to look for."""
    from kyber.cli.search import search
    from kyber.duration import Duration
    from kyber.privacy import mask
    from kyber.render.times import moment

    try:
        seconds = Duration.parse(_MINUTES.sub(r"\1min", span)).approximate_seconds
        margin = timedelta(seconds=seconds)
        first, last = finding.first or finding.last, finding.last or finding.first
        period = (first - margin, last + margin) if first and last else None
    except (ValueError, OverflowError):
        raise UsageError(f"--around {span}: write it as 10m, 1h or 1d") from None
    field = next((name for name in ("host.name", "user.name", "source.ip") if finding.group.get(name)), None)
    if field is None or period is None:
        raise UsageError("the finding names no host, user or address, or no time: there is nothing to look around")
    value = finding.group[field]
    if not json:
        start, end = map(moment, period)
        say()
        say(paint(plain(words("findings.show.around", where=mask(value), first=start, last=end)), Colour.GOOD))
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    start, end = (f"{moment(time).replace(' ', 'T')}Z" for time in period)
    search(
        f'{field}:"{quoted}"',
        between=(start, end),
        sort="time",
        raw=raw,
        json=json,
        timezone="UTC",
        workspace=here.root,
    )


def _decide(
    ids: Sequence[str],
    status: str,
    why: str | None,
    by: str | None,
    workspace: Path | None,
    dry_run: bool,
    *,
    until: str = "",
) -> None:
    """Write down what somebody decided about findings: all of them, or none where one cannot be."""
    from kyber import triage
    from kyber.people import FILE, People
    from kyber.register import read_all
    from kyber.text import words_for

    here, now = _here(workspace), datetime.now(UTC).replace(microsecond=0)
    words = words_for(here.settings.language)
    why = None if why is None else " ".join(why.encode(errors="replace").decode().split())
    if why == "":
        raise UsageError("--why is empty: say why")
    today = day_here(here, now)
    last = _day(until, today) if until else None
    if last is not None and last < today:
        raise UsageError(f"--until {until} is over already")
    people, _ = read_all(here.root, FILE, People)
    decider = who(here.root, people[0] if people else People(), by)
    with _store(here) as store:
        found = list({one.finding.id: one for one in map(store.get, ids)}.values())
    records, problems = triage.load_triage(here.root)
    tell_problems(problems, words)
    decisions = triage.by_finding(records)
    edits: dict[str, Edit] = {}
    for one in found:
        known = decisions.get(one.finding.id)
        if status == "open" and (not known or known[-1].status == "open"):
            continue
        decision = triage.Decision.model_validate(
            {
                "status": status,
                "why": why,
                "by": decider,
                "on": now,
                "until": last,
                "events": one.finding.count,
            }
        )
        edits[one.finding.id] = triage.edit(here.root, records, one.finding, decision)
    if len({edit.file for edit in edits.values()}) < len(edits):
        raise UsageError("two of these findings would share a file: decide on them one after the other")
    if not dry_run:
        _write(here, edits.values())
    for one in found:
        _say_decided(one.finding, edits.get(one.finding.id), status, here, words)
    if edits:
        say(words("findings.decided.dry-run") if dry_run else words.many("findings.decided.commit", len(edits)))


def _write(here: "Workspace", edits: "Iterable[Edit]") -> None:
    from kyber.register import write
    from kyber.triage import FOLDER

    try:
        (here.root / FOLDER).mkdir(exist_ok=True)
        for one in edits:
            write(one.file, one.text)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from None


def _say_decided(finding: "Finding", edit: "Edit | None", status: str, here: "Workspace", words: "Words") -> None:
    from kyber.privacy import mask
    from kyber.render.kept import ID_SHOWN

    facts = {"title": plain(mask(finding.rule.title_in(words.language))), "id": finding.id[:ID_SHOWN]}
    if edit is None:
        say(words("findings.decided.as-before", **facts))
    else:
        say(words(f"findings.decided.{status}", **facts, file=plain(edit.file.relative_to(here.root))))
