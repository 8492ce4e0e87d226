"""`kyber scan`: logs and rules in, what is wrong in the logs out."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.cluster import AllowPlaintext, Insecure, Namespace, Url
from kyber.cli.console import ExitCode, InputFormat, Where, around, day_here, say, tell_problems
from kyber.cli.files import cache_folder, check_place, form_of, spare, standard_output, write_out
from kyber.cli.readers import may_reveal, record_reading
from kyber.cli.reading import (
    holder,
    host_jobs,
    known_format,
    logsource_of,
    no_collector,
    path_jobs,
    shown_progress,
    source_jobs,
    zone_of,
)
from kyber.cli.rules_files import RulePaths, rule_paths, watch_lists
from kyber.cli.stores import StoreName, Stores, WhichStore
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.finding import ScanResult
    from kyber.logs.batch import LogSource
    from kyber.logs.enrich import Enrichment
    from kyber.logs.parse import Job, Progress
    from kyber.logs.sigma.asking import Asking
    from kyber.logs.sigma.rule import RuleSet
    from kyber.logs.store import Period, Store
    from kyber.problem import Problem
    from kyber.text import Words
    from kyber.workspace import Workspace


DAY: Final = 86_400_000_000
MUCH: Final = 2**30
"""Bytes of JSON lines from which on it is told that the extension would read them faster."""
UNWRITTEN: Final = "F52"
"""The problem that findings could not be written as alerts."""


class Form(StrEnum):
    """The forms in which findings are shown."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    ECS = "ecs"
    HTML = "html"
    SARIF = "sarif"
    TIMESKETCH = "timesketch"


class Limit(StrEnum):
    """Sigma's levels, as limits."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


BY_ENDING: Final = {
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".json": Form.JSONL,
    ".csv": Form.CSV,
    ".html": Form.HTML,
    ".sarif": Form.SARIF,
}


def scan(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders, archives or globs, compressed or not; - for standard input. Without one: what is new "
            "in the sources of the workspace is collected and scanned; outside a workspace, this host's logs.",
            show_default=False,
        ),
    ] = None,
    rules: RulePaths = None,
    input_format: InputFormat = None,
    logsource: Annotated[
        str | None,
        typer.Option(metavar="KEY:VALUE,...", help="What the paths are for rules, as product:linux,service:auth."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="Time zone of times that carry none; else the source's, the workspace's, or UTC."
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="The form of the findings; else by the ending of -o, or a table."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the findings to a file.")
    ] = None,
    level: Annotated[Limit, typer.Option(help="Leave out findings below this level.")] = Limit.INFORMATIONAL,
    fail_on: Annotated[
        Limit | None,
        typer.Option(help="End with 1 when there is a finding at or above this level.", show_default=False),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 also when some input or rule could not be read.")
    ] = False,
    workspace: Where = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Scan what is stored from this time on, and collect nothing: 24h, 7d, 2026-03-04, yesterday.",
            show_default=False,
        ),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="Scan what is stored of a period, both ends whole.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="Judge at this time what did not happen; else now, or for PATHs at the time of the latest event.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the findings of PATHs in the workspace, as those of its sources are.")
    ] = False,
    near_miss: Annotated[
        bool, typer.Option("--near-miss", help="Also tell which rules were one comparison short, of which events.")
    ] = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Read and plan the rules anew, and keep nothing of that.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes that may read large PATHs at the same time; else one for each processor.",
            show_default=False,
        ),
    ] = None,
    store: WhichStore = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_plaintext: AllowPlaintext = False,
    insecure: Insecure = False,
    no_alerts: Annotated[
        bool,
        typer.Option("--no-alerts", help="Do not write findings to Elasticsearch, where the events are from there."),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Say whether the workspace and Elasticsearch hold and find the same; keep nothing."
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Shorten no list in the table.")] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal identity codes; needs --purpose and is recorded.")
    ] = False,
    purpose: Annotated[
        str, typer.Option(metavar="TEXT", help="Why personal identity codes have to be seen.", show_default=False)
    ] = "",
) -> None:
    """Read logs, run Sigma rules over them, and show what was found.

    In a workspace and without a PATH, only findings that are new, or have more events than before, are shown;
    `kyber findings list` shows them all. With --store elasticsearch nothing is collected: the days of which something
    arrived there are scanned. Ends with 1 where --fail-on or --strict asks for it, or --compare finds a difference,
    with 2 for wrong options, with 3 when nothing could be read, with 4 when Elasticsearch does not answer or take
    findings.
    """
    from kyber.logs.sigma import cache
    from kyber.privacy import mask
    from kyber.problem import Severity
    from kyber.render.findings import FORMS
    from kyber.render.safe import plain
    from kyber.render.summary import filter_told
    from kyber.text import words_for

    now = datetime.now(UTC)
    here = around(workspace)
    form = Form(form_of(form, json, output, BY_ENDING))
    words = words_for(here.settings.language if here else "en")
    asked = _Asked(
        paths,
        timezone,
        input_format,
        logsource_of(logsource),
        since,
        between,
        save,
        not rules,
        near_miss,
        as_of,
        workers or os.cpu_count() or 1,
        Stores(store, url, namespace, allow_plaintext, insecure),
        not no_alerts,
        compare,
    )
    asked.check(here)
    if near_miss and form not in (Form.TABLE, Form.JSONL):
        raise UsageError(f"--near-miss is told in a table or as JSON lines, not as {form}")
    if reveal:
        may_reveal(here, purpose)
    if output is not None:
        check_place(output)
    placeholders, unlisted = watch_lists(here)
    today = day_here(here, now)
    kept_in = None if no_cache else cache_folder()
    with no_collector():
        ruleset = cache.read(rules or rule_paths(here), placeholders, kept_in, today)
    if not ruleset.rules and not ruleset.unable:
        tell_problems(ruleset.problems, words)
        raise UsageError(f"no rule could be read from {', '.join(rules or rule_paths(here))}")
    if compare and here is not None:
        from kyber.cli.compared import compare as compare_stores

        if form not in (Form.TABLE, Form.JSONL):
            raise UsageError(f"--compare is told as text or as JSON, not as {form}")
        period, asking, json = asked.period(here, now), asked.asking(here, now), form is Form.JSONL
        compare_stores(here, asked.stores, period, ruleset, asking, now, words, json=json, output=output)
        return
    jobs, problems = asked.jobs(here, now)
    if output is not None:
        spare(output, here, _lost(jobs, rules or (), here))
    with shown_progress() as progress, no_collector():
        try:
            result = _scanned(here, asked, jobs, ruleset, now, progress, words)
        except NothingReadError:
            tell_problems(problems, words)
            raise
    if _slow(result):
        say(words("findings.slow"), error=True)
    found = {str(one.level) for one in result.findings}
    result = _limited(result, level, (*problems, *unlisted))
    unread = [problem for problem in result.problems if problem.severity is not Severity.NOTE]
    nothing = not any(one.events for one in result.inputs) and not result.unchanged
    if nothing and jobs and any(problem.code.startswith("F") for problem in unread):
        tell_problems(unread, words)
        raise NothingReadError("nothing could be read")
    if reveal and here:
        looked_at = {"inputs": [one.file for one in result.inputs], "findings": [one.id for one in result.findings]}
        record_reading(here, "scan --reveal", purpose, now, looked_at)
    if form is Form.TABLE and output is None:
        from rich.console import Console

        from kyber.render.findings import show

        with standard_output():
            show(result, words, Console(), reveal=reveal, verbose=verbose)
    else:
        write_out(output, FORMS[form](result, words, reveal))
        tell_problems(unread, words, reveal=reveal)
        if result.blind:
            say(words.many("findings.rules-blind", len(result.blind)), error=True)
        for hidden in result.hidden:
            told = f"{hidden.filter.title_in(words.language)}: {filter_told(hidden, words)}"
            say(plain(mask(told)), error=True)
    if any(problem.code == UNWRITTEN for problem in result.problems):
        raise typer.Exit(ExitCode.UNDELIVERED)
    if (fail_on is not None and found & _at_or_above(fail_on)) or (strict and unread):
        raise typer.Exit(ExitCode.FOUND)


def _slow(result: "ScanResult") -> bool:
    """Whether much was read that the extension would have read faster."""
    from kyber.logs.formats.known import FORMATS
    from kyber.logs.native import native
    from kyber.logs.parse import json_lines

    if native is not None:
        return False
    forms = ((FORMATS.get(one.format), one.read) for one in result.inputs)
    return sum(size for form, size in forms if form is not None and json_lines(form)) >= MUCH


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be scanned: paths, what is stored of a period, or what is new."""

    paths: "Sequence[str] | None"
    timezone: str | None
    input_format: str | None
    logsource: "LogSource | None"
    since: str | None
    between: tuple[str, str] | None
    save: bool
    all_rules: bool
    near: bool
    as_of: str | None
    workers: int
    stores: Stores
    alerts: bool
    compare: bool

    @property
    def stored(self) -> bool:
        """Whether only what is stored already is meant."""
        return self.since is not None or self.between is not None

    def elsewhere(self, here: "Workspace | None") -> bool:
        """Whether what is stored in Elasticsearch is meant."""
        return not self.paths and self.stores.of(here) is StoreName.ELASTICSEARCH

    def check(self, here: "Workspace | None") -> None:
        """Raises UsageError for options that do not go together."""
        if self.input_format is not None:
            known_format(self.input_format)
        if self.stored and self.paths:
            raise UsageError("--since and --between choose among what is stored; a PATH is read whole")
        if self.since is not None and self.between is not None:
            raise UsageError("--since and --between are two periods: give one")
        if self.paths and (self.compare or self.stores.name is not None):
            raise UsageError("--store and --compare are about what is stored; a PATH is read as it is")
        if (self.stored or self.save or self.compare or self.elsewhere(here)) and here is None:
            raise UsageError("events and findings are kept in a workspace: make one with `kyber init`")

    def jobs(self, here: "Workspace | None", now: datetime) -> "tuple[list[Job], list[Problem]]":
        """What to read."""
        if self.stored or self.elsewhere(here):
            return [], []
        if self.paths:
            return path_jobs(here, self.paths, self.timezone, self.input_format, self.logsource, now)
        if here is None:
            return host_jobs(self.timezone, self.input_format, self.logsource, now)
        return source_jobs(here, now, self.timezone, self.input_format, self.logsource)

    def asking(self, here: "Workspace | None", now: datetime) -> "Asking":
        """How to correlate: as of when, and from where events are expected. Raises UsageError."""
        from kyber.logs.correlating import awaited
        from kyber.logs.search.when import Clock
        from kyber.logs.sigma.asking import Asking
        from kyber.logs.sigma.occurrences import LIMIT
        from kyber.logs.source import load_sources

        moment = None if self.paths else now
        if self.as_of is not None:
            clock = Clock(now, zone_of(self.timezone or (here.settings.timezone if here else "UTC")))
            try:
                end = clock.period(self.as_of).end
            except ValueError as error:
                raise UsageError(f"--as-of: {error}") from None
            moment = datetime.fromtimestamp((end or 0) / 1_000_000, UTC)
        sources = load_sources(here.root)[0] if here is not None and not self.paths else ()
        limit = here.settings.correlation.occurrences if here is not None else LIMIT
        return Asking(moment, awaited(sources), limit)

    def period(self, here: "Workspace", now: datetime) -> "Period":
        """What --since and --between mean, made up to whole UTC days, since findings are of days. Raises UsageError."""
        from kyber.logs.search.when import Clock
        from kyber.logs.store import ALL, Period

        if not self.stored:
            return ALL
        clock = Clock(now, zone_of(self.timezone or here.settings.timezone))
        try:
            found = clock.since(self.since) if self.since is not None else clock.between(*(self.between or ("", "")))
        except ValueError as error:
            raise UsageError(f"{'--since' if self.since is not None else '--between'}: {error}") from None
        start = None if found.start is None else found.start // DAY * DAY
        end = None if found.end is None else -(-found.end // DAY) * DAY
        return Period(start, end)


def _scanned(
    here: "Workspace | None",
    asked: _Asked,
    jobs: "Sequence[Job]",
    rules: "RuleSet",
    now: datetime,
    progress: "Callable[[Progress], None]",
    words: "Words",
) -> "ScanResult":
    """The scan that was asked for; its findings are kept where they belong to a workspace's sources, or --save says so.

    Raises NothingReadError where there is nothing to read.
    """
    from kyber.logs.scan import scan as run

    known, asking = enrichment(here), asked.asking(here, now)
    if here is not None and (asked.stored or asked.elsewhere(here)):
        scanning = _Scanning(here, asked, rules, now, progress, known, asking, words)
        period = asked.period(here, now)
        with asked.stores.opened(here) as store:
            return scanning.of_period(store, period) if asked.stored else scanning.of_new_days(store)[0]
    if here is not None and not asked.paths:
        return _of_what_is_new(here, jobs, _Scanning(here, asked, rules, now, progress, known, asking, words))
    if not any(job.inputs or job.journal is not None for job in jobs):
        raise NothingReadError("nothing to read: no file was found")
    result = run(jobs, rules, now, progress, known, near=asked.near, asking=asking, workers=asked.workers)
    return _kept(here, result, now, whole=False)[0] if here is not None and asked.save else result


@dataclass(frozen=True, slots=True)
class _Scanning:
    """All that a scan of what is stored needs besides the store."""

    here: "Workspace"
    asked: _Asked
    rules: "RuleSet"
    now: datetime
    progress: "Callable[[Progress], None]"
    known: "Enrichment"
    asking: "Asking"
    words: "Words"

    def of_period(self, store: "Store", period: "Period") -> "ScanResult":
        """Scan what is stored of a period."""
        result = self._run(store, period=period)
        return self._written(store, _kept(self.here, result, self.now)[0])

    def of_new_days(self, store: "Store") -> "tuple[ScanResult, bool]":
        """Scan whole the UTC days of which something arrived since the last scan; and whether there were any."""
        from dataclasses import replace

        fresh = store.fresh()
        result, news = _kept(self.here, self._run(store, days=fresh.days), self.now)
        result = self._written(store, result)
        unwritten = any(problem.code == UNWRITTEN for problem in result.problems)
        if self.asked.all_rules and not unwritten:  # otherwise somebody has yet to see these days
            fresh.scanned()
        if not fresh.days:
            result = replace(result, blind=())  # nothing was looked at
        return _only(result, news), bool(fresh.days)

    def _run(self, store: "Store", **which: Any) -> "ScanResult":
        from kyber.logs.scan import scan_stored

        zone, near = self.here.settings.zone, self.asked.near
        return scan_stored(
            store,
            self.rules,
            self.now,
            zone,
            progress=self.progress,
            known=self.known,
            near=near,
            asking=self.asking,
            **which,
        )

    def _written(self, store: "Store", result: "ScanResult") -> "ScanResult":
        """The result, whose findings were written where the events are, if that is not here; and what went wrong."""
        from dataclasses import replace

        from kyber.logs.store.elastic import ElasticStore

        if not isinstance(store, ElasticStore) or not self.asked.alerts:
            return result
        from kyber.logs.alerts import write

        problems = write(store.cluster, store.namespace, result, self.words)
        return replace(result, problems=(*result.problems, *problems))


def _of_what_is_new(here: "Workspace", jobs: "Sequence[Job]", scanning: _Scanning) -> "ScanResult":
    """Collect, and scan whole the UTC days of which something was stored since the last scan."""
    from dataclasses import replace

    from kyber.logs.collect import collect
    from kyber.logs.store.parquet import writing

    now = scanning.now
    with writing(here.state, holder("kyber scan", now)) as store:
        collected = collect(jobs, store, now, scanning.progress)
        result, new = scanning.of_new_days(store)
    if not any(job.inputs or job.journal is not None for job in jobs) and not new and not result.findings:
        raise NothingReadError("nothing to read: no file was found")
    return replace(
        result,
        inputs=collected.inputs or result.inputs,
        problems=(*collected.problems, *result.problems),
        unchanged=collected.unchanged,
    )


def _kept(
    here: "Workspace", result: "ScanResult", now: datetime, *, whole: bool = True
) -> "tuple[ScanResult, frozenset[str]]":
    """The result with its findings kept and judged; and the ids of those that are new or have more events.

    `whole`: the scan saw all there is of its days; otherwise it takes nothing from findings that have more events.
    """
    from dataclasses import replace

    from kyber import kept, triage

    with kept.open(here.state) as store:
        result = replace(result, findings=kept.continued(result.findings, store.silences()))
        ids = [one.id for one in result.findings]
        counts = {} if whole else {one.finding.id: one.finding.count for one in store.of(ids)}
        saved = store.save([one for one in result.findings if one.count > counts.get(one.id, -1)], now)
        found = store.of(ids)
    decisions, problems = triage.load_triage(here.root)
    today = now.astimezone(here.settings.zone).date()
    judged = triage.judged(found, triage.by_finding(decisions), today)
    result = replace(
        result,
        judged={one.id: judged[one.id] for one in result.findings},
        problems=(*result.problems, *problems),
    )
    return result, frozenset((*saved.new, *saved.grown))


def _only(result: "ScanResult", news: frozenset[str]) -> "ScanResult":
    """The result with no findings but those that are news; of the others only their number."""
    from dataclasses import replace

    from kyber.finding import Status

    shown = tuple(
        one for one in result.findings if one.id in news and result.judged[one.id].status is not Status.FALSE_POSITIVE
    )
    return replace(
        result,
        findings=shown,
        judged={one.id: result.judged[one.id] for one in shown},
        known=len(result.findings) - len(shown),
    )


def enrichment(here: "Workspace | None") -> "Enrichment":
    """What the workspace's tables add to events and findings; what is wrong with them is told by `kyber check`."""
    from kyber.logs.enrich import Enrichment, load

    return load(here.root, here.settings.geoip)[0] if here is not None else Enrichment()


def _at_or_above(limit: Limit) -> frozenset[str]:
    levels = list(Limit)
    return frozenset(str(level) for level in levels[levels.index(limit) :])


def _limited(result: "ScanResult", level: Limit, problems: "Sequence[Problem]") -> "ScanResult":
    from dataclasses import replace

    shown = _at_or_above(level)
    kept = tuple(one for one in result.findings if str(one.level) in shown)
    return replace(
        result,
        findings=kept,
        left_out=len(result.findings) - len(kept),
        problems=(*problems, *result.problems),
    )


def _lost(jobs: "Sequence[Job]", rules: "Sequence[str]", here: "Workspace | None") -> "list[tuple[str, list[Path]]]":
    """What would be lost if the findings took its place: what is read, and what it is read with."""
    from kyber.logs.sigma.rule import rule_files

    read = [one.path for job in jobs for one in job.inputs if one.path is not None]
    return [("one of the logs to be read", read), ("one of the rules", rule_files((*rules, *rule_paths(here)))[0])]
