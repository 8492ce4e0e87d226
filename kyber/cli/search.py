"""`kyber search`: a query in, the events that match, or numbers about them, out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import plain, root_of, say, tell_problems
from kyber.cli.files import check_place, spare, standard_output, written_whole
from kyber.cli.readers import may_reveal, record_reading
from kyber.cli.reading import known_format, no_collector, shown_progress, zone_of
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from kyber.logs.batch import EventBatch, Places
    from kyber.logs.parse import Job, Progress
    from kyber.logs.search.hits import Hit, Order
    from kyber.logs.search.meaning import Need
    from kyber.logs.search.run import Searcher
    from kyber.logs.search.when import Clock
    from kyber.logs.store import Period
    from kyber.problem import Problem
    from kyber.render.answers import Kind
    from kyber.text import Words
    from kyber.workspace import Workspace


class Form(StrEnum):
    """The forms of an answer."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


BY_ENDING: Final = {
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".json": Form.JSONL,
    ".csv": Form.CSV,
    ".parquet": Form.PARQUET,
}
LIMIT: Final = 100
"""Rows of a table where nobody says how many."""
WHO: Final = ("host.name", "user.name", "source.ip")
EXPORTED: Final = (
    "time",
    "source",
    *WHO,
    "event.action",
    "event.outcome",
    "process.name",
    "process.command_line",
    "message",
    "file",
    "kyber.record",
    "kyber.id",
)
"""The columns of CSV and Parquet where --fields does not say."""
PARTS: Final = 65_536
"""Characters that are gathered before they are written."""


def search(
    query: Annotated[
        str,
        typer.Argument(metavar="QUERY", help="What to look for, as user.name:root AND sshd; else every event."),
    ] = "",
    path: Annotated[
        list[str] | None,
        typer.Option(
            "--path",
            "-p",
            metavar="PATH",
            help="Search these files, folders or globs, not what is stored; - for standard input; may be repeated.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only events of this log source; may be repeated.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only events since then: 24h, 7d, yesterday, 2026-03-04, 2026-03-04T12:30."),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Only events from A to B, both included: 2026-03-01 2026-03-04."),
    ] = None,
    fields: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Show these fields, and no others.", show_default=False)
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD[:desc]", help="Sort by a field; else a table shows the newest first.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show at most so many; else a table shows 100, a file all.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Show only how many events match.")] = False,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...", help="Count by the values of these fields, the most first.", show_default=False
        ),
    ] = None,
    histogram: Annotated[bool, typer.Option("--histogram", help="Count over time.")] = False,
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How wide the buckets over time are: 10min, 1h, 1d.", show_default=False),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(metavar="SELECT", help="Ask the events that match with SQL, over the table events."),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="The form of the answer; else by the ending of -o, or a table."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the answer to a file.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Show each event's record as it was read, too.")] = False,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FORMAT", help="Read every path as this format; `kyber logs formats` lists them."
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Time zone of what you write and see; else the workspace's, or UTC."),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", metavar="DIR", help="The workspace, or a folder in it; else here.", show_default=False
        ),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal identity codes; needs --purpose and is recorded.")
    ] = False,
    purpose: Annotated[
        str, typer.Option(metavar="TEXT", help="Why personal identity codes have to be seen.", show_default=False)
    ] = "",
) -> None:
    """Find events by a query, and show them, count them, or ask them with SQL.

    Ends with 0 whatever was found, with 2 for a query or options that cannot be used, with 3 when nothing was read.
    """
    from kyber.logs.search.meaning import needs, read
    from kyber.logs.search.run import Searcher
    from kyber.logs.search.when import Clock
    from kyber.privacy import mask
    from kyber.text import words_for
    from kyber.workspace import at, find

    now = datetime.now(UTC)
    here = find(Path()) if workspace is None else at(root_of(workspace))
    form = Form.JSONL if json else form or (BY_ENDING.get(output.suffix.lower()) if output else None) or Form.TABLE
    words = words_for(here.settings.language if here else "en")
    clock = Clock(now, zone_of(timezone or (here.settings.timezone if here else "UTC")))
    _go_together(
        {"--count": count, "--by": by is not None, "--histogram": histogram or every is not None, "--sql": sql},
        {"--fields": fields, "--sort": sort, "--raw": raw},
    )
    if form is Form.PARQUET and output is None:
        raise UsageError("Parquet is no text: say where it goes with --output FILE")
    if output is not None:
        check_place(output)
    asked = _Asked(
        fields=_names("--fields", fields),
        by=_names("--by", by),
        order=_order(sort, form),
        limit=limit or (LIMIT if form is Form.TABLE else None),
        every=_seconds(every),
        over_time=histogram or every is not None,
        count=count,
        sql=sql,
        raw=raw,
    )
    meant = read(query, clock, _period(clock, since, between))
    searcher = Searcher(meant, asked.named)
    if reveal:
        may_reveal(here, purpose)
    problems: list[Problem] = []
    jobs = _jobs(path, clock, input_format, source, problems) if path else None
    if output is not None:
        read_from = [one.path for job in jobs or () for one in job.inputs if one.path is not None]
        spare(output, here, [("one of the logs to be read", read_from)])
    if jobs is not None and not any(job.inputs for job in jobs):
        tell_problems(problems, words)
        raise NothingReadError("nothing to read: no file was found")
    if reveal and here:
        looked_at = {"query": mask(query), "sql": mask(sql or ""), "paths": path or [], "sources": source or []}
        record_reading(here, "search --reveal", purpose, now, looked_at)
    need = needs(meant, frozenset(asked.named))
    with shown_progress() as progress, no_collector():
        events = stored(here, need.period, source) if jobs is None else _from_files(jobs, need, problems, progress)
        answer = _Answer(searcher, events, asked, clock, words, str if reveal else mask)
        if form is Form.TABLE and output is None:
            made = list(answer.table())
        else:
            _write(output, form, answer)
            made = []
    if jobs is not None and not searcher.events and problems:
        tell_problems(problems, words, reveal=reveal)
        raise NothingReadError("nothing could be read")
    if made:
        from rich.console import Console

        console = Console()
        with standard_output():
            for part in made:
                console.print(part, highlight=False, soft_wrap=isinstance(part, str), markup=False)
    tell_problems(problems, words, reveal=reveal)
    for note in _notes(searcher, words):
        say(note, error=True)
    if jobs is None and not searcher.events:
        say(words("search.no-events"), error=True)


def stored(here: "Workspace | None", period: "Period", sources: Sequence[str] | None) -> "Iterator[EventBatch]":
    """What the workspace has stored of a period. Raises UsageError where there is nothing."""
    from kyber.logs.store.parquet import ParquetStore

    if here is None:
        raise UsageError("there is nothing to search: name files with --path, or make a workspace with `kyber init`")
    if not ParquetStore.exists(here.state):
        raise UsageError("nothing is stored yet: run `kyber logs collect`, or name files with --path")
    if sources:
        _known_sources(here, sources)
    return _from_store(here, period, sources)


def _from_store(here: "Workspace", period: "Period", sources: Sequence[str] | None) -> "Iterator[EventBatch]":
    from contextlib import closing

    from kyber.logs.store.parquet import ParquetStore

    with closing(ParquetStore(here.state)) as store:
        yield from store.events(period, sources=sources)


def _known_sources(here: "Workspace", sources: Sequence[str]) -> None:
    """Raises UsageError for a source that neither the register nor the store knows."""
    from contextlib import closing

    from kyber.logs.source import load_sources
    from kyber.logs.store.parquet import ParquetStore

    with closing(ParquetStore(here.state)) as store:
        known = {one.id for one in load_sources(here.root)[0]} | set(store.totals())
    for one in sources:
        if one not in known:
            raise UsageError(f"there is no log source '{one}'; there are {', '.join(sorted(known)) or 'none'}")


def _jobs(
    paths: Sequence[str],
    clock: "Clock",
    input_format: str | None,
    sources: Sequence[str] | None,
    problems: "list[Problem]",
) -> "list[Job]":
    """What to read of files that the user names."""
    from kyber.logs.inputs import inputs
    from kyber.logs.parse import Job

    if sources:
        raise UsageError("--source chooses among what is stored; --path searches files, which belong to no source")
    if input_format is not None:
        known_format(input_format)
    found, missing = inputs(paths, clock.now, pipes=True)
    problems += missing
    return [Job(source="", inputs=found, zone=clock.zone, format=input_format)]


def _from_files(
    jobs: "Sequence[Job]", need: "Need", problems: "list[Problem]", progress: "Callable[[Progress], None]"
) -> "Iterator[EventBatch]":
    """The events of files, as they are read; what is wrong with them goes to `problems`."""
    from kyber.logs.formats.known import FORMATS, detect
    from kyber.logs.parse import Progress, Tally, batches, doubts
    from kyber.logs.schema import table
    from kyber.logs.stream import ReadingError, Stream, out_of_memory
    from kyber.problem import Place, Problem, Severity

    total = sum(one.size for job in jobs for one in job.inputs)
    done = events = 0
    for job in jobs:
        for given in job.inputs:
            tally = Tally()
            try:
                stream = Stream(given)
            except ReadingError as error:
                problems.append(Problem(Place(given.name), error.code, error.facts))
                continue
            try:
                form = FORMATS[job.format] if job.format else detect(stream.sample)
                for batch in batches(stream, form, job, tally, need.columns(table(form.table))):
                    yield batch
                    progress(
                        Progress(done + min(stream.consumed, given.size), total, events + tally.events, given.name)
                    )
            except ReadingError as error:
                problems.append(Problem(Place(given.name), error.code, error.facts))
            except MemoryError:
                spent = out_of_memory()
                problems.append(Problem(Place(given.name), spent.code, spent.facts))
            finally:
                stream.close()
            done, events = done + given.size, events + tally.events
            problems += [one for one in doubts(given.name, tally) if one.severity is not Severity.NOTE]


# --- what was asked for ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What of the events is to be shown: events, their number, groups, a histogram, or what SQL says."""

    fields: tuple[str, ...]
    by: tuple[str, ...]
    order: "Order | None"
    limit: int | None
    every: int | None
    over_time: bool
    count: bool
    sql: str | None
    raw: bool

    @property
    def named(self) -> tuple[str, ...]:
        """The fields that the user named beside the query."""
        sorted_by = (self.order.field,) if self.order is not None else ()
        return tuple(dict.fromkeys((*self.fields, *self.by, *sorted_by)))


def _go_together(answers: dict[str, Any], of_events: dict[str, Any]) -> None:
    """Raises UsageError for options of which one would be passed over in silence."""
    asked = [name for name, given in answers.items() if given]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} are two questions: ask one at a time")
    shown = [name for name, given in of_events.items() if given]
    if asked and shown:
        raise UsageError(f"{shown[0]} is for events, and {asked[0]} shows none")


def _names(option: str, given: str | None) -> tuple[str, ...]:
    if given is None:
        return ()
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in given.split(",")))))
    if not names:
        raise UsageError(f"{option} needs names of fields, as user.name,source.ip")
    return names


def _order(given: str | None, form: Form) -> "Order | None":
    from kyber.logs.search.hits import Order

    if given is None:
        return Order(descending=True) if form is Form.TABLE else None
    name, colon, way = given.rpartition(":")
    if not colon or way not in ("asc", "desc"):
        name, way = given, "asc"
    if not name:
        raise UsageError("--sort needs the name of a field, as user.name or time:desc")
    return Order(name, way == "desc")


def _seconds(every: str | None) -> int | None:
    from kyber.duration import Duration

    if every is None:
        return None
    try:
        duration = Duration.parse(every)
    except ValueError:
        duration = Duration()
    if duration.months or not duration.seconds:
        raise UsageError(f"--every {every}: write it as 10min, 1h, 1d or 7d")
    return duration.seconds


def _period(clock: "Clock", since: str | None, between: tuple[str, str] | None) -> "Period":
    from kyber.logs.store import Period

    if since is not None and between is not None:
        raise UsageError("--since and --between are two periods: give one")
    try:
        if since is not None:
            return clock.since(since)
        return clock.between(*between) if between is not None else Period()
    except ValueError as error:
        raise UsageError(f"{'--since' if since is not None else '--between'}: {error}") from None


# --- the answer ------------------------------------------------------------------------------------------------------

Column = tuple[str, "Kind"]
Rows = Iterable[Sequence[Any]]


class _Answer:
    """What is shown, in the shape that a form needs. Events are read while it is taken."""

    def __init__(
        self,
        searcher: "Searcher",
        events: "Iterator[EventBatch]",
        asked: _Asked,
        clock: "Clock",
        words: "Words",
        change: Callable[[str], str],
    ) -> None:
        self.searcher, self.asked, self.clock, self.words, self.change = searcher, asked, clock, words, change
        self.events = events
        self.matched = 0
        self.more = False
        """Whether there are rows that the limit left out."""

    def found(self) -> "Iterator[tuple[EventBatch, Places]]":
        """Each batch, and its rows that match."""
        for batch in self.events:
            rows = self.searcher.rows(batch)
            self.matched += len(rows)
            yield batch, rows

    def table(self) -> Iterator[Any]:
        """The parts of a terminal's output."""
        from kyber.render.answers import bars, grid

        zone = self.clock.zone
        if self.asked.count:
            yield str(self.counted())
            return
        if self.asked.over_time:
            buckets = self.buckets()
            days = all(not (one.start.hour or one.start.minute or one.start.second) for one in buckets)
            numbers = [self.words.number(one.count) for one in buckets]
            yield from bars([(one.start, one.count) for one in buckets], numbers, days and len(buckets) > 1)
            yield from self.summary(0)
            return
        if self.asked.sql is None and not self.asked.by:
            names, rows = self._events_for_table()
            numbers_in: frozenset[str] = frozenset()
            self.more = self.matched > len(rows)
        else:
            columns, found = self.columns_and_rows()
            names = [name for name, _ in columns]
            rows = [tuple(row) for row in found]
            numbers_in = frozenset(name for name, kind in columns if kind in ("integer", "number"))
        if rows:
            yield grid(names, rows, zone, numbers_in)
            yield ""
        yield from self.summary(len(rows))

    def _events_for_table(self) -> tuple[list[str], list[Sequence[Any]]]:
        from kyber.logs.search.hits import Shown
        from kyber.render.answers import story

        asked = self.asked
        if asked.fields or asked.raw:
            names = [*(asked.fields or ("time",)), *(("kyber.raw",) if asked.raw else ())]
            rows = [self._row(hit, names) for hit in self.hits(Shown(asked.fields, raw=asked.raw))]
            return names, rows
        happened = self.words("search.event")
        rows = [(*self._row(hit, ("time", *WHO)), story(hit.fields, WHO)) for hit in self.hits(Shown(WHO, table=True))]
        return ["time", *WHO, happened], rows

    def summary(self, shown: int) -> Iterator[str]:
        """How many events match, how many rows are shown where there are more, and in which zone times are."""
        words = self.words
        said = [words.many("search.matched", self.matched, all=words.number(self.searcher.events))]
        if self.more:
            said.append(words.many("search.limited", shown))
        yield " ".join((*said, words("search.zone", zone=str(self.clock.zone))))

    def columns_and_rows(self) -> tuple[list[Column], Rows]:
        """For CSV and Parquet, and for what is a table of its own."""
        from kyber.logs.search.hits import Shown

        asked = self.asked
        if asked.count:
            return [("count", "integer")], [(self.counted(),)]
        if asked.over_time:
            names: list[Column] = [("start", "time"), ("end", "time"), ("count", "integer")]
            return names, [(one.start, one.end, one.count) for one in self.buckets()]
        if asked.by:
            groups = self.groups()
            counted: list[Column] = [("count", "integer"), *((name, "text") for name in asked.by)]
            return counted, [(count, *values) for values, count in groups]
        if asked.sql is not None:
            return self.selected(asked.sql)
        names = [(name, _kind(name)) for name in asked.fields or EXPORTED]
        if asked.raw:
            names.append(("kyber.raw", "text"))
        shown = Shown(tuple(name for name, _ in names), raw=asked.raw)
        return names, (self._row(hit, [name for name, _ in names]) for hit in self.hits(shown))

    def records(self) -> Iterator[dict[str, Any]]:
        """For JSON lines."""
        from kyber.logs.search.hits import Shown
        from kyber.logs.values import as_datetime

        asked = self.asked
        if asked.count:
            count = self.counted()
            yield {"count": count, "events": self.searcher.events}
        elif asked.by:
            for values, count in self.groups():
                yield {"count": count, "fields": dict(zip(asked.by, values, strict=True))}
        elif asked.over_time or asked.sql is not None:
            columns, rows = self.columns_and_rows()
            for row in rows:
                yield {name: value for (name, _), value in zip(columns, row, strict=True)}
        else:
            for hit in self.hits(Shown(asked.fields or None, raw=asked.raw)):
                yield {
                    "id": hit.id,
                    "time": as_datetime(hit.time),
                    "source": hit.source,
                    "file": hit.file,
                    "record": hit.record,
                    "fields": dict(hit.fields),
                    **({"raw": hit.raw} if asked.raw else {}),
                }

    def hits(self, shown: Any) -> "Iterator[Hit]":
        """The events, masked."""
        from dataclasses import replace

        from kyber.logs.search.hits import in_order
        from kyber.render.safe import every_text

        for hit in in_order(self.found(), shown, self.asked.order, self.asked.limit):
            texts = (hit.source, hit.file, hit.raw, hit.fields)
            source, file, raw, fields = every_text(texts, self.change) if self.change is not str else texts
            yield replace(hit, source=source, file=file, raw=raw, fields=fields)

    def _row(self, hit: "Hit", names: Sequence[str]) -> Sequence[Any]:
        from kyber.logs.search.fields import FILE, ID, RECORD, SOURCE, TIME
        from kyber.logs.values import as_datetime

        own = {SOURCE: hit.source, FILE: hit.file, RECORD: hit.record, ID: hit.id, "kyber.raw": hit.raw}
        return [
            as_datetime(hit.time) if name in TIME else own[name] if name in own else hit.fields.get(name)
            for name in names
        ]

    def counted(self) -> int:
        """How many events match."""
        return sum(len(rows) for _, rows in self.found())

    def groups(self) -> list[tuple[tuple[str | None, ...], int]]:
        """The groups, masked, the largest first."""
        from kyber.logs.search.count import MAX_GROUPS, Groups

        groups = Groups(self.asked.by)
        for batch, rows in self.found():
            groups.add(batch, rows)
        if groups.gathered:
            told_apart = self.words.number(MAX_GROUPS)
            say(self.words.many("search.beyond-groups", groups.gathered, limit=told_apart), error=True)
        limit = self.asked.limit
        self.more = limit is not None and len(groups.counts) > limit
        return [
            (tuple(None if one is None else self.change(one) for one in group.values), group.count)
            for group in groups.top(limit)
        ]

    def buckets(self) -> Any:
        """The histogram."""
        from kyber.logs.search.count import Histogram

        histogram = Histogram(self.clock.zone, self.asked.every)
        for batch, rows in self.found():
            histogram.add(batch, rows)
        if histogram.timeless:
            say(self.words.many("search.timeless", histogram.timeless), error=True)
        return histogram.buckets()

    def selected(self, sql: str) -> tuple[list[Column], Rows]:
        """What SQL says of the events."""
        from itertools import islice

        from kyber.logs.search.sql import select

        answer = select(sql, self.found(), self.change)

        def rows() -> Iterator[Sequence[Any]]:
            yield from islice(answer.rows, self.asked.limit)
            self.more = next(answer.rows, None) is not None

        return list(answer.columns), rows()


def _kind(name: str) -> "Kind":
    return "time" if name in ("time", "@timestamp") else "integer" if name == "kyber.record" else "text"


def _write(output: Path | None, form: Form, answer: _Answer) -> None:
    """The answer in a form, to a file (whole or not at all) or to standard output, as it comes."""
    if output is None:
        with standard_output():
            for part in _gathered(_texts(form, answer)):
                typer.echo(part.encode(), nl=False)
        return
    with written_whole(output) as file:
        if form is Form.PARQUET:
            from kyber.render.answers import parquet

            columns, rows = answer.columns_and_rows()
            parquet(columns, rows, file)
            return
        for part in _gathered(_texts(form, answer)):
            file.write(part.encode())


def _texts(form: Form, answer: _Answer) -> Iterator[str]:
    from kyber.render.answers import csv_lines, lines

    if form is Form.JSONL:
        yield from lines(answer.records())
    elif form is Form.CSV:
        columns, rows = answer.columns_and_rows()
        yield from csv_lines([name for name, _ in columns], rows)
    else:
        import io

        from rich.console import Console

        out = io.StringIO()
        console = Console(file=out, width=120, color_system=None, force_terminal=False, _environ={})
        for part in answer.table():
            console.print(part, highlight=False, soft_wrap=isinstance(part, str), markup=False)
        yield "".join(line.rstrip() + "\n" for line in out.getvalue().split("\n")[:-1])


def _gathered(texts: Iterable[str]) -> Iterator[str]:
    """The same texts in larger parts."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if size >= PARTS:
            yield "".join(held)
            held, size = [], 0
    if held:
        yield "".join(held)


def _notes(searcher: "Searcher", words: "Words") -> Iterator[str]:
    """What the reader should know of an answer: fields that no event had, patterns that took too long."""
    for field, meant in searcher.unseen.items():
        said = words("search.no-field", field=plain(field))
        yield f"{said} {words('search.did-you-mean', names=plain(', '.join(meant)))}" if meant else said
    for pattern in searcher.slow:
        yield words("search.slow", pattern=plain(pattern))
