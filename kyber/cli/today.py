"""`kyber today`: a workspace in, what is new since one last looked, what waits and what is late out, on one screen."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Colour, Where, day_here, paint, plain, root_of, say
from kyber.cli.desk import json_record, owners, terminal_width
from kyber.cli.reading import no_collector
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kyber.join import Snapshot
    from kyber.kept import KeptFinding
    from kyber.workspace import Workspace

FOLDER: Final = "looked"
"""Where it is kept, in `.kyber`, who looked when: one file a person."""
FIRST: Final = timedelta(days=7)
"""How far back somebody looks who never looked before."""


@dataclass(frozen=True, slots=True)
class Look:
    """When somebody looked, and what there was to mend then."""

    at: datetime | None = None
    problems: frozenset[str] = field(default_factory=frozenset)


def today(
    who: Annotated[
        str,
        typer.Option(
            "--who",
            metavar="WHO",
            help="For whom: a role or person of people.yaml; else the person with git's user.email, or everybody.",
            autocompletion=owners,
            show_default=False,
        ),
    ] = "",
    peek: Annotated[bool, typer.Option("--peek", help="Look without this counting as having looked.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for another program.")] = False,
    workspace: Where = None,
) -> None:
    """Show the day on one screen: what is new since you last looked, what waits for you, what is late.

    When you looked is kept in `.kyber`, for each person apart. Problems are those of the registers; `kyber check` looks
    at rules, too.
    """
    from kyber import today as view
    from kyber.calendar.listing import owners_of
    from kyber.clock import State
    from kyber.join import REGISTERS, check_snapshot, dues, read_workspace
    from kyber.text import words_for
    from kyber.workspace import at

    here, now = at(root_of(workspace or Path())), datetime.now(UTC)
    day, zone = day_here(here, now), here.settings.zone
    with no_collector():
        snapshot, unread = read_workspace(here.root, day)
        problems = check_snapshot(snapshot, unread, REGISTERS).left
    me = _me(here, snapshot, who)
    wanted = owners_of(snapshot.people, me, day) if me else None
    before = _looked(here, me)
    since = before.at or now - FIRST
    waiting = _waiting(here, snapshot)
    touched = snapshot.web.thread(one.finding for one in waiting)
    found = dues(snapshot, day + timedelta(days=400))
    known = view.prints(problems, here.root)
    new = [one for key, one in known.items() if key not in before.problems]
    rules, blind = _rules(here, snapshot)
    shown = view.Today(
        organisation=here.settings.organisation,
        day=day,
        who=me,
        since=since,
        first=before.at is None,
        running=view.running(snapshot.incidents, now, zone),
        findings=view.new_findings(waiting, since, touched),
        touched=touched,
        waiting=len(waiting),
        risks=_changed(here, since),
        problems=tuple(new),
        late=view.mine(found, wanted, State.LATE, day),
        due=view.mine(found, wanted, State.DUE, day),
        silent=tuple(one.source for one in snapshot.silent(now)),
        rules=rules,
        blind=blind,
    )
    if json:
        say(json_record(view.record(shown, here.root)))
    else:
        words = words_for(here.settings.language)
        _show(view.lines(shown, snapshot.people, words, f"{since.astimezone(zone):%Y-%m-%d %H:%M}"))
    if not peek:
        _remember(here, me, now, known)


def _show(lines: "Sequence[str]") -> None:
    """Each line within the width of the terminal; headings, which nothing stands before, are bold."""
    from rich.cells import cell_len, set_cell_size

    width = terminal_width()
    for line in lines:
        text = plain(line) if line.strip() else ""
        indent = line[: len(line) - len(line.lstrip())]
        text = indent + text.lstrip()
        if cell_len(text) > width:
            text = set_cell_size(text, width - 1).rstrip() + "…"
        say(text if indent or not text else paint(text, Colour.GOOD, bold=True))


def _me(here: "Workspace", snapshot: "Snapshot", who: str) -> str:
    """The role or person that was named, or whom git says works here; empty: everybody. Raises UsageError."""
    from kyber.cli.desk import Desk
    from kyber.cli.identity import git_identity

    if who:
        return Desk(here, snapshot.people, snapshot.today).owner(who)
    try:
        person = snapshot.people.with_email(git_identity(here.root).email)
    except UsageError:  # no git
        return ""
    return person.id if person else ""


def _waiting(here: "Workspace", snapshot: "Snapshot") -> "Sequence[KeptFinding]":
    """The kept findings that wait for somebody."""
    from kyber import kept, triage
    from kyber.finding import Status

    if not (here.state / kept.FILE).exists():
        return ()
    with kept.open(here.state) as store:
        every = store.all()
    judged = triage.judged(every, triage.by_finding(snapshot.triage), snapshot.today)
    return [one for one in every if judged[one.finding.id].status in (Status.OPEN, Status.REOPENED)]


def _changed(here: "Workspace", since: datetime) -> tuple[str, ...]:
    """The ids of the risks whose files changed since a moment, in commits or not yet in one."""
    from kyber.amend import ids_in_names
    from kyber.git import changed, changed_names, head
    from kyber.risks.risk import GLOB

    if head(here.root) is None:
        return ()
    return tuple(sorted(ids_in_names((*changed_names(here.root, since, "risks"), *changed(here.root, GLOB)))))


def _rules(here: "Workspace", snapshot: "Snapshot") -> tuple[int, int]:
    """How many rules there are, and of how many no source has what they read; (0, 0) where no source is registered."""
    from kyber.cli.files import cache_folder
    from kyber.cli.rules_files import rule_paths, watch_lists
    from kyber.logs.sigma import cache
    from kyber.logs.supply import supplies
    from kyber.watched import Watchers

    supply = supplies(snapshot.sources, {})
    if not supply:
        return 0, 0
    with no_collector():
        rules = cache.read(rule_paths(here), watch_lists(here)[0], cache_folder(), snapshot.today)
    watchers = Watchers(rules=rules, supply=supply)
    ids = [one.ref.id for group in (rules.rules, rules.correlations) for one in group]
    return len(ids), sum(not watchers.has_source(id_) for id_ in ids)


# --- when somebody looked --------------------------------------------------------------------------------------------


def _file(here: "Workspace", who: str) -> Path:
    return here.state / FOLDER / f"{sha256(who.encode()).hexdigest()[:16]}.json"


def _looked(here: "Workspace", who: str) -> Look:
    """What was kept of the last look; nothing where it cannot be read."""
    import orjson

    try:
        found = orjson.loads(_file(here, who).read_bytes())
        at = datetime.fromisoformat(found["at"])
        return Look(at if at.tzinfo else at.replace(tzinfo=UTC), frozenset(map(str, found["problems"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Look()


def _remember(here: "Workspace", who: str, now: datetime, problems: "Collection[str]") -> None:
    """Keep that somebody looked now. Raises UsageError where it cannot be written."""
    import orjson

    from kyber.cli.files import write_below

    kept = orjson.dumps({"at": now.isoformat(), "problems": sorted(problems)})
    write_below(here.state, {f"{FOLDER}/{_file(here, who).name}": kept})
