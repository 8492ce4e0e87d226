"""Linux audit: the lines of auditd in, one event for each thing that happened out.

A line is one record: `type=SYSCALL msg=audit(1490995752.404:20614537): arch=c000003e syscall=59 ...`. Records with one
node, time and serial number are one event, and are joined even when other events' records stand between them.

Also read: `node=` before a record, what an enriched log adds (the separator 0x1D, then names in upper case), the lines
that audispd, auditd and the kernel send to syslog (there a type may be a number), and journald's `audit[1]: USER_AUTH
...`, which has neither time nor serial number of its own.

Sources: linux/audit.h and kernel/audit.c for the records, libaudit for messages of programs, the audit field dictionary
for the fields, ECS for the columns.

An event is flat. `auditd.<field>` holds each field as logged, without quotes and with hex text decoded; what stands for
nothing (`?`, `(null)`) is left out, and a field of several records is an array. `auditd.SYSCALL` and `auditd.ARCH` are
names, `auditd.syscall` is both number and name. ECS columns stand beside them.

Codes: F30 not an audit record. Notes: F20 and F21 as in syslog, F31 arguments beyond the limit, which stay only in the
raw record, F32 events that were closed before their end was seen, because too much was open.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from posixpath import isabs, join, normpath
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from types import MappingProxyType
from typing import Any, Final

from kyber.logs.batch import Chunk, Parsed, Reject
from kyber.logs.formats import Context, Format
from kyber.logs.formats.auditd_tables import (
    ARCHITECTURES,
    ERRNO,
    FAMILIES,
    RECORD_TYPES,
    SIGNALS,
    SINGLE_TYPES,
    SYSCALL_ACTIONS,
    SYSCALLS,
    TYPE_ACTIONS,
    from_userspace,
)
from kyber.logs.formats.line import texts
from kyber.logs.formats.syslog import SyslogParser

__all__ = ["AUDITD", "AuditdParser", "Record", "Socket", "interpret", "parse_record", "parse_socket"]

NO_RECORD: Final = "F30"
ARGUMENTS_LEFT_OUT: Final = "F31"
CLOSED_EARLY: Final = "F32"

MAX_OPEN_EVENTS: Final = 4096
MAX_OPEN_BYTES: Final = 16 * 2**20
MAX_ARGUMENTS: Final = 1024
MOVED_ON: Final = 2_000_000
"""Microseconds after which an event counts as complete, once its node has gone on."""
LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z: no later time can be shown."""
LINES_SAMPLED: Final = 200
FACT_LENGTH: Final = 40

Event = dict[str, Any]

# --- one record ------------------------------------------------------------------------------------------------------

_HEADER = re.compile(
    r"(?:node=(\S{1,255}) )?type=([A-Z][A-Z0-9_]{0,63}(?:\[[0-9]{1,5}\])?|[0-9]{1,5}) "
    r"(?:msg=)?audit\(([0-9]{1,12})\.([0-9]{1,9}):([0-9]{1,20})\):? ?"
)
# What syslog puts before a record: no quote and no equals sign, so that no value of another program can pass for it.
_RELAYED = re.compile(
    r"[^\"'=]{0,200}?(?<!\S)(?:([A-Za-z0-9][\w.-]{0,254}) )?(?:audispd|audisp-syslog|audisp-remote|auditd?|kernel)"
    r"(?: [0-9-]{1,10} \S{1,32} -|(?:\[[0-9]{1,10}\])?:) (?:\[ *[0-9.]{1,20}\] )?(?:audit: )?",
    re.ASCII,
)
_BARE = re.compile(r"([A-Z][A-Z0-9_]{2,63}) (?=\S)")
# A name starts where no name can go on, so that a long run of letters is looked at once and not once a letter.
_PAIR = re.compile(
    r'(?<![\w.-])([A-Za-z_][\w.-]{0,63}(?:\[[0-9]{1,6}\])?)=(?:"([^"]*)"?|(\(null\)|[^\s"\x1c-\x1f]+))',
    re.ASCII,
)
_AVC = re.compile(r"avc:\s+(\w{1,32})\s+\{([^}]{0,4096})\}\s+for\s", re.ASCII)
_OLD_LOGIN = re.compile(r"\b(old|new) (auid|ses)=")
_HEX = re.compile(r"[0-9A-F]+")
_ARGUMENT = re.compile(r"a([0-9]{1,6})(\[[0-9]{1,6}\])?", re.ASCII)
_TYPE_NUMBER = re.compile(r"(?:UNKNOWN\[)?([0-9]{1,5})\]?", re.ASCII)

_NOTHING = frozenset(("", "?", "(null)", "{"))  # a brace opens what an enriched log says of an address
# Text of a user's making is quoted, or written in hex where it holds a quote, a blank or a control. What some programs
# write bare is hex only where writing it so was needed.
_SOMETIMES_ENCODED = frozenset(("acct", "device", "grp", "info", "label", "new_group", "peer", "profile", "sw", "vm"))
_ENCODED = _SOMETIMES_ENCODED.union(
    ("cmd", "comm", "cwd", "data", "dir", "exe", "file", "key", "name", "ocomm", "path", "proctitle", "watch")
)
_ENCODED_ARGUMENTS = frozenset(f"a{number}" for number in range(MAX_ARGUMENTS))
_FORCES_ENCODING = re.compile(r'[^!-~]|"')
_KEY_SEPARATOR = "\x01"
_UNSET = frozenset(("4294967295", "-1"))
_RESULTS = {
    **dict.fromkeys(("yes", "1", "success"), "success"),
    **dict.fromkeys(("no", "0", "failed", "fail"), "fail"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One audit record.

    `record_type` is in upper case, `time` in microseconds since the epoch (UTC), `raw_msg` what follows the type.
    `fields` are as logged, decoded. `sequence` is 0 where a record came without its header.
    """

    record_type: str
    time: int
    sequence: int
    raw_msg: str
    fields: Mapping[str, str]
    node: str | None = None

    @property
    def data(self) -> dict[str, str]:
        """The fields with numbers turned into names and contexts taken apart; see `interpret`."""
        return interpret(self.record_type, self.fields)

    @property
    def tags(self) -> tuple[str, ...]:
        """The keys of the audit rules that asked for this record."""
        key = self.fields.get("key")
        return tuple(key.split(_KEY_SEPARATOR)) if key else ()


def parse_record(line: str) -> Record | None:
    """Read one line, without its line end. None where it is no audit record, or its time lies outside the calendar.

    A host that syslog names is the record's node where the record names none.
    """
    found = _HEADER.match(line)
    node = None
    if found is None:
        relayed = _RELAYED.match(line)
        found = _HEADER.match(line, relayed.end()) if relayed else None
        if relayed is None or found is None:
            return None
        node = relayed[1]
        line = line.replace("#035", "\x1d")  # rsyslog's way of writing the separator of an enriched record
    named, kind, seconds, fraction, sequence = found.groups()
    second = int(seconds)
    if second > LAST_SECOND:
        return None
    if kind[-1] == "]" or kind[0].isdigit():
        kind = _type_name(kind)
    return Record(
        kind,
        second * 1_000_000 + int(fraction.ljust(6, "0")[:6]),
        int(sequence),
        line[found.start(3) - 6 :],
        _fields(kind, line[found.end() :]),
        named or node,
    )


def _type_name(kind: str) -> str:
    """A record type's name where its number is given: `1400` and `UNKNOWN[1400]` are `AVC`."""
    found = _TYPE_NUMBER.fullmatch(kind)
    if found is None:
        return kind.partition("[")[0]
    return RECORD_TYPES.get(int(found[1]), f"UNKNOWN[{int(found[1])}]")


@lru_cache(maxsize=1024)
def _stands_alone(kind: str) -> bool:
    """Whether a record of this type is an event of its own."""
    return kind in SINGLE_TYPES or (kind.startswith("UNKNOWN[") and from_userspace(int(kind[8:-1])))


def _fields(kind: str, body: str) -> dict[str, str]:
    """The fields of a record's body. Where a name stands twice the first counts: the kernel writes before a program."""
    fields: dict[str, str] = {}
    encoded = _ENCODED_ARGUMENTS if kind == "EXECVE" else _ENCODED
    is_message = _stands_alone(kind)
    if is_message:
        body = body.replace("msg='", "msg=' ", 1)
    elif kind == "LOGIN":
        body = _OLD_LOGIN.sub(r"\1_\2=", body)
    if "avc:" in body and (avc := _AVC.match(body, body.index("avc:"))):
        fields["seresult"] = avc[1]
        fields["seperms"] = ",".join(avc[2].split())
    for name, quoted, bare in _PAIR.findall(body):
        if bare:
            value = bare.rstrip(",)'") if is_message and bare[0] != "(" else bare
            if name in encoded:
                value = _decoded(name, value)
        else:  # a part of a long argument keeps its quotes, which tell it from one in hex
            value = f'"{quoted}"' if name[-1] == "]" else quoted
        if value not in _NOTHING and name not in fields:
            fields[name] = value
    return fields


def _decoded(name: str, value: str) -> str:
    """A bare value as text, where it is hex. The blanks of a process title are written as NUL."""
    if len(value) % 2 or not _HEX.fullmatch(value):
        return value
    text = bytes.fromhex(value).decode(errors="replace")
    if name in _SOMETIMES_ENCODED and not _FORCES_ENCODING.search(text):
        return value
    return text.rstrip("\0").replace("\0", " ") if name == "proctitle" else text


# --- what numbers stand for ------------------------------------------------------------------------------------------


def interpret(record_type: str, fields: Mapping[str, str]) -> dict[str, str]:
    """A record's fields for people: names of architecture, system call, error and signal; `result` success or fail;
    `unset` for a login or session that there is none of; SELinux contexts and socket addresses taken apart.

    Left out are `key` (the record's tags) and what an enriched log has added.
    """
    data: dict[str, str] = {}
    for name, value in fields.items():
        if name in {"success", "res"}:
            data["result"] = _RESULTS.get(value, value)
        elif name in {"auid", "old-auid", "ses"}:
            data[name] = "unset" if value in _UNSET else value
        elif name in {"subj", "obj"}:
            parts = zip(("user", "role", "domain", "level", "category"), value.split(":", 4), strict=False)
            data.update((f"{name}_{part}", text) for part, text in parts)
        elif name == "saddr":
            data.update(_socket_fields(value))
        elif name == "arch":
            data[name] = ARCHITECTURES.get(value, value)
        elif name == "syscall":
            data[name] = _call(fields) or value
        elif name == "exit" and value.startswith("-"):
            data[name] = _numbered(ERRNO, value[1:]) or value
        elif name == "sig" and record_type == "SECCOMP":
            data[name] = _numbered(SIGNALS, value) or value
        elif name != "key" and not name.isupper():
            data[name] = value
    return data


def _call(fields: Mapping[str, str]) -> str | None:
    """The name of the system call that a record is about."""
    calls = SYSCALLS.get(ARCHITECTURES.get(fields.get("arch", ""), ""))
    return calls.get(fields.get("syscall", "")) if calls else None


def _numbered(names: Mapping[int, str], number: str) -> str | None:
    return names.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else None


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket's address: `family` as numbered in linux/socket.h; `ip` and `port`, or `path`, where there are any."""

    family: int
    ip: str | None = None
    port: int | None = None
    path: str | None = None


def parse_socket(saddr: str) -> Socket | None:
    """Read a `saddr`: the bytes of a sockaddr in hex, as laid out by a little- or a big-endian kernel.

    None where it is not hex or too short for a family. An abstract socket's path begins with `@`.
    """
    if len(saddr) < 4 or len(saddr) % 2 or not _HEX.fullmatch(saddr):
        return None
    data = bytes.fromhex(saddr)
    family = int.from_bytes(data[:2], "little" if data[0] else "big")
    if family == 2 and len(data) >= 8:
        return Socket(family, inet_ntop(AF_INET, data[4:8]), int.from_bytes(data[2:4], "big"))
    if family == 10 and len(data) >= 24:
        return Socket(family, inet_ntop(AF_INET6, data[8:24]), int.from_bytes(data[2:4], "big"))
    if family == 1:
        name = data[2:]
        path = b"@" + name[1:].rstrip(b"\0") if name[:1] == b"\0" else name.partition(b"\0")[0]
        return Socket(family, path=path.decode(errors="replace"))
    return Socket(family)


def _socket_fields(saddr: str) -> dict[str, str]:
    socket = parse_socket(saddr)
    if socket is None:
        return {"saddr": saddr}
    family = FAMILIES.get(socket.family, (str(socket.family),))[0]
    if socket.ip is not None:
        return {"family": family, "addr": socket.ip, "port": str(socket.port)}
    if socket.path is not None:
        return {"family": family, "path": socket.path}
    return {"family": family, "saddr": saddr}


# --- one event -------------------------------------------------------------------------------------------------------

_SYSCALL_ARGUMENTS = ("auditd.a0", "auditd.a1", "auditd.a2", "auditd.a3")
_HERE = frozenset(("ffffff9c", "ffffffffffffff9c"))
"""AT_FDCWD, which says that a path is relative to the working directory and not to an open one."""
_TAKE_A_DIRECTORY = """
    execveat faccessat faccessat2 fchmodat fchmodat2 fchownat fstatat64 futimesat linkat mkdirat mknodat
    name_to_handle_at newfstatat openat openat2 readlinkat renameat renameat2 statx unlinkat utimensat utimensat_time64
"""
_DIRECTORY_ARGUMENT = {**dict.fromkeys(_TAKE_A_DIRECTORY.split(), "a0"), "symlinkat": "a1"}
_ADDRESS_ROLES: Mapping[str | None, str] = {
    **dict.fromkeys(("connect", "sendto", "sendmsg", "sendmmsg", "send"), "destination"),
    **dict.fromkeys((None, "accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "recv"), "source"),
    "bind": "server",
}
_TEXTS = (
    ("exe", "process.executable"),
    ("comm", "process.name"),
    ("uid", "user.id"),
    ("euid", "user.effective.id"),
    ("EUID", "user.effective.name"),
)
_NUMBERS = (("pid", "process.pid"), ("ppid", "process.parent.pid"))


@lru_cache(maxsize=4096)
def _column(field: str) -> str:
    return f"auditd.{field}"


def _event(records: Sequence[Record], original: str) -> tuple[Event, int]:
    """The event that records make up, and how many arguments of an EXECVE were left out of its columns."""
    first = records[0]
    event: Event = {"@timestamp": first.time, "event.original": original}
    if first.node is not None:
        event["host.name"] = first.node
    main = first.fields
    many: dict[str, list[str]] = {}
    for record in records:
        kind, fields = record.record_type, record.fields
        if kind == "SYSCALL":
            main = fields
        elif kind == "EXECVE":
            continue
        columns = dict(zip(map(_column, fields), fields.values(), strict=True))
        if event.keys().isdisjoint(columns):
            event.update(columns)
        else:
            _add_again(event, columns, many, keep_equal=kind == "PATH")
    for column, values in many.items():
        event[column] = tuple(values)
    types = tuple(dict.fromkeys([record.record_type for record in records]))
    event["auditd.type"] = types  # also where a record has a field `type`: no program makes itself a record's type
    if first.sequence:
        event["auditd.sequence"] = first.sequence
    left_out = _add_arguments(event, records) if "EXECVE" in types else 0
    call = main.get("SYSCALL") or _call(main)
    _add_names(event, main, call)
    _add_process_and_user(event, main)
    _add_files(event, records, main, call)
    _add_addresses(event, records, call)
    _add_what_happened(event, types, main, call)
    return event, left_out


def _add_again(event: Event, columns: Mapping[str, str], many: dict[str, list[str]], *, keep_equal: bool) -> None:
    """Fields of one more record: a second value makes an array, one that says the same again only if `keep_equal`, so
    that the arrays of several PATH records run side by side."""
    for column, value in columns.items():
        if column not in event:
            event[column] = value
        elif column in many:
            if keep_equal or many[column][-1] != value:
                many[column].append(value)
        elif keep_equal or event[column] != value:
            many[column] = [event[column], value]


def _add_names(event: Event, main: Mapping[str, str], call: str | None) -> None:
    """Names beside numbers, as an enriched log has them, and the rule keys one by one."""
    if "syscall" in main and call is not None:
        event["auditd.syscall"] = (main["syscall"], call)
        event["auditd.SYSCALL"] = call
    if "arch" in main and "auditd.ARCH" not in event and main["arch"] in ARCHITECTURES:
        event["auditd.ARCH"] = ARCHITECTURES[main["arch"]]
    key = event.get("auditd.key")
    if key is not None:
        keys = tuple(dict.fromkeys(part for one in _all(key) for part in one.split(_KEY_SEPARATOR)))
        event["auditd.key"] = keys if len(keys) > 1 else keys[0]


def _all(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _add_arguments(event: Event, records: Iterable[Record]) -> int:
    """The arguments of an EXECVE, in place of those of the system call; how many were left out.

    They go on through several records, and so may one of them: `a0="ls" a1_len=9000 a1[0]=...`, then `a1[1]=...`.
    """
    for column in _SYSCALL_ARGUMENTS:
        event.pop(column, None)
    whole: dict[int, str] = {}
    pieces: dict[int, bytearray] = {}
    left_out: set[int] = set()
    for record in records:
        if record.record_type != "EXECVE":
            continue
        for field, value in record.fields.items():
            argument = _ARGUMENT.fullmatch(field)
            if argument is None:
                if not field.endswith("_len"):
                    event.setdefault(_column(field), value)
                continue
            number = int(argument[1])
            if number >= MAX_ARGUMENTS:
                left_out.add(number)
            elif argument[2] is None:
                whole.setdefault(number, value)
            else:
                pieces.setdefault(number, bytearray()).extend(_piece(value))
    whole.update((number, piece.decode(errors="replace")) for number, piece in pieces.items())
    arguments = tuple(whole[number] for number in sorted(whole))
    event.update((_column(f"a{number}"), value) for number, value in whole.items())
    if arguments:
        event["process.args"] = arguments
        event["process.command_line"] = " ".join(arguments)
    return len(left_out)


def _piece(value: str) -> bytes:
    """A part of an argument, quoted or in hex, as bytes: a character may begin in one and end in the next."""
    if len(value) % 2 == 0 and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return value.strip('"').encode(errors="replace")


def _add_process_and_user(event: Event, main: Mapping[str, str]) -> None:
    for field, column in _TEXTS:
        if field in main:
            event[column] = main[field]
    for field, column in _NUMBERS:
        number = main.get(field, "")
        if number.isascii() and number.isdigit() and len(number) < 11:
            event[column] = int(number)
    auid = main.get("auid")
    if auid is not None and auid not in _UNSET:
        event["user.audit.id"] = auid
    name = main.get("acct") or main.get("ID") or main.get("UID")
    if name is not None:
        event["user.name"] = name
    title = event.get("auditd.proctitle")
    if title is not None:
        event["process.title"] = title
    cwd = event.get("auditd.cwd")
    if cwd is not None:
        event["process.working_directory"] = cwd
    if "cmd" in main:
        event.setdefault("process.command_line", main["cmd"])


def _add_files(event: Event, records: Iterable[Record], main: Mapping[str, str], call: str | None) -> None:
    """The paths of PATH records, absolute where the working directory says how; a parent only where nothing else is."""
    named = [record.fields for record in records if record.record_type == "PATH" and "name" in record.fields]
    if not named:
        return
    below = [one for one in named if "PARENT" not in {one.get("nametype"), one.get("objtype")}]
    cwd = _all(event.get("auditd.cwd", ""))[0]
    if call in _DIRECTORY_ARGUMENT and main.get(_DIRECTORY_ARGUMENT[call]) not in _HERE:
        cwd = ""
    paths = tuple(dict.fromkeys(_absolute(cwd, one["name"]) for one in below or named))
    event["file.path"] = paths if len(paths) > 1 else paths[0]


def _absolute(cwd: str, name: str) -> str:
    if not isabs(name):
        if not isabs(cwd):
            return name
        name = join(cwd, name)
    return normpath(name) if "/." in name or "//" in name else name


def _add_addresses(event: Event, records: Iterable[Record], call: str | None) -> None:
    """The other side's address: of a message, in `addr`; of a system call, in its SOCKADDR record."""
    address = event.get("auditd.addr")
    if isinstance(address, str) and _is_ip(address):
        event["source.ip"] = address
        port = event.get("auditd.rport", "")
        if isinstance(port, str) and port.isascii() and port.isdigit() and len(port) < 6:
            event["source.port"] = int(port)
    for record in records:
        socket = parse_socket(record.fields["saddr"]) if "saddr" in record.fields else None
        if socket is None:
            continue
        event.setdefault("auditd.saddr_fam", FAMILIES.get(socket.family, ("", str(socket.family)))[1])
        if socket.ip is not None:
            event.setdefault("auditd.laddr", socket.ip)
            event.setdefault("auditd.lport", str(socket.port))
            if call in _ADDRESS_ROLES:
                event.setdefault(f"{_ADDRESS_ROLES[call]}.ip", socket.ip)
                event.setdefault(f"{_ADDRESS_ROLES[call]}.port", socket.port)
        elif socket.path is not None:
            event.setdefault("auditd.path", socket.path)


def _is_ip(text: str) -> bool:
    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _add_what_happened(event: Event, types: Iterable[str], main: Mapping[str, str], call: str | None) -> None:
    what = next((TYPE_ACTIONS[kind] for kind in types if kind in TYPE_ACTIONS), None) or SYSCALL_ACTIONS.get(call or "")
    if what is not None:
        event["event.action"], event["event.category"] = what
    result = _RESULTS.get(main.get("success") or main.get("res") or "")
    if result is not None:
        event["event.outcome"] = "success" if result == "success" else "failure"
    elif event.get("auditd.seresult") == "denied" or event.get("auditd.apparmor") == "DENIED":
        event["event.outcome"] = "failure"


# --- an input --------------------------------------------------------------------------------------------------------

_Key = tuple[str | None, int, int]


class _Open:
    """An event of which more records may follow."""

    __slots__ = ("number", "offset", "raw", "records", "size")

    def __init__(self, number: int, offset: int) -> None:
        self.number = number
        self.offset = offset
        self.records: list[Record] = []
        self.raw: list[bytes] = []
        self.size = 0


class AuditdParser:
    """Reads the lines of one input and joins their records to events, given out in the order they are completed.

    An event is complete: at its EOE record; after its PROCTITLE record, which the kernel writes last, unless the input
    has EOE records; when its node has gone on by more than MOVED_ON; at the end. Messages of programs are complete at
    once. Beyond MAX_OPEN_EVENTS or MAX_OPEN_BYTES the oldest open event is closed.
    """

    def __init__(self, context: Context) -> None:
        self._open: dict[_Key, _Open] = {}
        self._open_of: dict[str | None, dict[_Key, None]] = {}
        self._open_bytes = 0
        self._ending: _Key | None = None
        self._has_eoe = False
        self._left_out = 0
        self._closed_early = 0
        self._syslog = SyslogParser(context)

    @property
    def notes(self) -> Mapping[str, int]:
        """How many arguments were left out (F31) and events closed early (F32); years and zones assumed (F20, F21)."""
        counts = {ARGUMENTS_LEFT_OUT: self._left_out, CLOSED_EARLY: self._closed_early, **self._syslog.notes}
        return MappingProxyType({code: count for code, count in counts.items() if count})

    def feed(self, chunk: Chunk) -> Parsed:
        """The events that these records complete. Bytes that are not UTF-8 are replaced, NULs before a line removed."""
        parsed = Parsed()
        for index, line, repaired in texts(chunk):
            if not line:
                parsed.blank += 1
                continue
            raw = chunk.records[index]
            parsed.repaired += repaired
            number, offset = chunk.first + index, chunk.offsets[index]
            record = parse_record(line) or self._without_header(line)
            if record is None:
                parsed.rejects.append(Reject(number, offset, raw, NO_RECORD, {"start": line[:FACT_LENGTH]}))
            else:
                self._add(record, raw, number, offset, parsed)
        return parsed

    @property
    def pending(self) -> int | None:
        """Where the first record of the oldest open event begins."""
        return min((event.offset for event in self._open.values()), default=None)

    def finish(self) -> Parsed:
        """The events that were still open, oldest first."""
        parsed = Parsed()
        for key in list(self._open):
            self._complete(key, parsed)
        return parsed

    def _add(self, record: Record, raw: bytes, number: int, offset: int, parsed: Parsed) -> None:
        kind = record.record_type
        key = (record.node, record.time, record.sequence)
        if self._ending is not None and self._ending != key:
            self._complete(self._ending, parsed)
        of_node = self._open_of.get(record.node)
        while of_node:  # a clock that was set back counts as gone on, too
            oldest = next(iter(of_node))
            if abs(record.time - oldest[1]) <= MOVED_ON:
                break
            self._complete(oldest, parsed)
        if not record.sequence or _stands_alone(kind):
            self._give([record], [raw], number, offset, parsed)
            return
        event = self._open.get(key)
        if event is None:
            event = self._open[key] = _Open(number, offset)
            self._open_of.setdefault(record.node, {})[key] = None
        event.records.append(record)
        event.raw.append(raw)
        event.size += len(raw)
        self._open_bytes += len(raw)
        if kind == "EOE":
            self._has_eoe = True
            self._complete(key, parsed)
        elif kind == "PROCTITLE" and not self._has_eoe:
            self._ending = key
        while len(self._open) > MAX_OPEN_EVENTS or self._open_bytes > MAX_OPEN_BYTES:
            self._closed_early += 1
            self._complete(next(iter(self._open)), parsed)

    def _complete(self, key: _Key, parsed: Parsed) -> None:
        event = self._open.pop(key)
        of_node = self._open_of[key[0]]
        del of_node[key]
        if not of_node:
            del self._open_of[key[0]]
        if self._ending == key:
            self._ending = None
        self._open_bytes -= event.size
        self._give(event.records, event.raw, event.number, event.offset, parsed)

    def _give(self, records: list[Record], raw: list[bytes], number: int, offset: int, parsed: Parsed) -> None:
        whole = raw[0] if len(raw) == 1 else b"\n".join(raw)
        event, left_out = _event(records, whole.decode(errors="replace"))
        self._left_out += left_out
        parsed.events.append(event)
        parsed.raw.append(whole)
        parsed.numbers.append(number)
        parsed.offsets.append(offset)
        parsed.held.append(len(records))

    def _without_header(self, line: str) -> Record | None:
        """A record as journald passes it on: `... audit[1298]: USER_AUTH pid=1298 ...`, its time that of the line."""
        relayed = _RELAYED.match(line)
        bare = _BARE.match(line, relayed.end()) if relayed else None
        if bare is None:
            return None
        around = self._syslog.feed(Chunk([line.encode(errors="replace")], [0])).events
        time = around[0].get("@timestamp") if around else None
        if not isinstance(time, int):
            return None
        node = around[0].get("host.name")
        return Record(bare[1], time, 0, line[bare.start() :], _fields(bare[1], line[bare.end() :]), node)


def detect(sample: bytes) -> int:
    """How much of a sample is audit records, 0..98; 0 where most of it is something else."""
    lines = sample.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # the last line may have been cut, and is empty where it was not
    texts = [line.decode(errors="replace") for line in lines[:LINES_SAMPLED] if line.strip(b"\0\r \t")]
    share = sum(map(_is_audit, texts)) / len(texts) if texts else 0
    return round(98 * share) if share > 0.5 else 0


def _is_audit(line: str) -> bool:
    line = line.lstrip("\0\ufeff")
    if _HEADER.match(line):
        return True
    relayed = _RELAYED.match(line)
    return relayed is not None and (_HEADER.match(line, relayed.end()) or _BARE.match(line, relayed.end())) is not None


AUDITD: Final = Format(
    name="auditd",
    title="Linux audit (auditd)",
    detect=detect,
    parser=AuditdParser,
    product="linux",
    service="auditd",
    table="auditd",
)
