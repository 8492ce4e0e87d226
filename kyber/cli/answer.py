"""What a search asks of events -> the answer, in the shape that each form needs, and to where it goes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from kyber.cli.console import say
from kyber.cli.files import standard_output, written_whole

if TYPE_CHECKING:
    from kyber.logs.batch import EventBatch
    from kyber.logs.column import Places
    from kyber.logs.search.hits import Hit, Order
    from kyber.logs.search.run import Searcher
    from kyber.logs.search.when import Clock
    from kyber.logs.store import Period
    from kyber.render.answers import Kind
    from kyber.text import Words


class Form(StrEnum):
    """The forms of an answer."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


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
REMEMBERED: Final = 65_536
"""Texts that are known to hold no personal identity code, or without it."""
PARTS: Final = 65_536
"""Characters that are gathered before they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
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


Column = tuple[str, "Kind"]
Rows = Iterable[Sequence[Any]]


class Answer:
    """What is shown, in the shape that a form needs. Events are read while it is taken."""

    def __init__(
        self,
        searcher: "Searcher",
        events: "Iterator[EventBatch]",
        asked: Asked,
        clock: "Clock",
        words: "Words",
        change: Callable[[str], str],
        period: "Period",
        total: Callable[[], int] | None = None,
    ) -> None:
        """`total`: how many events of the period there are, where not all of them are read."""
        self.searcher, self.asked, self.clock, self.words, self.change = searcher, asked, clock, words, change
        self.events, self.period, self.total = events, period, total
        self.matched = self.looked_at = 0
        self.more = False
        """Whether there are rows that the limit left out."""

    def found(self) -> "Iterator[tuple[EventBatch, Places]]":
        """Each batch, and its rows that match."""
        for batch in self.events:
            rows = self.searcher.rows(batch)
            self.looked_at += int(self.period.holds(batch.times).sum())
            self.matched += len(rows)
            yield batch, rows

    @property
    def all(self) -> int:
        """How many events there are of the period, whether they match or not; once all that is read was read."""
        return self.looked_at if self.total is None else self.total()

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
        said = [words.many("search.matched", self.matched, all=words.number(self.all))]
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
            yield {"count": count, "events": self.all}
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
        from functools import lru_cache

        from kyber.logs.search.hits import in_order

        change = lru_cache(REMEMBERED)(self.change)  # the same names and values come again and again
        return (one.changed(change) for one in in_order(self.found(), shown, self.asked.order, self.asked.limit))

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


def write(output: Path | None, form: Form, answer: Answer) -> None:
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


def _texts(form: Form, answer: Answer) -> Iterator[str]:
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
