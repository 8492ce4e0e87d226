"""`kyber logs`: what kyber reads and keeps, and what it calls what it reads."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kyber.cli import delivered
from kyber.cli.cluster import AllowPlaintext, Insecure, Namespace, Url, cluster_of, namespace_of
from kyber.cli.console import ExitCode, Where, plain, root_of, say, tell_problems
from kyber.cli.logs_forget import forget
from kyber.cli.logs_rejected import rejected
from kyber.cli.logs_setup import setup
from kyber.cli.logs_ship import retry, ship
from kyber.cli.reading import holder, no_collector, shown_progress, source_jobs
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kyber.finding import Finding
    from kyber.logs.schema import Drawn
    from kyber.logs.store.index import Totals
    from kyber.logs.store.parquet import Deleted
    from kyber.text import Words
    from kyber.workspace import Workspace

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE...", help="Log sources by their ids; else all.", show_default=False),
]
NAMED = 10
"""Findings on which nobody decided that are named when they are deleted."""
LEDGER = ("records", "held", "blank", "rejected", "stored", "duplicate")
Json = Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")]

app = typer.Typer(
    no_args_is_help=True,
    help="Collect logs, see what became of them, delete what is too old.",
)
for _command in (setup, ship, retry, rejected, forget):
    app.command()(_command)


@app.command()
def fields(
    product: Annotated[
        str | None, typer.Argument(metavar="PRODUCT", help="One product; else all of them.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines: product, kind, name, columns.")] = False,
) -> None:
    """Show the field tables: canonical (ECS) columns, Sigma's fields, and what logsources mean, per product."""
    from kyber.logs.schema import Table, tables

    known = {one.name: one for one in tables()}
    if product is not None and product not in known:
        raise UsageError(f"there is no field table '{product}'; there are {', '.join(known)}")
    chosen = [known[product]] if product else list(known.values())

    def rows(one: Table) -> list[tuple[str, str, str]]:
        found = [
            ("column", name, ", ".join(_drawn(drawn) for drawn in drawn_from))
            for name, drawn_from in one.columns.items()
        ]
        found += [("field", name, ", ".join(columns)) for name, columns in one.fields.items()]
        found += [("field", "(any other)", ", ".join(pattern.format("NAME") for pattern in (*one.native, "{}")))]
        for kind, meanings in (("category", one.categories), ("service", one.services)):
            found += [
                (kind, name, " or ".join(_condition(condition) for condition in conditions))
                for name, conditions in meanings.items()
            ]
        return found

    if json:
        from kyber.render.safe import json_line

        for one in chosen:
            for kind, name, columns in rows(one):
                say(json_line({"product": one.name, "kind": kind, "name": name, "columns": columns}))
        return
    for one in chosen:
        say(f"{one.name}: {one.title}")
        width = max((len(name) for _, name, _ in rows(one)), default=0)
        for kind, name, columns in rows(one):
            say(f"  {kind:<9} {name:<{width}}  {plain(columns)}")
        say()


def _condition(condition: tuple[tuple[str, frozenset[str]], ...]) -> str:
    return " and ".join(f"{name}: {' | '.join(sorted(values))}" for name, values in condition) or "every event"


def _drawn(drawn: "Drawn") -> str:
    """A source of a canonical column, with what limits it."""
    limits = [f"when {_condition(drawn.when)}"] if drawn.when else []
    limits += [f"after {drawn.after}"] if drawn.after else []
    limits += [f"before {drawn.before}"] if drawn.before else []
    return f"{drawn.column} ({'; '.join(limits)})" if limits else drawn.column


@app.command()
def formats(
    json: Annotated[bool, typer.Option("--json", help="JSON lines: name, title, product, service.")] = False,
) -> None:
    """List the formats that kyber reads; --input of `kyber scan` takes their names."""
    from kyber.logs.formats.known import FORMATS

    if json:
        from kyber.render.safe import json_line

        for one in FORMATS.values():
            say(json_line({"name": one.name, "title": one.title, "product": one.product, "service": one.service}))
        return
    for one in FORMATS.values():
        say(f"{one.name:<18} {one.title}")


@app.command()
def collect(
    sources: Sources = None,
    json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 also when some input could not be read.")
    ] = False,
    workspace: Where = None,
) -> None:
    """Store what is new in the active sources of the workspace. What was read once is not read again.

    Every record ends in an event, a reject, or as blank, and is counted: `kyber logs status`. Ends with 3 where
    somebody else is collecting.
    """
    from kyber.logs.collect import collect as run
    from kyber.logs.store.parquet import writing
    from kyber.privacy import mask
    from kyber.problem import Severity
    from kyber.text import words_for

    now, here = datetime.now(UTC), _here(workspace)
    words = words_for(here.settings.language)
    jobs, problems = source_jobs(here, now, only=sources or ())
    with (
        writing(here.state, holder("kyber logs collect", now)) as store,
        shown_progress() as progress,
        no_collector(),
    ):
        made = run(jobs, store, now, progress)
    unread = [one for one in (*problems, *made.problems) if one.severity is not Severity.NOTE]
    tell_problems(unread, words)
    if json:
        from kyber.render.safe import json_line

        for one in made.inputs:
            say(
                json_line(
                    {
                        "file": mask(one.file),
                        "format": one.format,
                        "records": one.records,
                        "events": one.events,
                        "blank": one.blank,
                        "rejected": one.rejected,
                    }
                )
            )
    else:
        for one in made.inputs:
            counts = [words.many("logs.events", one.events)]
            if one.rejected:
                counts.append(words.many("logs.rejected", sum(one.rejected.values())))
            say(f"{plain(mask(one.file))}: {one.format}, {', '.join(counts)}")
        said = [words.many("logs.stored", made.stored)]
        said += [words.many("logs.again", made.duplicate)] if made.duplicate else []
        said += [words.many("findings.unchanged", made.unchanged)] if made.unchanged else []
        say(" ".join(said))
    if strict and unread:
        raise typer.Exit(ExitCode.FOUND)


@app.command()
def status(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the whole ledger: where each record that was read went.")
    ] = False,
    json: Json = False,
    workspace: Where = None,
) -> None:
    """Show, for each source, what was read, where each record went, what is kept, and what was sent elsewhere.

    records = in events + blank + rejected; events = stored + seen before (duplicates, which are not stored twice). Of
    each destination of `kyber logs ship`: stored = delivered + refused + pending, but for what retention deleted
    (--verbose); lag is the age of what is pending.
    """
    from contextlib import closing

    from kyber.duty import silences
    from kyber.logs.source import load_sources
    from kyber.logs.store.index import Totals
    from kyber.logs.store.parquet import ParquetStore
    from kyber.logs.values import as_datetime
    from kyber.text import words_for

    now, here = datetime.now(UTC), _here(workspace)
    registered, _ = load_sources(here.root)
    known: dict[str, Totals] = {}
    pending: dict[str, int] = {}
    for folder in delivered.folders(here):
        with closing(ParquetStore(folder)) as store:
            for source, totals in store.totals().items():
                known.setdefault(source, totals)
                pending.setdefault(source, store.index.pending(source))
    names = list(dict.fromkeys((*(one.id for one in registered), *known)))
    last = {name: None if (time := known[name].last) is None else as_datetime(time) for name in known}
    silent = {one.source for one in silences(registered, last, now)}
    for name in names:
        known.setdefault(name, Totals(source=name))
    if json:
        from kyber.render.safe import json_line

        for name in names:
            say(json_line(_status(known[name], pending.get(name, 0), name in silent)))
        for one in delivered.sent(here):
            for line in delivered.lines(one, now):
                say(json_line(line))
        return
    _show_status([known[name] for name in names], pending, silent, here, verbose)
    delivered.show(delivered.sent(here), now, words_for(here.settings.language), verbose=verbose)


def _status(one: "Totals", pending: int, silent: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from kyber.logs.values import as_datetime

    found = asdict(one)
    for name in ("last_read", "first", "last"):
        known = None if found[name] is None else as_datetime(found[name])
        found[name] = None if known is None else known.isoformat()
    return {**found, "pending_bytes": pending, "silent": silent}


def _show_status(
    found: "list[Totals]", pending: dict[str, int], silent: set[str], here: "Workspace", verbose: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from kyber.logs.values import as_datetime
    from kyber.render.amounts import size
    from kyber.text import words_for

    words = words_for(here.settings.language)

    def moment(time: int | None) -> str:
        known = None if time is None else as_datetime(time)
        return "–" if known is None else known.astimezone(here.settings.zone).strftime("%Y-%m-%d %H:%M")

    longest = max((len(one.source) for one in found), default=0)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(words("logs.column.source"), min_width=min(longest, 32), overflow="fold")
    for name in ("kept", "size", "pending", "rejected"):
        table.add_column(words(f"logs.column.{name}"), justify="right")
    table.add_column(words("logs.column.last"))
    ledger: list[Text] = []
    for one in found:
        quiet = one.source in silent
        table.add_row(
            Text(plain(one.source), "bold"),
            words.number(one.kept),
            size(one.bytes, words),
            size(pending[one.source], words) if pending.get(one.source) else "–",
            Text(words.number(one.rejected), "yellow" if one.rejected else ""),
            Text(
                f"{moment(one.last)} {words('logs.silent')}" if quiet else moment(one.last), "yellow" if quiet else ""
            ),
        )
        if verbose:
            counts = {name: words.number(getattr(one, name)) for name in LEDGER}
            ledger.append(Text(f"{plain(one.source)}: {words('logs.ledger', read=moment(one.last_read), **counts)}"))
    console = Console()
    console.print(table)
    for line in ledger:
        console.print(line)


@app.command()
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    allow_plaintext: AllowPlaintext = False,
    insecure: Insecure = False,
    json: Json = False,
    workspace: Where = None,
) -> None:
    """Delete what was kept long enough: events by `retention` of their source, findings and decisions by the settings.

    Also in Elasticsearch, where one is set up: events, unless it deletes them by itself, and alerts. What is deleted of
    the logs is first recorded in `.kyber/deleted.jsonl`: source, period, number, SHA-256 of files or, in Elasticsearch,
    of ids. Ends with 1 where a file that says how long to keep something cannot be read, with 4 where Elasticsearch
    cannot be reached.
    """
    from kyber import kept, triage
    from kyber.logs.source import load_sources
    from kyber.problem import Severity
    from kyber.render.safe import json_line
    from kyber.text import words_for

    now, here = datetime.now(UTC), _here(workspace)
    words, named = words_for(here.settings.language), namespace_of(here, namespace)
    registered, problems = load_sources(here.root)
    decisions, unread = triage.load_triage(here.root)
    problems = (*problems, *unread)
    today = now.date()
    before = {one.id: one.retention.before(today) for one in registered if one.retention is not None}
    keep = here.settings.retention
    gone, without = _expired(here, before, now, dry_run)
    refused = delivered.forget_refused(here, before, dry_run=dry_run)
    old: tuple[str, ...] = ()
    undecided: list[Finding] = []
    if (here.state / kept.FILE).exists():
        known, end = {one.finding for one in decisions}, _midnight(keep.findings.before(today))
        with kept.open(here.state) as findings:
            undecided = [one.finding for one in findings.expired(end) if one.finding.id not in known]
            old = findings.delete_before(end, dry_run=dry_run)
    late = triage.expired(decisions, _midnight(keep.triage.before(today)))
    if not dry_run:
        try:
            triage.delete(late)
        except OSError as error:
            raise UsageError(f"{error.filename} cannot be deleted: {error.strerror}") from None
    tell_problems(problems, words)
    for source in without:
        say(words("logs.no-retention", source=plain(source)), error=True)
    done = "logs.would-delete" if dry_run else "logs.deleted"
    if json:
        for one in gone:
            say(json_line({"what": "logs", **one.plain()}))
        if refused:
            say(json_line({"what": "refused", "count": refused}))
        for finding in old:
            say(json_line({"what": "finding", "id": finding}))
        for decided in late:
            say(json_line({"what": "decisions", "finding": decided.finding, "file": decided.at.file}))
    else:
        _show_deleted(gone, "", done, words)
        if refused:
            say(words.many(f"{done}-refused", refused))
        say(words.many(f"{done}-findings", len(old)))
        if undecided:
            _show_undecided(undecided, words)
        say(words.many(f"{done}-decisions", len(late)))
    if url or here.settings.elasticsearch is not None:
        day = keep.findings.before(today)
        with cluster_of(here, url, allow_plaintext=allow_plaintext, insecure=insecure) as cluster:
            there = delivered.expired_there(here, cluster, named, before, day, now, words, dry_run=dry_run)
        if json:
            for one in there:
                say(json_line({"what": one.kind, "destination": cluster.name, **one.plain()}))
        else:
            _show_deleted(there, f" ({plain(cluster.name)})", done, words)
    if any(one.severity is Severity.ERROR for one in problems):
        raise typer.Exit(ExitCode.FOUND)


def _show_undecided(found: "Sequence[Finding]", words: "Words") -> None:
    """Of findings that are kept no longer, those on which nobody has decided: the gravest by name."""
    say(words.many("logs.undecided", len(found)))
    for one in sorted(found, key=lambda one: (-one.level, one.rule.title, one.id))[:NAMED]:
        level = words(f"findings.level.{one.level}")
        say(plain(f"  {one.id[:8]} {level}: {one.rule.title_in(words.language)}"))
    if len(found) > NAMED:
        say(words.many("logs.undecided-more", len(found) - NAMED))


def _show_deleted(gone: "list[Deleted]", where: str, done: str, words: "Words") -> None:
    """What was deleted, or would be, by source."""
    by_source: dict[str, list[Deleted]] = {}
    for one in gone:
        by_source.setdefault(one.source, []).append(one)
    for source, found in sorted(by_source.items()):
        days = sorted({one.day for one in found})
        n = sum(one.rows for one in found)
        say(f"{plain(source)}{where}: {words.many(done, n, first=days[0], last=days[-1])}")


def _expired(
    here: "Workspace", before: "Mapping[str, date]", now: datetime, dry_run: bool
) -> "tuple[list[Deleted], list[str]]":
    """What retention has deleted of the logs, or would delete, and the sources with events that it does not touch."""
    from contextlib import closing

    from kyber.logs.store.parquet import ParquetStore, writing

    gone: list[Deleted] = []
    without: set[str] = set()
    for folder in (here.state, here.state / delivered.FILES):
        if not ParquetStore.exists(folder) and not (folder / "events").is_dir():
            continue
        if dry_run:
            with closing(ParquetStore(folder)) as store:
                gone += store.expired(before)
                without |= set(store.totals()) - set(before)
        else:
            with writing(folder, holder("kyber logs retain", now)) as store:
                gone += store.delete(before, round(now.timestamp() * 1_000_000))
                without |= set(store.totals()) - set(before)
    return gone, sorted(without)


def _here(workspace: Path | None) -> "Workspace":
    from kyber.workspace import at

    return at(root_of(workspace or Path()))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
