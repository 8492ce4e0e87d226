"""Ways to read JSON lines, each in a process of its own: one file in, its figures out as one line of JSON.

`python -m bench.reading measure READER THREADS FILE`, or `check` (are the needed cells those that `orjson.loads` sees?)
or `broken` (what becomes of a file with one odd line?). A reader yields batches: how many events, and a call that gives
them as plain dicts of the needed fields. So what checking costs is never in what is measured.
"""

import gc
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson

AT_ONCE = 15_000
"""Events of one batch."""
PIECE = 2**20
SYSMON = "Microsoft-Windows-Sysmon/Operational"
ALWAYS = ("Channel", "EventID", "@timestamp", "Hostname")
WHOLE = ("EventID", "RecordNumber")
"""Of the fifteen, those that are whole numbers; the others are text."""
FIFTEEN = (
    *("Channel", "EventID", "RecordNumber", "@timestamp", "Hostname", "Image", "CommandLine", "TargetObject"),
    *("SourceImage", "TargetImage", "GrantedAccess", "CallTrace", "ImageLoaded", "Hashes", "User"),
)
_OBJECT = ("ObjectName", "ObjectType", "ProcessName", "AccessMask", "AccessList", "ObjectServer", "SubjectUserName")
_LOGON = ("WorkstationName", "AuthenticationPackageName", "LogonType", "IpAddress", "TargetUserName", "Status")
_REGISTRY = ("TargetObject", "Details", "EventType", "Image", "NewName")
ROUTES: Mapping[tuple[str, int], tuple[str, ...]] = {
    (SYSMON, 1): (
        *("Image", "CommandLine", "OriginalFileName", "ParentImage", "Description", "ParentCommandLine", "Product"),
        *("Hashes", "IntegrityLevel", "Company", "User", "CurrentDirectory", "ParentUser", "LogonId", "FileVersion"),
    ),
    (SYSMON, 3): (
        *("Image", "Initiated", "DestinationHostname", "DestinationPort", "DestinationIp", "SourcePort", "SourceIp"),
        *("Protocol", "SourceHostname", "User"),
    ),
    (SYSMON, 6): ("ImageLoaded", "Hashes"),
    (SYSMON, 7): (
        *("ImageLoaded", "Image", "Signed", "SignatureStatus", "Description", "OriginalFileName", "Signature"),
        *("Hashes", "Product", "Company"),
    ),
    (SYSMON, 8): ("TargetImage", "SourceImage", "StartModule", "StartFunction", "StartAddress"),
    (SYSMON, 9): ("Device", "Image"),
    (SYSMON, 10): ("SourceImage", "TargetImage", "GrantedAccess", "CallTrace", "SourceUser"),
    (SYSMON, 11): ("TargetFilename", "Image"),
    (SYSMON, 12): _REGISTRY,
    (SYSMON, 13): _REGISTRY,
    (SYSMON, 14): _REGISTRY,
    (SYSMON, 17): ("PipeName", "Image"),
    (SYSMON, 18): ("PipeName", "Image"),
    (SYSMON, 22): ("QueryName", "Image"),
    (SYSMON, 23): ("TargetFilename", "Image", "User"),
    ("Microsoft-Windows-PowerShell/Operational", 4103): ("Payload", "ContextInfo"),
    ("Microsoft-Windows-PowerShell/Operational", 4104): ("ScriptBlockText", "Path"),
    ("Security", 4624): _LOGON,
    ("Security", 4625): _LOGON,
    ("Security", 4656): _OBJECT,
    ("Security", 4657): _OBJECT,
    ("Security", 4658): _OBJECT,
    ("Security", 4663): _OBJECT,
    ("Security", 4673): ("Service", "ProcessName", "PrivilegeList"),
    ("Security", 5145): ("RelativeTargetName", "ShareName", "AccessList", "SubjectUserName", "AccessMask", "IpAddress"),
    ("Security", 5156): ("DestPort", "DestAddress", "SourceAddress", "Application", "SourcePort"),
    ("Security", 5379): ("TargetName",),
    ("Security", 5447): ("FilterName", "ProviderContextName"),
}
"""Channel and event id -> the fields that SigmaHQ's rules for such events ask for, about."""
NEEDED = {route: (*ALWAYS, *fields) for route, fields in ROUTES.items()}
MESSAGE = re.compile(rb'"Message":"(?:[^"\\]+|\\.)*+",?')

Event = dict[str, Any]
Batch = tuple[int, Callable[[], list[Event]]]
Reader = Callable[[str], Iterator[Batch]]
Columns = dict[str, tuple[list[int], list[Any]]]
Encode = Callable[[Sequence[Any]], tuple[Any, Sequence[Any]]]


def needed(event: Event) -> Event:
    """The cells of an event that its route needs."""
    fields = NEEDED.get((event.get("Channel"), event.get("EventID")), ALWAYS)  # type: ignore[arg-type]
    return {field: event[field] for field in fields if field in event}


def main() -> None:
    """Measure, or tell what differs."""
    act, name, threads = sys.argv[1:4]
    os.environ["POLARS_MAX_THREADS"] = threads
    try:
        reader = READERS[name](int(threads))
    except ModuleNotFoundError as error:
        print(json.dumps({"missing": error.name}))
        return
    gc.disable()
    acts: Mapping[str, Callable[..., Mapping[str, Any]]] = {"measure": _measured, "check": _checked, "broken": _broken}
    try:
        found = acts[act](name, reader, *sys.argv[4:])
    except Exception as error:  # whatever a library stops with: that it does is what is to be shown
        found = {"stops": f"{type(error).__name__}: {error}"[:120]}
    print(json.dumps(found))


def _measured(_: str, reader: Reader, file: str) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    events = sum(number for number, _ in reader(file))
    return {
        "events": events,
        "cpu": time.process_time() - cpu,
        "seconds": time.perf_counter() - wall,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _lines(file: str) -> Iterator[list[bytes]]:
    with Path(file).open("rb", buffering=PIECE) as stream:
        while lines := list(islice(stream, AT_ONCE)):
            yield lines


def _checked(name: str, reader: Reader, file: str) -> dict[str, Any]:
    """How many cells were compared with those of `orjson.loads`, how many differ, and the first of these.

    A cell that is null and one that is absent are the same here.
    """
    expected = (orjson.loads(line) for lines in _lines(file) for line in lines)
    cells = differ = 0
    first = ""
    for _, plain in reader(file):
        for event in plain():
            truth = next(expected)
            truth = needed(truth) if "routed" in name else {field: truth.get(field) for field in FIFTEEN}
            for field, value in truth.items():
                cells += 1
                found = event.get(field)
                if found != value or type(found) is not type(value):
                    differ += 1
                    first = first or f"{field}: {value!r} became {found!r}"[:200]
    return {"cells": cells, "differ": differ, "first": first, "left": sum(1 for _ in expected)}


def _event(number: int, image: bytes, after: bytes = b"") -> bytes:
    head = b'{"RecordNumber":%d,"EventID":10,"Channel":"%s","SourceImage":' % (number, SYSMON.encode())
    return head + image + b',"GrantedAccess":"0x1fffff"' + after + b"}\n"


ODD = 500
BROKEN: Mapping[str, bytes] = {
    "invalid UTF-8": _event(ODD, b'"caf\xe9.exe"'),
    "invalid UTF-8, not needed": _event(ODD, b'"a.exe"', b',"Other":"caf\xe9"'),
    "cut short": _event(ODD, b'"a.exe"')[:-20] + b"\n",
    "empty": b"\n",
    "array": b"[]\n",
    "key twice": _event(ODD, b'"first.exe"', b',"SourceImage":"last.exe"'),
    "over 64 bits": _event(ODD, b"123456789012345678901234567890"),
    "number for text": _event(ODD, b"36028797018963968"),
    "object for text": _event(ODD, b'{"Path":"a.exe"}'),
    "NaN": _event(ODD, b"NaN"),
    "half a character": _event(ODD, rb'"\ud800"'),
}


def _broken(_: str, reader: Reader) -> dict[str, str]:
    """What a reader makes of 1,000 lines of which one is odd."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, odd in BROKEN.items():
            file = Path(folder) / "events.jsonl"
            good = [_event(number, b'"C:\\\\tool%d.exe"' % (number % 7)) for number in range(1000)]
            file.write_bytes(b"".join([*good[:ODD], odd, *good[ODD + 1 :]]))
            found[name] = _outcome(reader, str(file), odd)
    return found


def _outcome(reader: Reader, file: str, odd: bytes) -> str:
    try:
        rows = [row for _, plain in reader(file) for row in plain()]
    except Exception as error:
        return f"stops ({type(error).__name__})"
    numbers = {row.get("RecordNumber", row.get("GrantedAccess")): row for row in rows}
    routed = not any("RecordNumber" in row for row in rows)
    if routed:  # these give the cells of the route only, and each line's in its place
        lost, got = 999 - sum("GrantedAccess" in row for row in rows[:ODD] + rows[ODD + 1 :]), None
        if len(rows) == 1000:
            got = rows[ODD]
        elif len(rows) == 999:
            lost = 999 - sum("GrantedAccess" in row for row in rows)
    else:
        lost = sum(number not in numbers for number in range(1000) if number != ODD)
        got = numbers.get(ODD)
        got = numbers.get(None, got) if got is None else got
    if lost:
        return f"loses {lost} lines"
    try:
        truth = orjson.loads(odd)
    except orjson.JSONDecodeError:
        truth = None
    if not isinstance(truth, dict):
        if got is None:
            return "left out"
        left = {field: value for field, value in got.items() if value is not None}
        return f"read as {left.get('SourceImage', 'an empty row')!r}" if left else "row of nulls"
    if got is None:
        return "left out, silently"
    value, seen = truth["SourceImage"], got.get("SourceImage")
    return "as orjson" if seen == value and type(seen) is type(value) else f"{value!r} becomes {seen!r}"


# ---- Line by line. What cannot be decoded is left out, as a scan would put it among its rejects.


def _none() -> list[Event]:
    return []


def _whole_lines(_: int) -> Reader:
    return lambda file: ((len(lines), _none) for lines in _lines(file))


def _split(piece: int) -> Callable[[int], Reader]:
    def read(file: str) -> Iterator[Batch]:
        with Path(file).open("rb", buffering=0) as stream:
            rest = b""
            while data := stream.read(piece):
                *lines, rest = (rest + data).split(b"\n")
                yield len(lines), _none
            yield int(bool(rest)), _none

    return lambda _: read


def _decoded(decode: Callable[[bytes], Any], lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield decode(line)
        except Exception:  # each library has its own, and a line that fails is no event
            continue


def _each(decode: Callable[[bytes], Any], plain: Callable[[Any], Event] | None = None) -> Reader:
    """Every line decoded and dropped again."""

    def read(file: str) -> Iterator[Batch]:
        for lines in _lines(file):
            number = 0
            for line in lines:
                try:
                    decode(line)
                except Exception:
                    continue
                number += 1
            yield number, partial(_plain, decode, plain, lines)

    return read


def _plain(decode: Callable[[bytes], Any], plain: Callable[[Any], Event] | None, lines: list[bytes]) -> list[Event]:
    if plain is None:
        return []
    return [plain(event) for event in _decoded(decode, lines) if type(event) is not list]


def _orjson(_: int) -> Reader:
    return _each(orjson.loads, dict)


def _orjson_joined(_: int) -> Reader:
    return lambda file: ((len(orjson.loads(b"[" + b",".join(lines) + b"]")), _none) for lines in _lines(file))


def _without_message_re(_: int) -> Reader:
    cut, loads = MESSAGE.sub, orjson.loads
    return _each(lambda line: loads(cut(b"", line, 1)), dict)


def _without_message_find(_: int) -> Reader:
    loads = orjson.loads

    def decode(line: bytes) -> Any:
        start = line.find(b'"Message":"')
        if start < 0:
            return loads(line)
        end = line.find(b'"', start + 11)
        while end > 0 and line[end - 1] == 92:  # not exact where the text ends in a backslash
            end = line.find(b'"', end + 1)
        return loads(line[:start] + line[end + 2 :])

    return _each(decode, dict)


def _msgspec(_: int) -> Reader:
    return _each(import_module("msgspec").json.Decoder().decode, dict)


def _struct(fields: Sequence[str]) -> tuple[Callable[[bytes], Any], tuple[str, ...]]:
    """A decoder of these fields, whatever they hold, and the attributes they become."""
    msgspec = import_module("msgspec")
    names = {f"c{index}": field for index, field in enumerate(fields)}
    kind = msgspec.defstruct("Needed", [(name, Any, msgspec.UNSET) for name in names], rename=names, gc=False)
    return msgspec.json.Decoder(kind).decode, tuple(names)


def _msgspec_struct(_: int) -> Reader:
    decode, names = _struct(FIFTEEN)
    unset = import_module("msgspec").UNSET

    def plain(event: Any) -> Event:
        cells = zip(FIFTEEN, (getattr(event, name) for name in names), strict=True)
        return {field: value for field, value in cells if value is not unset}

    return _each(decode, plain)


def _simdjson(_: int) -> Reader:
    return _each(import_module("simdjson").Parser().parse)


def _simdjson_keys(_: int) -> Reader:
    parse = import_module("simdjson").Parser().parse

    def decode(line: bytes) -> Event:
        get = parse(line).get
        return {field: _own(value) for field in FIFTEEN if (value := get(field)) is not None}

    return _each(decode, dict)


def _simdjson_routed(_: int) -> Reader:
    parse = import_module("simdjson").Parser().parse

    def decode(line: bytes) -> Event:
        get = parse(line).get
        fields = NEEDED.get((get("Channel"), get("EventID")), ALWAYS)
        return {field: _own(value) for field in fields if (value := get(field)) is not None}

    return _each(decode, dict)


def _own(value: Any) -> Any:
    """A value that does not hold on to its parser, which could read nothing more."""
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value.as_list() if hasattr(value, "as_list") else value


def _simdjson_then_orjson(_: int) -> Reader:
    parse = import_module("simdjson").Parser().parse

    def decode(line: bytes) -> Any:
        get = parse(line).get
        route = get("Channel"), get("EventID")
        return orjson.loads(line) if route in ROUTES else {}

    return _each(decode)


# ---- Line by line, and then into codes and values: the needed columns of a batch.


class _Index(dict[Any, int]):
    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        return code


def _by_dict(values: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    index = _Index()
    try:
        return np.fromiter(map(index.__getitem__, values), dtype=np.int32, count=len(values)), list(index)
    except TypeError:  # an object or an array among them
        return np.arange(len(values)), values


def _by_arrow() -> Encode:
    pyarrow = import_module("pyarrow")

    def encode(values: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
        try:
            made = pyarrow.array(values).dictionary_encode(null_encoding="encode")
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
            return _by_dict(values)  # of several kinds
        return made.indices.to_numpy(), made.dictionary.to_pylist()

    return encode


def _by_numpy(values: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    try:
        found, codes = np.unique(array, return_inverse=True)
    except TypeError:  # not to be sorted: nulls, or of several kinds
        return _by_dict(values)
    return codes, found.tolist()


def _coded(columns: Columns, rows: int, encode: Encode, absent: Any, refused: int = 0) -> Batch:
    """The columns of a batch as codes and values. `refused`: rows among them that are no events."""
    made = [(field, at, *encode(values)) for field, (at, values) in columns.items()]

    def plain() -> list[Event]:
        events: list[Event] = [{} for _ in range(rows)]
        for field, at, codes, values in made:
            for row, code in zip(at, codes.tolist(), strict=True):
                if values[code] is not absent:
                    events[row][field] = values[code]
        return [event for event in events if event] if refused else events

    return rows - refused, plain


_ABSENT = object()


def _fifteen_coded(_: int) -> Reader:
    """Every event is kept, and each of fifteen columns is taken out of all of them."""

    def read(file: str) -> Iterator[Batch]:
        for lines in _lines(file):
            events = [event for event in _decoded(orjson.loads, lines) if type(event) is dict]
            rows = list(range(len(events)))
            columns = {field: (rows, [event.get(field, _ABSENT) for event in events]) for field in FIFTEEN}
            yield _coded(columns, len(events), _by_dict, _ABSENT)

    return read


def _shapes_coded(_: int) -> Reader:
    """Events with the same keys and the same route are taken together; the routed columns by itemgetter."""

    def read(file: str) -> Iterator[Batch]:
        for lines in _lines(file):
            events = [event for event in _decoded(orjson.loads, lines) if type(event) is dict]
            groups: dict[Any, list[int]] = defaultdict(list)
            for row, event in enumerate(events):
                groups[tuple(event), event.get("Channel"), event.get("EventID")].append(row)
            columns: Columns = defaultdict(lambda: ([], []))
            for (shape, *route), rows in groups.items():
                held = frozenset(shape)
                for field in NEEDED.get(tuple(route), ALWAYS):
                    if field in held:
                        at, values = columns[field]
                        at += rows
                        values += map(itemgetter(field), [events[row] for row in rows])
            yield _coded(columns, len(events), _by_dict, _ABSENT)

    return read


def _routed_coded(encode: Encode, absent: Any = None) -> Reader:
    """Of each event the cells that its route needs are taken at once, and the event is dropped.

    pyarrow and numpy cannot tell an absent cell from one that is null.
    """

    def read(file: str) -> Iterator[Batch]:
        for lines in _lines(file):
            groups: dict[Any, tuple[list[int], list[Any]]] = defaultdict(lambda: ([], []))
            row = 0
            for line in lines:
                try:
                    event = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if type(event) is not dict:
                    continue
                route = event.get("Channel"), event.get("EventID")
                rows, cells = groups[route]
                rows.append(row)
                cells.append([event.get(field, absent) for field in NEEDED.get(route, ALWAYS)])  # type: ignore[arg-type]
                row += 1
            columns: Columns = defaultdict(lambda: ([], []))
            for route, (rows, cells) in groups.items():
                for field, found in zip(NEEDED.get(route, ALWAYS), zip(*cells, strict=True), strict=True):
                    at, values = columns[field]
                    at += rows
                    values += found
            yield _coded(columns, row, encode, absent)

    return read


class _Guessed(dict[bytes, int]):
    """What stands after "EventID" -> the number that it begins with; -1 where it begins with none."""

    def __missing__(self, after: bytes) -> int:
        digits = re.match(rb"\d{1,5}(?=[,}])", after)
        self[after] = number = int(digits[0]) if digits else -1
        return number


def _msgspec_routed(_: int) -> Reader:
    """What stands after "EventID" chooses a decoder of the fields that such events need, and no other cell is made.

    It is a guess, and what was decoded is held against it. What msgspec does not look at must be UTF-8 all the same, so
    that is asked first. Whatever is odd is decoded by orjson.
    """
    unset = import_module("msgspec").UNSET
    wanted: dict[int, dict[str, None]] = defaultdict(dict)
    for (_channel, event_id), fields in ROUTES.items():
        wanted[event_id].update(dict.fromkeys((*ALWAYS, *fields)))
    decoders = {number: (tuple(fields), *_struct(tuple(fields))) for number, fields in wanted.items()}
    other = (ALWAYS, *_struct(ALWAYS))

    def read(file: str) -> Iterator[Batch]:
        numbers = _Guessed()
        for lines in _lines(file):
            groups: dict[int, list[int]] = defaultdict(list)
            for row, line in enumerate(lines):
                start = line.find(b'"EventID":') + 10
                groups[numbers[line[start : start + 6]] if start > 9 else -1].append(row)
            columns: Columns = defaultdict(lambda: ([], []))
            refused = 0
            for number, rows in groups.items():
                fields, decode, names = decoders.get(number, other)
                events = decoded(decode, [lines[row] for row in rows], number)
                if not events:
                    refused += one_by_one(lines, rows, columns)
                    continue
                for field, name in zip(fields, names, strict=True):
                    at, values = columns[field]
                    at += rows
                    values += map(attrgetter(name), events)
            yield _coded(columns, len(lines), _by_dict, unset, refused)

    def decoded(decode: Callable[[bytes], Any], lines: list[bytes], number: int) -> list[Any]:
        """The events of lines that should have this number; none where a line is odd."""
        try:
            if not all(map(bytes.isascii, lines)):  # each still ends in its line feed
                b"".join(lines).decode()
            events = list(map(decode, lines))
            seen = set(map(attrgetter("c1"), events))
        except Exception:
            return []
        return events if (seen.isdisjoint(wanted) if number not in wanted else seen == {number}) else []

    def one_by_one(lines: list[bytes], rows: list[int], columns: Columns) -> int:
        refused = 0
        for row in rows:
            try:
                event = orjson.loads(lines[row])
            except orjson.JSONDecodeError:
                event = None
            if type(event) is not dict:
                refused += 1
                continue
            for field, value in needed(event).items():
                at, values = columns[field]
                at.append(row)
                values.append(value)
        return refused

    return read


# ---- The whole file at once.


def _arrow(block: int, fields: bool) -> Callable[[int], Reader]:
    def make(threads: int) -> Reader:
        pyarrow, reader = import_module("pyarrow"), import_module("pyarrow.json")
        pyarrow.set_cpu_count(threads)
        options = reader.ReadOptions(use_threads=threads > 1, block_size=block)
        schema = pyarrow.schema([(field, pyarrow.int64() if field in WHOLE else pyarrow.string()) for field in FIFTEEN])
        parsing = reader.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore") if fields else None

        def read(file: str) -> Iterator[Batch]:
            table = reader.read_json(file, read_options=options, parse_options=parsing)
            yield table.num_rows, table.to_pylist

        return read

    return make


def _polars(lazy: bool, forgiving: bool = False) -> Callable[[int], Reader]:
    def make(_: int) -> Reader:
        polars = import_module("polars")
        schema = {field: polars.Int64 if field in WHOLE else polars.String for field in FIFTEEN}

        def read(file: str) -> Iterator[Batch]:
            if lazy:
                asked = polars.scan_ndjson(file, schema=schema, ignore_errors=forgiving)
                frame = asked.select(FIFTEEN).collect()
            else:
                frame = polars.read_ndjson(file, schema=schema, ignore_errors=forgiving)
            yield frame.height, frame.to_dicts

        return read

    return make


def _duckdb(forgiving: bool) -> Callable[[int], Reader]:
    def make(threads: int) -> Reader:
        duckdb = import_module("duckdb")
        import_module("pyarrow")
        columns = ", ".join(f"'{field}': '{'BIGINT' if field in WHOLE else 'VARCHAR'}'" for field in FIFTEEN)
        query = (
            f"SELECT * FROM read_json(?, columns = {{{columns}}}, format = 'newline_delimited', "
            f"ignore_errors = {forgiving})"
        )

        def read(file: str) -> Iterator[Batch]:
            connection = duckdb.connect(config={"threads": threads})
            table = connection.sql(query, params=[file]).to_arrow_table()
            yield table.num_rows, table.to_pylist

        return read

    return make


def _duckdb_json(threads: int) -> Reader:
    """Each cell as the JSON text that it is, so that text and numbers stay apart; each distinct one is decoded once."""
    duckdb = import_module("duckdb")
    import_module("pyarrow")
    columns = ", ".join(f"'{field}': 'JSON'" for field in FIFTEEN)
    query = f"SELECT * FROM read_json(?, columns = {{{columns}}}, format = 'newline_delimited', ignore_errors = true)"

    def read(file: str) -> Iterator[Batch]:
        connection = duckdb.connect(config={"threads": threads})
        table = connection.sql(query, params=[file]).to_arrow_table()
        made = {}
        for field in FIFTEEN:
            column = table[field].dictionary_encode().unify_dictionaries()
            values = [_loads(text) for text in column.chunk(0).dictionary.to_pylist()] if column.num_chunks else []
            made[field] = [chunk.indices.fill_null(-1).to_numpy() for chunk in column.chunks], [*values, None]

        def plain() -> list[Event]:
            cells = ([values[code] for codes in chunks for code in codes.tolist()] for chunks, values in made.values())
            return [dict(zip(FIFTEEN, row, strict=True)) for row in zip(*cells, strict=True)]

        yield table.num_rows, plain

    return read


def _loads(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


READERS: Mapping[str, Callable[[int], Reader]] = {
    "lines": _whole_lines,
    "lines, split from pieces of 1 MB": _split(PIECE),
    "lines, split from pieces of 32 MB": _split(32 * PIECE),
    "orjson.loads": _orjson,
    "orjson.loads of 15,000 lines joined": _orjson_joined,
    "orjson.loads, Message cut by re": _without_message_re,
    "orjson.loads, Message cut by find": _without_message_find,
    "msgspec, anything": _msgspec,
    "msgspec, struct of 15": _msgspec_struct,
    "simdjson, parse only": _simdjson,
    "simdjson, 15 keys": _simdjson_keys,
    "simdjson, routed keys": _simdjson_routed,
    "simdjson to route, then orjson": _simdjson_then_orjson,
    "orjson, 15 columns, codes by dict": _fifteen_coded,
    "orjson, shapes, routed columns, codes by dict": _shapes_coded,
    "orjson, routed columns, codes by dict": lambda _: _routed_coded(_by_dict, _ABSENT),
    "orjson, routed columns, codes by pyarrow": lambda _: _routed_coded(_by_arrow()),
    "orjson, routed columns, codes by numpy": lambda _: _routed_coded(_by_numpy),
    "msgspec, struct of routed columns, codes by dict": _msgspec_routed,
    "pyarrow, schema inferred": _arrow(2**24, False),
    "pyarrow, schema given": _arrow(2**24, True),
    "pyarrow, schema given, blocks of 1 MB": _arrow(2**20, True),
    "polars read_ndjson": _polars(False),
    "polars scan_ndjson": _polars(True),
    "polars scan_ndjson, errors ignored": _polars(True, True),
    "duckdb read_json": _duckdb(False),
    "duckdb read_json, errors ignored": _duckdb(True),
    "duckdb read_json of JSON cells, codes by pyarrow": _duckdb_json,
}
THREADED = frozenset(name for name in READERS if name.startswith(("pyarrow", "polars", "duckdb")))
"""Those that can use more than one thread."""
CELLS = frozenset(READERS) - {
    *("lines", "lines, split from pieces of 1 MB", "lines, split from pieces of 32 MB"),
    *("orjson.loads of 15,000 lines joined", "simdjson, parse only", "simdjson to route, then orjson"),
}
"""Those that give cells, so that these can be held against orjson's."""


if __name__ == "__main__":
    main()
