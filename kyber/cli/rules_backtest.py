"""`kyber rules backtest`: rules in, how often they would have fired over what is stored, or over files, out."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import InputFormat, Where, around, day_here, tell_problems
from kyber.cli.files import standard_output
from kyber.cli.reading import known_format, no_collector, path_jobs, shown_progress, zone_of
from kyber.cli.rules_files import rule_paths, watch_lists
from kyber.cli.scan import enrichment
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from kyber.logs.backtest import Backtests
    from kyber.logs.parse import Progress
    from kyber.logs.sigma.rule import RuleSet
    from kyber.logs.store import Period
    from kyber.problem import Problem
    from kyber.workspace import Workspace

DAY: Final = 86_400_000_000


def backtest(
    rules: Annotated[
        list[str],
        typer.Argument(
            metavar="RULE...",
            help="Ids or names of rules, rule files, or folders of them; they need not be in the workspace.",
            show_default=False,
        ),
    ],
    logs: Annotated[
        list[str] | None,
        typer.Option(
            "--logs",
            "-l",
            metavar="PATH",
            help="Look at these files, folders or globs, not at what is stored; may be repeated.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what is stored since then: 24h, 30d, 2026-03-04, yesterday."),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="Only what is stored of a period, both ends whole.", show_default=False),
    ] = None,
    input_format: InputFormat = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Time zone of times that carry none; else the workspace's, or UTC."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines: one a rule.")] = False,
    workspace: Where = None,
) -> None:
    """Tell how often rules would have fired, before they are switched on; nothing of it is kept.

    A correlation is run with the rules that it names, and a rule alerts on its own even if a correlation counts it.
    Filters in force hide what they would hide. Ends with 2 for what is no rule, with 3 when nothing could be read.
    """
    from kyber.cli.backtested import jsonl, show
    from kyber.logs.sigma.rule import read_rules
    from kyber.privacy import mask
    from kyber.render.safe import every_text
    from kyber.text import words_for

    now, here = datetime.now(UTC), around(workspace)
    words = words_for(here.settings.language if here else "en")
    if logs and (since is not None or between is not None):
        raise UsageError("--since and --between choose among what is stored; a path of --logs is read whole")
    if since is not None and between is not None:
        raise UsageError("--since and --between are two periods: give one")
    if input_format is not None:
        known_format(input_format)
    lists, _ = watch_lists(here)
    given = [one for one in rules if Path(one).exists()]
    today = day_here(here, now)
    known = read_rules([*given, *rule_paths(here)], lists, today)  # those that were named take their place first
    ids, problems = _ids(rules, given, known)
    if not ids:
        tell_problems(problems, words)
        raise UsageError(f"there is no rule in {', '.join(given)}")
    with shown_progress() as progress, no_collector():
        if logs:
            tested, unread = _of_files(here, logs, known, ids, now, timezone, input_format, progress)
        else:
            tested, unread = _of_store(here, known, ids, now, timezone, since, between, progress), ()
    tested = every_text(tested, mask)
    with standard_output():
        if json:
            typer.echo(jsonl(tested), nl=False)
        else:
            from rich.console import Console

            console = Console()
            for line in show(tested, words):
                console.print(line, highlight=False, overflow="fold")
    tell_problems([*problems, *unread, *_told(tested)], words)


def _ids(named: Sequence[str], paths: Sequence[str], rules: "RuleSet") -> "tuple[list[str], list[Problem]]":
    """The ids of the rules that were named, each once, and what is wrong in the files that were. Raises UsageError."""
    from kyber.logs.sigma.rule import rule_files

    found: dict[str, None] = {}
    files = {str(file) for file in rule_files(paths)[0]}
    for one in named:
        if one in paths:
            own = {str(file) for file in rule_files([one])[0]}
            meant = [rule.id for rule in rules.refs if rule.path in own]
        else:
            meant = [rule.id for rule in rules.refs if one in (rule.id, rule.name)]
            if not meant:
                raise UsageError(f"there is no rule '{one}', by id or by name, and no such file or folder")
        found |= dict.fromkeys(meant)
    return list(found), [one for one in rules.problems if one.place.file in files and one.code != "R09"]


def _of_files(
    here: "Workspace | None",
    paths: Sequence[str],
    rules: "RuleSet",
    ids: Sequence[str],
    now: datetime,
    timezone: str | None,
    input_format: str | None,
    progress: "Callable[[Progress], None]",
) -> "tuple[Backtests, Sequence[Problem]]":
    """The backtest over files. Raises NothingReadError where there are none."""
    from kyber.logs.backtest import backtest_files

    jobs, problems = path_jobs(here, paths, timezone, input_format, None, now)
    if not any(job.inputs for job in jobs):
        raise NothingReadError("nothing to read: no file was found")
    tested = backtest_files(
        jobs, rules, ids, now, progress=progress, known=enrichment(here), workers=os.cpu_count() or 1
    )
    return tested, problems


def _of_store(
    here: "Workspace | None",
    rules: "RuleSet",
    ids: Sequence[str],
    now: datetime,
    timezone: str | None,
    since: str | None,
    between: tuple[str, str] | None,
    progress: "Callable[[Progress], None]",
) -> "Backtests":
    """The backtest over what is stored. Raises UsageError, NothingReadError, StoreError."""
    from contextlib import closing

    from kyber.logs.backtest import backtest_stored
    from kyber.logs.correlating import awaited
    from kyber.logs.sigma.asking import Asking
    from kyber.logs.source import load_sources
    from kyber.logs.store.parquet import ParquetStore

    if here is None:
        raise UsageError("events are stored in a workspace; there is none here: name files with --logs")
    period = _period(timezone or here.settings.timezone, now, since, between)
    if not ParquetStore.exists(here.state):
        raise NothingReadError("nothing is stored yet: `kyber scan` or `kyber logs collect` stores what sources hold")
    asking = Asking(now, awaited(load_sources(here.root)[0]), here.settings.correlation.occurrences)
    with closing(ParquetStore(here.state)) as store:
        return backtest_stored(
            store,
            rules,
            ids,
            now,
            here.settings.zone,
            period=period,
            progress=progress,
            known=enrichment(here),
            asking=asking,
        )


def _period(zone: str, now: datetime, since: str | None, between: tuple[str, str] | None) -> "Period":
    """What --since and --between mean, made up to whole UTC days. Raises UsageError."""
    from kyber.logs.search.when import Clock
    from kyber.logs.store import ALL, Period

    if since is None and between is None:
        return ALL
    clock = Clock(now, zone_of(zone))
    try:
        found = clock.since(since) if since is not None else clock.between(*(between or ("", "")))
    except ValueError as error:
        raise UsageError(f"{'--since' if since is not None else '--between'}: {error}") from None
    start = None if found.start is None else found.start // DAY * DAY
    end = None if found.end is None else -(-found.end // DAY) * DAY
    return Period(start, end)


def _told(tested: "Backtests") -> "list[Problem]":
    """What went wrong in reading or running; what only says what was not counted is left out."""
    from kyber.problem import Severity

    return [one for one in tested.problems if one.severity is not Severity.NOTE]
