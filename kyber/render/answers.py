"""Answers to a search, as columns and rows of plain values, in the form that was asked for out; and bars over time.

Texts must be masked before they come here. What they could do to a terminal, a spreadsheet or a reader of lines is
taken from them here; Parquet holds them as they are.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO, Final, Literal

from kyber.render.excerpt import excerpt
from kyber.render.safe import cell, json_line, plain
from kyber.render.times import iso

Kind = Literal["text", "time", "integer", "number", "truth"]
"""What the values of a column are; None may stand among them."""
VALUE_SHOWN: Final = 300
"""Characters of a value that the table shows; the other forms hold the whole."""
BAR: Final = 40
REMEMBERED: Final = 65_536
AT_ONCE: Final = 50_000
"""Rows of one row group of Parquet."""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_DAY: Final = "%Y-%m-%d"
_MOMENT: Final = "%Y-%m-%d %H:%M:%S"


def worded(value: Any) -> str:
    """A value as text: nothing for None, times as ISO 8601, the elements of an array after one another."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return str(iso(value)) if value.tzinfo else value.isoformat()
        case list() | tuple():
            return ", ".join(map(worded, value))
        case _:
            return str(value)


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object a line."""
    return (json_line(_jsonable(record)) + "\n" for record in records)


def _jsonable(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: worded(value) if isinstance(value, date) else value for name, value in record.items()}


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A header and a line a row, with commas; what a spreadsheet could take for a formula begins with `'`."""
    safe = lru_cache(REMEMBERED)(cell)  # the same values come again and again
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow([safe(name) for name in names])
    yield out.getvalue()
    for row in rows:
        out.seek(0)
        out.truncate()
        writer.writerow([safe(worded(value)) for value in row])
        yield out.getvalue()


def parquet(columns: Sequence[tuple[str, Kind]], rows: Iterable[Sequence[Any]], file: BinaryIO) -> None:
    """One column each; times in UTC, to the microsecond."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "text": pa.string(),
        "time": pa.timestamp("us", "UTC"),
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
    }
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns])
    rows = iter(rows)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(rows, AT_ONCE)):
            arrays = [
                pa.array([_arrow(row[place], kind) for row in some], kinds[kind])
                for place, (_, kind) in enumerate(columns)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _arrow(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    match kind:
        case "text":
            return worded(value).encode("utf-8", "replace").decode()
        case "time":
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        case "number":
            return float(value)
        case _:
            return value


def grid(names: Sequence[str], rows: Iterable[Sequence[Any]], zone: tzinfo, right: frozenset[str] = frozenset()) -> Any:
    """A table for a terminal, its times in a zone. `right`: columns of numbers."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for place, name in enumerate(names):
        last = place == len(names) - 1
        made.add_column(
            Text(plain(name)),
            overflow="fold",
            no_wrap=name == "time",
            justify="right" if name in right else "left",
            ratio=1 if last and len(names) > 2 else None,
        )
    for row in rows:
        made.add_row(*(Text(plain(excerpt(_told(value, zone), VALUE_SHOWN))) for value in row))
    return made


def _told(value: Any, zone: tzinfo) -> str:
    if isinstance(value, datetime):
        try:
            return (value.astimezone(zone) if value.tzinfo else value).strftime(_MOMENT)
        except (OverflowError, ValueError):  # the first or last day of the calendar
            return value.replace(tzinfo=None).isoformat(" ", "seconds")
    return worded(value)


def story(fields: Mapping[str, Any], others: Iterable[str]) -> str:
    """What happened, in one line: the message if there is one, else all values but those that stand elsewhere."""
    message = worded(fields.get("message")).strip()
    if message:
        program = worded(fields.get("process.name"))
        return f"{program}: {message}" if program else message
    others = set(others)
    told = {"", "-", *(worded(fields.get(name)) for name in others)}
    left = {name: text for name, value in fields.items() if name not in others and (text := worded(value)) not in told}
    return "  ".join(f"{name.rpartition('.')[2]}={text}" for name, text in left.items())


def bars(buckets: Sequence[tuple[datetime, int]], numbers: Sequence[str], day: bool) -> Iterator[str]:
    """A line a bucket: when it begins, how many, and a bar of blocks; `day`: buckets are whole days."""
    most = max((count for _, count in buckets), default=0)
    width = max(map(len, numbers), default=0)
    for (start, count), number in zip(buckets, numbers, strict=True):
        yield f"{start:{_DAY if day else _MOMENT}}  {number:>{width}}  {_bar(count, most)}".rstrip()


def _bar(count: int, most: int) -> str:
    if not count:
        return ""
    eighths = max(1, round(BAR * 8 * count / most))
    return _EIGHTHS[-1] * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
