"""The systemd journal, as `journalctl -o json` and `-o export` write it -> events under `journald.*`, with ECS names.

Sources of the forms: systemd's Journal Export Format and Journal JSON Format, systemd.journal-fields(7). Each field is
kept as `journald.<name in lower case>`; those that have an ECS name are there under it too. The message is taken apart
as in syslog, by `kyber.logs.formats.linux`, so that rules need not know how a line reached them.

In JSON a value is a text, an array of bytes where it is no UTF-8, null where it was too long to be shown, or an array
of those where a field stands more than once. In the export form an entry is lines `FIELD=value`, or `FIELD`, its length
and the data where they hold more than text.

Codes: F40, F41 as in JSON; F44 what is no entry of the journal.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kyber.logs.batch import Chunk, Parsed, Reject
from kyber.logs.formats import Context, Format
from kyber.logs.formats.json import JsonParser, first_objects
from kyber.logs.formats.line import Event, MalformedError, not_this
from kyber.logs.formats.linux import read_message

__all__ = ["JOURNALD", "JOURNALD_EXPORT", "ExportParser", "JournaldParser"]

NATIVE: Final = "journald."
MARKS: Final = ("__REALTIME_TIMESTAMP", "__CURSOR", "MESSAGE")
"""An entry of the journal has one of these at least."""
NAMES_REMEMBERED: Final = 4_096
LONGEST_NAME: Final = 64
"""Characters of a field's name; the journal takes no longer one."""
LENGTH: Final = 8
"""Bytes that tell how long a binary field of the export form is, little-endian."""

_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)
_AUDIT_OUTCOMES = {"success": "success", "failed": "failure", "1": "success", "0": "failure"}


class _Names(dict[str, str]):
    """A field of the journal -> its native column."""

    def __missing__(self, field: str) -> str:
        name = NATIVE + field.lower()
        if len(self) < NAMES_REMEMBERED and len(field) <= LONGEST_NAME:
            self[field] = name
        return name


_NAMES = _Names()


def _text(value: Any) -> str:
    """A field that must be one text; empty where it is not there, or is something else."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    found = str(value) if type(value) is int else _text(value)
    return int(found) if _DIGITS.fullmatch(found) else None


def _event(entry: Mapping[str, Any]) -> Event:
    """The event of one entry, whose values are texts, null, or lists of those. Raises MalformedError (F44)."""
    if not any(mark in entry for mark in MARKS):
        raise not_this(", ".join(list(entry)[:8]))
    event: Event = {}
    for field, value in entry.items():
        name = _NAMES[field]
        event[name] = [*_listed(event[name]), *_listed(value)] if name in event else value
    kernel = entry.get("_TRANSPORT") == "kernel"
    program = "kernel" if kernel else _text(entry.get("SYSLOG_IDENTIFIER")) or _text(entry.get("_COMM"))
    named: dict[str, object] = {
        "@timestamp": _number(entry.get("__REALTIME_TIMESTAMP")) or _number(entry.get("_SOURCE_REALTIME_TIMESTAMP")),
        "host.name": _text(entry.get("_HOSTNAME")),
        "process.name": program,
        "process.pid": _number(entry.get("_PID", entry.get("SYSLOG_PID"))),
        "process.executable": _text(entry.get("_EXE")),
        "process.command_line": _text(entry.get("_CMDLINE")),
        "service.name": _text(entry.get("_SYSTEMD_UNIT")),
        "log.syslog.facility.code": _number(entry.get("SYSLOG_FACILITY")),
        "log.syslog.severity.code": _number(entry.get("PRIORITY")),
        "message": entry.get("MESSAGE"),
    }
    event.update((name, value) for name, value in named.items() if value not in (None, ""))
    if entry.get("_TRANSPORT") == "audit":
        event.update(_audited(entry))
    elif message := _text(entry.get("MESSAGE")):
        event.update(read_message(program, message))
    return event


def _audited(entry: Mapping[str, Any]) -> Event:
    """What a record of the kernel's audit says besides: what happened, how it ended, whose account, from where."""
    found: Event = {"event.action": _text(entry.get("_AUDIT_TYPE_NAME")).lower()}
    outcome = _AUDIT_OUTCOMES.get(_audit_field(entry, "RES"))
    found |= {"event.outcome": outcome, "user.name": _audit_field(entry, "ACCT")}
    address = _audit_field(entry, "ADDR")
    found["source.ip"] = "" if address == "?" else address
    found["process.executable"] = _audit_field(entry, "EXE")
    return {name: value for name, value in found.items() if value}


def _audit_field(entry: Mapping[str, Any], name: str) -> str:
    """A field of an audit record: of the kernel's own, or of one that a program sent. Its texts may be quoted."""
    return _text(entry.get(f"_AUDIT_FIELD_{name}", entry.get(f"AUDIT_FIELD_{name}"))).strip('"')


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- JSON ------------------------------------------------------------------------------------------------------------


class JournaldParser:
    """Reads entries as JSON, one a record. Nothing is held back between calls."""

    notes: Mapping[str, int] = {}
    pending: int | None = None

    def __init__(self, _: Context) -> None:
        self._json = JsonParser()

    def feed(self, chunk: Chunk) -> Parsed:
        """One event an entry."""
        given = self._json.feed(chunk)
        parsed = Parsed(rejects=given.rejects, blank=given.blank, repaired=given.repaired)
        for values, raw, number, offset in zip(given.events, given.raw, given.numbers, given.offsets, strict=True):
            repaired = [_spelt(values, field) for field, value in values.items() if type(value) is list]
            try:
                event = _event(values)
            except MalformedError as why:
                parsed.rejects.append(Reject(number, offset, raw, why.code, why.facts))
            else:
                _keep(parsed, event, raw, number, offset, any(repaired))
        return parsed

    def finish(self) -> Parsed:
        """Nothing: no entry is held back."""
        return Parsed()


def _spelt(values: dict[str, Any], field: str) -> bool:
    """Put texts in the place of arrays of bytes, in one field; whether some of them were no UTF-8."""
    value = values[field]
    once = _are_bytes(value)
    decoded = [_decoded(bytes(one)) if _are_bytes(one) else (one, False) for one in ([value] if once else value)]
    texts = [text for text, _ in decoded]
    values[field] = texts[0] if once else texts
    return any(repaired for _, repaired in decoded)


def _are_bytes(value: Any) -> bool:
    return type(value) is list and bool(value) and all(type(one) is int and 0 <= one < 256 for one in value)


def _decoded(data: bytes) -> tuple[str, bool]:
    """Bytes as text, and whether they had to be repaired to be one."""
    try:
        return data.decode(), False
    except UnicodeDecodeError:
        return data.decode(errors="replace"), True


def _keep(parsed: Parsed, event: Event, raw: bytes, number: int, offset: int, repaired: bool) -> None:
    parsed.events.append(event)
    parsed.raw.append(raw)
    parsed.numbers.append(number)
    parsed.offsets.append(offset)
    parsed.repaired += repaired


# --- the export form -------------------------------------------------------------------------------------------------


class ExportParser:
    """Reads entries of the export form, one a record. Nothing is held back between calls."""

    notes: Mapping[str, int] = {}
    pending: int | None = None

    def __init__(self, _: Context) -> None:
        pass

    def feed(self, chunk: Chunk) -> Parsed:
        """One event an entry."""
        parsed = Parsed()
        for index, raw in enumerate(chunk.records):
            number, offset = chunk.first + index, chunk.offsets[index]
            if not raw.strip():
                parsed.blank += 1
                continue
            try:
                values, repaired = _values(raw, index in chunk.cut)
                event = _event(values)
            except MalformedError as why:
                parsed.rejects.append(Reject(number, offset, raw, why.code, why.facts))
            else:
                _keep(parsed, event, raw, number, offset, repaired)
        return parsed

    def finish(self) -> Parsed:
        """Nothing: no entry is held back."""
        return Parsed()


def _values(record: bytes, cut: bool) -> tuple[dict[str, Any], bool]:
    """An entry's fields, a list where one stands more than once; whether some were no UTF-8. Raises MalformedError."""
    values: dict[str, Any] = {}
    any_repaired = False
    for name, data in _fields(record, cut):
        value, repaired = _decoded(data)
        any_repaired = any_repaired or repaired
        field = name.decode("ascii", "replace")
        values[field] = [*_listed(values[field]), value] if field in values else value
    return values, any_repaired


def _fields(record: bytes, cut: bool) -> Iterator[tuple[bytes, bytes]]:
    """Names and data, in order. Where the record was `cut`, the last may be short. Raises MalformedError (F44)."""
    at = 0
    while at < len(record):
        end = record.find(b"\n", at)
        line = record[at:] if end < 0 else record[at:end]
        name, sign, data = line.partition(b"=")
        if sign:
            at += len(line) + 1
        else:
            start = at + len(line) + 1 + LENGTH
            stop = start + int.from_bytes(record[start - LENGTH : start], "little")
            if not cut and (stop > len(record) or record[stop : stop + 1] not in (b"\n", b"")):
                raise not_this(line.decode(errors="replace"))
            data, at = record[start:stop], stop + 1
        if not name:
            raise not_this(line.decode(errors="replace"))
        yield name, data


# --- which it is -----------------------------------------------------------------------------------------------------

_EXPORTED = re.compile(rb"\s*[A-Z0-9_]{1,64}(?:=|\n)")
_STAMPED = re.compile(rb"^__REALTIME_TIMESTAMP=[0-9]{1,18}$", re.MULTILINE)


def _detect_json(sample: bytes) -> int:
    objects = first_objects(sample)
    entries = sum("__REALTIME_TIMESTAMP" in one or "__CURSOR" in one for one in objects)
    return 95 if objects and entries * 2 > len(objects) else 0


def _detect_export(sample: bytes) -> int:
    return 97 if _EXPORTED.match(sample) and _STAMPED.search(sample) else 0


JOURNALD: Final = Format(
    name="journald",
    title="systemd journal as JSON lines (journalctl -o json)",
    detect=_detect_json,
    parser=JournaldParser,
    product="linux",
    table="linux",
)
JOURNALD_EXPORT: Final = Format(
    name="journald-export",
    title="systemd journal in its export form (journalctl -o export)",
    framing="journal",
    detect=_detect_export,
    parser=ExportParser,
    product="linux",
    table="linux",
)
