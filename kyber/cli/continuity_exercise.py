"""`kyber continuity exercise`: exercises planned, held and measured; what follows from them becomes actions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.continuity_files import ContinuityDesk, ExerciseId, desk, heads_shown, plans
from kyber.cli.continuity_files import services as service_ids
from kyber.cli.desk import DryRun, owners, table, write
from kyber.cli.files import write_out
from kyber.cli.stores import Stores, WhichStore
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from kyber.logs.search.gap import Gap

app = typer.Typer(no_args_is_help=True, help="Exercises: planned, held and measured.")

ACTION_DAYS: Final = 90
"""Days until an action falls due that follows from an exercise."""
AROUND: Final = timedelta(days=1)
"""How long before and after the day of an exercise logs are looked at."""


class Kind(StrEnum):
    """The kinds of exercises."""

    TABLETOP = "tabletop"
    RESTORE = "restore"
    FALLBACK = "fallback"
    TECHNICAL = "technical"
    TAISTO = "taisto"
    JOINT = "joint"


class Result(StrEnum):
    """How an exercise ended."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"


Time = Annotated[
    str,
    typer.Option(metavar="TIME", help="As 2026-09-23T08:00, or 08:00 on the day of the exercise.", show_default=False),
]


@app.command("list")
def list_(workspace: Where = None) -> None:
    """List what was exercised and what is planned, and what falls due: each plan within 12 months."""
    from kyber.continuity.exercise import YEARLY
    from kyber.continuity.listing import exercises_listed
    from kyber.render.sheet import Column, Sheet

    at = desk(workspace)
    register, words = at.register, at.words
    found = sorted(register.exercises, key=lambda one: (one.date, one.id), reverse=True)
    if found:
        write_out(None, table(exercises_listed(register, found, words, heads_shown())))
    else:
        say(words("continuity.none.exercises"))
    rows = []
    for plan in register.plans:
        last = register.last_exercise(plan)
        due = YEARLY.after(last.date) if last else None
        planned = next((one for one in register.exercises_of(plan) if not one.is_held), None)
        late = due is None or due < at.today
        key = "never" if due is None else "late" if late else "coming"
        state = words(f"continuity.due.{key}", due=due or "–")
        rows.append((plan.id, plan.title, state, f"{planned.id} {planned.date}" if planned else "–"))
    if rows:
        say()
        heads = ("id", "title", "due", "planned")
        sheet = Sheet(
            tuple(Column(words(f"continuity.head.{head}"), weight=head == "title") for head in heads), tuple(rows)
        )
        write_out(None, table(sheet))


@app.command()
def plan(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The exercise in a few words.", show_default=False)],
    on: Annotated[str, typer.Option("--on", metavar="DAY", help="The day, as 2027-03-31.")],
    lead: Annotated[
        str, typer.Option(metavar="WHO", help="The role or person that leads it.", autocompletion=owners)
    ],
    type_: Annotated[Kind, typer.Option("--type", help="The kind of exercise.")] = Kind.TABLETOP,
    plan_: Annotated[
        list[str] | None,
        typer.Option("--plan", metavar="PLAN", help="A plan that is exercised; may be repeated.", autocompletion=plans,
                     show_default=False),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE", help="A service that is exercised or restored; may be repeated.",
                     autocompletion=service_ids, show_default=False),
    ] = None,
    risk: Annotated[
        list[str] | None,
        typer.Option(metavar="RISK", help="A risk that it plays; may be repeated.", show_default=False),
    ] = None,
    participant: Annotated[
        list[str] | None,
        typer.Option(metavar="WHO", help="Who takes part; may be repeated.", show_default=False),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What it is to show; may be repeated.", show_default=False),
    ] = None,
    scenario: Annotated[
        str, typer.Option(metavar="TEXT", help="What is supposed to have happened.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Plan an exercise of plans or services; `kyber continuity exercise script` then prints what its leader needs."""
    from kyber.continuity.edits import add_exercise

    at = desk(workspace)
    if not plan_ and not service:
        raise UsageError("name what is exercised: --plan or --service")
    fields = {
        "title": " ".join(title.split()),
        "type": type_.value,
        "plans": [at.plan(each).id for each in plan_ or ()] or None,
        "services": [at.service(each).id for each in service or ()] or None,
        "date": at.day(on, ahead=True),
        "lead": at.owner(lead),
        "participants": list(participant or ()) or None,
        "objectives": list(objective or ()) or None,
        "risks": list(risk or ()) or None,
        "scenario": scenario or None,
    }
    id_, edit = add_exercise(at.here.root, at.used(), fields)
    say(plain(at.words("continuity.did.planned", id=id_, title=fields["title"], on=fields["date"])))
    write(at, [edit], dry_run=dry_run)


@app.command()
def hold(
    exercise: ExerciseId,
    result: Annotated[Result, typer.Option(help="How it ended.")],
    on: Annotated[
        str, typer.Option("--on", metavar="DAY", help="The day on which it was held; else the planned one.",
                     show_default=False)
    ] = "",
    started: Time = "",
    detected: Time = "",
    service_up: Time = "",
    data_point: Time = "",
    from_logs: Annotated[
        str,
        typer.Option(
            metavar="QUERY",
            help="Events that show that the service works, as `kyber search` takes them: started is the last before"
            " the longest gap around that day, service up the first after it.",
            show_default=False,
        ),
    ] = "",
    finding: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What it showed, and nothing follows; may be repeated.", show_default=False),
    ] = None,
    action: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="What it showed, and what is done about it: 'the phones were flat => charge them every month';"
            " may be repeated.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[
        str,
        typer.Option(metavar="WHO", help="Who answers for the actions; else the leader.", autocompletion=owners,
                     show_default=False),
    ] = "",
    due: Annotated[
        str, typer.Option(metavar="DAY", help="When the actions fall due; else in 90 days.", show_default=False)
    ] = "",
    store: WhichStore = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Record that an exercise was held: how it ended, what was measured, what follows. The next falls due by itself.

    How long the service was away, and how much work was lost, is counted from the times, given or found in the logs.
    """
    from kyber.continuity.edits import hold as held

    at = desk(workspace)
    one = at.exercise(exercise)
    day = at.day(on) if on else min(one.date, at.today)
    times = {"detected": detected, "started": started, "service_up": service_up, "data_point": data_point}
    measured = {name: _moment(at, f"--{name.replace('_', '-')}", text, day) for name, text in times.items() if text}
    told: dict[str, object] = dict(measured)
    if from_logs:
        gap = _gap(at, from_logs, day, store)
        zone = at.here.settings.zone
        told = {
            "started": gap.last.astimezone(zone).isoformat(),
            "service_up": gap.first.astimezone(zone).isoformat(),
            **told,
        }
        told["source"] = f"kyber search: {from_logs}"
        say(
            plain(at.words("continuity.gap", last=_shown(at, gap.last), first=_shown(at, gap.first), events=gap.events))
        )
    if told and "started" not in told:
        raise UsageError("what was measured begins with --started: when the service went away")
    until = at.day(due, ahead=True) if due else at.today + timedelta(days=ACTION_DAYS)
    who = at.owner(owner) if owner else one.lead
    found: list[tuple[str, Mapping[str, Any] | None]] = [(text, None) for text in finding or ()]
    for text in action or ():
        what, _, does = text.partition("=>")
        fields = {"title": (does or what).strip(), "status": "planned", "owner": who, "due": until}
        found.append((what.strip(), fields))
    edits = held(at.here.root, one, at.used(), day, result.value, told or None, found)
    say(
        plain(
            at.words("continuity.did.held", id=one.id, title=one.title, result=at.words(f"continuity.result.{result}"))
        )
    )
    write(at, edits, dry_run=dry_run)
    _tell_measured(at, one.services, told)


def _tell_measured(at: ContinuityDesk, services: Sequence[str], told: Mapping[str, object]) -> None:
    """What the times say beside the objectives."""
    from kyber.continuity.exercise import Measured
    from kyber.duration import Duration

    if not told:
        return
    measured = Measured.model_validate(told)
    for name, span in (("rto", measured.rto), ("rpo", measured.rpo)):
        if span is None:
            continue
        length = Duration(seconds=round(span.total_seconds()))
        for id_ in services:
            one = at.register.service.get(id_)
            objective = getattr(one, name) if one else None
            if objective is not None:
                worse = length.seconds > objective.approximate_seconds
                key = "continuity.measured.worse" if worse else "continuity.measured.held"
                say(plain(at.words(key, id=id_, what=name.upper(), found=length, objective=objective)))


def _gap(at: ContinuityDesk, query: str, day: date, store: Any) -> "Gap":
    """The longest gap between the events of a query around a day. Raises UsageError, NothingReadError, StoreError."""
    from kyber.logs.search.gap import longest_gap
    from kyber.logs.search.meaning import needs, read
    from kyber.logs.search.run import Searcher
    from kyber.logs.search.when import Clock, micros
    from kyber.logs.store import Period

    zone = at.here.settings.zone
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    period = Period(micros(start - AROUND), micros(start + 2 * AROUND))
    meant = read(query, Clock(datetime.now(UTC), zone), period)
    need = needs(meant)
    with Stores(store, None, None, False, False).opened(at.here) as opened, opened.reading():
        found = longest_gap(Searcher(meant), opened.events(need.period))
    if found is None:
        raise NothingReadError(
            f"--from-logs: fewer than two events match around {day}; try the query with kyber search"
        )
    return found


def _moment(at: ContinuityDesk, option: str, text: str, day: date) -> str:
    """A time as it is written, in the workspace's zone where it names none, with its offset. Raises UsageError."""
    try:
        time = datetime.fromisoformat(f"{day.isoformat()}T{text}" if len(text) <= len("08:00:00") else text)
    except ValueError:
        raise UsageError(f"{option} {text}: write a time as {day}T08:00, or 08:00") from None
    return (time if time.tzinfo else time.replace(tzinfo=at.here.settings.zone)).isoformat()


def _shown(at: ContinuityDesk, time: datetime) -> str:
    return f"{time.astimezone(at.here.settings.zone):%Y-%m-%d %H:%M:%S}"
