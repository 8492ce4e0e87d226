"""`kyber search`: a query in, the events that match, or numbers about them, out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.answer import Answer, Asked, Form, write
from kyber.cli.cluster import AllowPlaintext, Insecure, Namespace, Url
from kyber.cli.console import InputFormat, Where, around, plain, say, tell_problems
from kyber.cli.delivered import FILES
from kyber.cli.files import check_place, form_of, spare, standard_output
from kyber.cli.readers import may_reveal, record_reading
from kyber.cli.reading import known_format, no_collector, path_jobs, shown_progress, zone_of
from kyber.cli.scan import enrichment
from kyber.cli.stores import Stores, WhichStore
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from kyber.logs.batch import EventBatch
    from kyber.logs.parse import Job, Progress
    from kyber.logs.search.hits import Order
    from kyber.logs.search.meaning import Need, Query
    from kyber.logs.search.run import Searcher
    from kyber.logs.search.when import Clock
    from kyber.logs.store import Period, Store
    from kyber.logs.store.narrow import Narrow
    from kyber.problem import Problem
    from kyber.text import Words
    from kyber.workspace import Workspace


BY_ENDING: Final = {
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".json": Form.JSONL,
    ".csv": Form.CSV,
    ".parquet": Form.PARQUET,
}
LIMIT: Final = 100
"""Rows of a table where nobody says how many."""


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
    input_format: InputFormat = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Time zone of what you write and see; else the workspace's, or UTC."),
    ] = None,
    workspace: Where = None,
    store: WhichStore = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_plaintext: AllowPlaintext = False,
    insecure: Insecure = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal identity codes; needs --purpose and is recorded.")
    ] = False,
    purpose: Annotated[
        str, typer.Option(metavar="TEXT", help="Why personal identity codes have to be seen.", show_default=False)
    ] = "",
) -> None:
    """Find events by a query, and show them, count them, or ask them with SQL.

    Ends with 0 whatever was found, with 2 for a query or options that cannot be used, with 3 when nothing was read,
    with 4 when Elasticsearch does not answer.
    """
    from kyber.logs.search.meaning import needs, read
    from kyber.logs.search.run import Searcher
    from kyber.logs.search.when import Clock
    from kyber.privacy import mask
    from kyber.problem import Severity
    from kyber.text import words_for

    now = datetime.now(UTC)
    here = around(workspace)
    form = Form(form_of(form, json, output, BY_ENDING))
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
    asked = Asked(
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
    if path and source:
        raise UsageError("--source chooses among what is stored; --path searches files, which belong to no source")
    if path and store is not None:
        raise UsageError("--store chooses among what is stored; --path searches files")
    if input_format is not None:
        known_format(input_format)
    jobs, problems = path_jobs(here, path, timezone, input_format, None, now) if path else (None, [])
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
    stores = Stores(store, url, namespace, allow_plaintext, insecure)
    with shown_progress() as progress, no_collector(), ExitStack() as open_:
        if jobs is None:
            opened = open_.enter_context(_opened(here, stores, source))
            narrow = _narrow(opened, meant, here)
            events = opened.events(need.period, sources=source, narrow=narrow)
            total = partial(opened.number, need.period, sources=source) if narrow is not None else None
        else:
            opened, events, total = None, _from_files(jobs, need, problems, progress), None
        change = str if reveal else mask
        answer = Answer(searcher, _enriched(events, here), asked, clock, words, change, need.period, total)
        if form is Form.TABLE and output is None:
            made = list(answer.table())
        else:
            write(output, form, answer)
            made = []
        problems += [one for one in opened.doubts() if one.severity is not Severity.NOTE] if opened is not None else []
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
        say(note if reveal else mask(note), error=True)
    if jobs is None and not searcher.events:
        say(words("search.no-events"), error=True)


@contextmanager
def _opened(here: "Workspace | None", stores: Stores, sources: Sequence[str] | None) -> "Iterator[Store]":
    """The store that is to be searched. Raises UsageError, NothingReadError where there is nothing in it yet."""
    if here is None:
        raise UsageError("there is nothing to search: name files with --path, or make a workspace with `kyber init`")
    with stores.opened(here, "run `kyber logs collect`, or name files with --path") as store, store.reading():
        if sources:
            _check_sources(here, store, sources)
        yield store


def _check_sources(here: "Workspace", store: "Store", sources: Sequence[str]) -> None:
    """Raises UsageError for a source that neither the register nor the store knows."""
    from kyber.logs.source import load_sources
    from kyber.logs.store.parquet import ParquetStore

    known = {one.id for one in load_sources(here.root)[0]}
    if unknown := sorted(set(sources) - known - {part.source for part in store.parts(sources=sources)}):
        if not store.narrows and FILES in unknown and ParquetStore.exists(here.state / FILES):
            raise UsageError(
                f"what `kyber logs ship PATH` sent is searched in Elasticsearch: add --store elasticsearch to "
                f"--source {FILES}, or name the files with --path instead"
            )
        known |= {part.source for part in store.parts()}
        raise UsageError(f"there is no log source '{unknown[0]}'; there are {', '.join(sorted(known)) or 'none'}")


def _narrow(store: "Store", query: "Query", here: "Workspace | None") -> "Narrow | None":
    """Which events are enough to answer a query, beside one of every shape; None: all of them."""
    if not store.narrows or not enrichment(here).columns.keys().isdisjoint(ask.field.lower() for ask in query.tests):
        return None  # only an event's values tell whether it has a field of the enrichment
    from kyber.logs.pushdown import superset

    return superset(query)


def _enriched(events: "Iterator[EventBatch]", here: "Workspace | None") -> "Iterator[EventBatch]":
    """The same events, with what the workspace's tables add to them."""
    from kyber.logs.enrich import enriched

    known = enrichment(here)
    for batch in events:
        yield enriched(batch, known)


def _from_files(
    jobs: "Sequence[Job]", need: "Need", problems: "list[Problem]", progress: "Callable[[Progress], None]"
) -> "Iterator[EventBatch]":
    """The events of files, as they are read; what is wrong with them goes to `problems`."""
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
                form = job.form(stream.sample)
                for batch in batches(stream, form, job, tally, need.columns(table(form.table)), ordered=True):
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


def _notes(searcher: "Searcher", words: "Words") -> Iterator[str]:
    """What the reader should know of an answer: fields that no event had, patterns that took too long."""
    for field, meant in searcher.unseen.items():
        said = words("search.no-field", field=plain(field))
        yield f"{said} {words('search.did-you-mean', names=plain(', '.join(meant)))}" if meant else said
    for pattern in searcher.slow:
        yield words("search.slow", pattern=plain(pattern))
