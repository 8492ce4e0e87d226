"""Events and a SELECT -> rows, by DuckDB over the table `events`: in memory, with no way to files, network or Python.

The table has the columns that the SELECT names: kyber's own (`OWN_COLUMNS`) and any field. All but `time` (UTC, without
an offset) and `kyber.record` are text. A field's name with dots need not be quoted where it is plain what it means.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from kyber.errors import UsageError
from kyber.logs.batch import EventBatch
from kyber.logs.column import Codes, Column, Places, Rows
from kyber.logs.search.fields import FILE, ID, RECORD, SOURCE, Fields, nearest
from kyber.logs.search.hits import Found
from kyber.logs.search.query import QueryError
from kyber.logs.values import NO_TIME, shown
from kyber.render.answers import Kind

if TYPE_CHECKING:
    import duckdb

MAX_BYTES: Final = 4 * 2**30
"""Bytes that the table of events may take in memory."""
MAX_SQL: Final = 65_536
"""Characters of a statement."""
AT_ONCE: Final = 10_000
RAW: Final = "kyber.raw"
OWN_COLUMNS: Final = ("time", SOURCE, FILE, RECORD, ID, RAW)
COSTLY: Final = frozenset((ID, RAW))
"""Columns that the table has only where the SELECT names them."""
USUAL: Final = ("host.name", "user.name", "source.ip", "event.action", "event.outcome", "process.name", "message")
"""Fields that the table has whatever the SELECT names, so that `SELECT *` shows something."""

_WORD: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(\w*)\$.*?\$\1\$
        | (?P<name>[@A-Za-z_][\w@]*(?:\.[A-Za-z_@][\w@]*)*)""",
    re.VERBOSE | re.DOTALL,
)
_MISSING: Final = re.compile(r'Referenced (?:column|table) "([^"]+)" not found')
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "memory_limit": "2GB",
}


_KIND_OF: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "integer"),
    **dict.fromkeys(("HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UBIGINT", "UHUGEINT"), "number"),
    "BOOLEAN": "truth",
    "TIMESTAMP": "time",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a SELECT, read as they are taken. `columns`: names, made distinct, and what their values are.

    Values are those that JSON and Arrow know: what else there is in DuckDB comes as text.
    """

    columns: tuple[tuple[str, Kind], ...]
    rows: Iterator[Sequence[Any]]


def select(sql: str, found: Found, change: Callable[[str], str] = str) -> Answer:
    """What a SELECT says of the events. `change` is applied to every text of theirs before it is asked, and to what the
    SELECT puts together of them.

    Raises QueryError, also where DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise UsageError("--sql needs DuckDB, which is not installed: pip install duckdb") from None
    if len(sql) > MAX_SQL:
        raise QueryError(f"the SQL is longer than {MAX_SQL} characters")
    with _told(duckdb, (), change):
        _check(duckdb, sql)
    events = _Events(sql, change)
    for batch, rows in found:
        events.add(batch, rows)
    table = events.table()
    database = duckdb.connect(":memory:", config=_SETTINGS)
    with _told(duckdb, events.known, change):
        database.register("events", table)
        database.execute("SET lock_configuration = true")
        database.execute(quoted(sql, table.column_names))
        columns = [(change(str(name)), _kind(str(kind))) for name, kind, *_ in database.description or ()]
    return Answer(_distinct(columns), _rows(duckdb, database, change))


def _rows(duckdb: Any, database: "duckdb.DuckDBPyConnection", change: Callable[[str], str]) -> Iterator[Sequence[Any]]:
    with _told(duckdb, (), change):
        while rows := database.fetchmany(AT_ONCE):
            yield from (tuple(_simple(value, change) for value in row) for row in rows)


def _kind(kind: str) -> Kind:
    name = kind.partition("(")[0]
    return "text" if kind.endswith("]") else _KIND_OF.get(name, "text")


def _simple(value: Any, change: Callable[[str], str]) -> Any:
    """A value as JSON knows it, or a time."""
    match value:
        case str():
            return change(value)
        case None | bool() | float() | datetime():
            return value
        case int():
            return value if abs(value) < 2**63 else str(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
        case list() | tuple():
            return [_simple(one, change) for one in value]
        case dict():
            return {change(str(key)): _simple(one, change) for key, one in value.items()}
        case _:
            return change(str(value))


def _check(duckdb: Any, sql: str) -> None:
    """Raises QueryError for anything but one SELECT."""
    statements = duckdb.connect(":memory:", config=_SETTINGS).extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError('--sql takes one SELECT over the table events: SELECT "user.name", count(*) FROM events ...')


class _told:  # noqa: N801 - reads as `with told(...)`
    """DuckDB's errors as QueryError, with the field that may have been meant."""

    def __init__(self, duckdb: Any, known: "set[str] | tuple[()]", change: Callable[[str], str]) -> None:
        self.error, self.known, self.change = duckdb.Error, known, change

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, self.error):
            return
        missing = _MISSING.search(str(error))
        if missing and (meant := nearest(missing[1], self.known)):
            told = f"no event has field '{missing[1]}'; did you mean {' or '.join(meant)}?"
            raise QueryError(self.change(told)) from None
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise QueryError(self.change("\n".join(("the SQL cannot be run:", *lines)))) from None


class _Events:
    """Gathers events in an Arrow table, with every column whose name occurs in the statement."""

    def __init__(self, sql: str, change: Callable[[str], str]) -> None:
        self.sql, self.change = sql.lower(), change
        own = [name for name in OWN_COLUMNS if name not in COSTLY or name in self.sql]
        self.names = {name: name for name in (*own, *USUAL)}
        """The columns: a name in lower case, since SQL knows no other, and as it is spelled."""
        self.known: set[str] = {*OWN_COLUMNS, *USUAL}
        self.pieces: list[tuple[int, dict[str, Any]]] = []
        self.size = 0

    def add(self, batch: EventBatch, rows: Places) -> None:
        """Take some rows of a batch. Raises QueryError where it becomes too much."""
        fields = Fields(batch)
        here = list(fields.here())
        self.known.update(here)
        for name in (*here, *batch.table.fields, *batch.table.shown, *batch.table.columns):
            if name.lower() in self.sql:
                self.names.setdefault(name.lower(), name)
        if not len(rows):
            return
        held = np.zeros(batch.rows, dtype=bool)
        held[rows] = True
        piece = {}
        for folded, name in self.names.items():
            array = self._column(fields, rows, held, name)
            if array is not None:
                piece[folded] = array
        self.pieces.append((len(rows), piece))
        self.size += sum(array.nbytes for array in piece.values())
        if self.size > MAX_BYTES:
            raise QueryError(
                "the events are too many for SQL: narrow them with a QUERY, --source, --since or --between"
            )

    def table(self) -> pa.Table:
        """All of them."""
        made = {}
        for folded, name in self.names.items():
            kind = _KINDS.get(folded, _TEXT)
            pieces = [piece.get(folded, pa.nulls(length, kind)) for length, piece in self.pieces]
            made[name] = pa.chunked_array(pieces, kind)
        return pa.table(made)

    def _column(self, fields: Fields, rows: Places, held: Rows, name: str) -> Any:
        """A column at some rows; None where none of them has it."""
        batch = fields.batch
        if name == "time":
            times = batch.times[rows]
            return pa.array(times, _KINDS[name], mask=times == NO_TIME)
        if name == RECORD:
            return pa.array([batch.records[row] for row in rows.tolist()], _KINDS[name])
        if name == ID:
            return pa.array([batch.event_id(row) for row in rows.tolist()]).dictionary_encode()
        if name == RAW:
            return pa.array(
                [self._text(batch.raw[row].decode("utf-8", "replace")) for row in rows.tolist()]
            ).dictionary_encode()
        column = fields.column(name, held)
        return None if column is None else self._texts(column, column.codes[rows])

    def _texts(self, column: Column, codes: Codes) -> pa.Array:
        """A column at some rows as text, each distinct value once."""
        used = np.unique(codes[codes >= 0])
        texts = [column.values[code] for code in used.tolist()]
        values = pa.array([None if one is None else self._text(shown(one)) for one in texts], pa.string())
        places = np.searchsorted(used, codes).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(places, mask=codes < 0), values)

    def _text(self, text: str) -> str:
        return self.change(text).encode("utf-8", "replace").decode()


def quoted(sql: str, names: Sequence[str]) -> str:
    """The statement with quotes around each bare name of a column, before which a table's name may stand."""
    known = {name.lower(): name for name in names}

    def change(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if "." not in name and "@" not in name:
            return name
        if (exact := known.get(name.lower())) is not None:
            return f'"{exact}"'
        table, _, rest = name.partition(".")
        if (exact := known.get(rest.lower())) is not None:
            return f'{table}."{exact}"'
        return name

    return _WORD.sub(change, sql)


_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
_KINDS: Final = {"time": pa.timestamp("us"), RECORD: pa.int64()}


def _distinct(columns: Sequence[tuple[str, Kind]]) -> tuple[tuple[str, Kind], ...]:
    made: dict[str, Kind] = {}
    for name, kind in columns:
        number, free = 1, name
        while free in made:
            number += 1
            free = f"{name}_{number}"
        made[free] = kind
    return tuple(made.items())
