"""Syslog: lines of text in, events with ECS names out.

Sources of the formats: RFC 3164 (BSD syslog: `<34>Oct 11 22:14:15 host su: message`), RFC 5424
(`<34>1 2003-10-11T22:14:15.003Z host su - ID47 - message`), RFC 6587 (the count of octets before a message), and what
rsyslog and journalctl write to files (`2026-03-04T12:13:14.123+02:00 host prog[1]: message`). In files the forms may be
mixed, and the priority is mostly missing.

Files are read tolerantly, and a line that begins with white space goes on the one before it; `parse_rfc3164` and
`parse_rfc5424` are strict. What the programs' messages say is read by `kyber.logs.formats.linux`.

Codes: F10 no header of this format, F14 a time that does not exist, F15 a part of an RFC 5424 message is malformed,
F16 a priority above 191. Notes: F20 the year was assumed, F21 the time zone was assumed.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from types import MappingProxyType
from typing import Final

from kyber.logs.formats import Context, Format
from kyber.logs.formats.line import Event, LineParser, MalformedError
from kyber.logs.formats.linux import read_message
from kyber.logs.formats.multiline import indented, joined
from kyber.logs.formats.times import BSD, EPOCH, Times

__all__ = ["SYSLOG", "Event", "MalformedError", "SyslogParser", "envelope", "parse_rfc3164", "parse_rfc5424"]

NO_RECORD: Final = "F10"
NO_PART: Final = "F15"
NO_PRIORITY: Final = "F16"
YEAR_ASSUMED: Final = "F20"
ZONE_ASSUMED: Final = "F21"

HIGHEST_PRIORITY: Final = 191
LINES_SAMPLED: Final = 200


# --- the forms of a header -------------------------------------------------------------------------------------------

_ISO = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,%d})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])%s[0-5][0-9])%s"
)
_FRAME = r"(?:[0-9]{1,7} (?=<))?"
_PRIORITY = r"(?:<([0-9]{1,3})>)?"
_ENVELOPE = re.compile(rf"{_FRAME}<([0-9]{{1,3}})>", re.ASCII)
_PROGRAM = r"[^\s\[\]:]{1,128}+"
_PROCESS = r"[^\]\s]{0,128}+"
_TAG = rf"({_PROGRAM})(?:\[({_PROCESS})\]:? ?|:(?: |\Z))"
_HOST = rf"(?!{_PROGRAM}(?:\[{_PROCESS}\])?:(?: |\Z))(\S++)(?: |\Z)"

# One form for RFC 3164 and for ISO times before the same rest: priority, time, host, program, process id; the message
# is what follows. Where a tag stands in the host's place, the host was left out.
_LINE = re.compile(rf"{_FRAME}{_PRIORITY}({BSD}|{_ISO % (9, ':?', '?')}):? (?:{_HOST})?(?:{_TAG})?", re.ASCII)
_STRICT_LINE = re.compile(rf"<([0-9]{{1,3}})>([A-Z][a-z]{{2}} [ 1-3][0-9] [0-9:]{{8}}) (\S++) (?:{_TAG})?", re.ASCII)

_PRINTABLE = r"[!-~]{1,%d}"
_NAME = r"[!#-<>-\\^-~]{1,32}"
_STRICT_VALUE = r'(?:[^"\\\]]|\\["\\\]])*+'
_VALUE = r'(?:[^"\\]|\\.)*+'

# The parts of an RFC 5424 message, in order, so that a message can be matched at once and a failure can name its part.
_STRICT_PARTS = (
    ("priority", r"<(0|[1-9][0-9]{0,2})>"),
    ("version", r"([1-9][0-9]{0,2}) "),
    ("timestamp", rf"(-|{_ISO % (6, ':', '')}) "),
    ("hostname", rf"({_PRINTABLE % 255}) "),
    ("app-name", rf"({_PRINTABLE % 48}) "),
    ("procid", rf"({_PRINTABLE % 128}) "),
    ("msgid", rf"({_PRINTABLE % 32}) "),
    ("structured data", rf'(-|(?:\[{_NAME}(?: {_NAME}="{_STRICT_VALUE}")*+\])++)'),
    ("message", r"(?: (.*))?\Z"),
)
_PARTS = (
    ("priority", _FRAME + _PRIORITY),
    ("version", r"([1-9][0-9]{0,2}) "),
    ("timestamp", rf"(-|{_ISO % (9, ':?', '?')}) "),
    ("hostname", r"(\S++) "),
    ("app-name", r"(\S++) "),
    ("procid", r"(\S++) "),
    ("msgid", r"(\S++) "),
    ("structured data", rf'(-|(?:\[[^\s=\]"]++(?: ++[^\s=\]"]++="{_VALUE}")*+ *+\])++)'),
    ("message", r"(?: (.*))?\Z"),
)
_STRUCTURED_DATA = 8
_STRICT_5424 = re.compile("".join(part for _, part in _STRICT_PARTS), re.DOTALL | re.ASCII)
_5424 = re.compile("".join(part for _, part in _PARTS), re.DOTALL | re.ASCII)
_LIKE_5424 = re.compile(rf"{_FRAME}(?:<[0-9]{{1,3}}>[0-9]{{1,3}} |[1-9][0-9]{{0,2}} (?:-|[0-9]{{4}}-[0-9]{{2}}))")

_ELEMENT = re.compile(rf'\[([^\s=\]"]++)((?: ++[^\s=\]"]++="{_VALUE}")*+) *+\]', re.DOTALL | re.ASCII)
_PARAMETER = re.compile(rf' ([^\s=\]"]++)="({_VALUE})"', re.DOTALL | re.ASCII)
_ESCAPE = re.compile(r'\\(["\\\]])')
_DATA = "log.syslog.structured_data."


def _set_priority(event: Event, digits: str) -> None:
    priority = int(digits)
    if priority > HIGHEST_PRIORITY:
        raise MalformedError(NO_PRIORITY, {"priority": priority})
    event["log.syslog.priority"] = priority
    event["log.syslog.facility.code"] = priority >> 3
    event["log.syslog.severity.code"] = priority & 7


def _set_process(event: Event, name: str | None, process: str | None) -> None:
    if name:
        event["process.name"] = name
    if process:
        if process.isdecimal() and process.isascii() and len(process) < 10:
            event["process.pid"] = int(process)
        else:
            event["log.syslog.procid"] = process


def _set_data(event: Event, data: str) -> None:
    """Structured data as fields. A parameter that is repeated is an array."""
    values: dict[str, list[str]] = {}
    for name, parameters in _ELEMENT.findall(data):
        for parameter, escaped in _PARAMETER.findall(parameters):
            value = _ESCAPE.sub(r"\1", escaped) if "\\" in escaped else escaped
            values.setdefault(f"{_DATA}{name}.{parameter}", []).append(value)
    event.update((column, given[0] if len(given) == 1 else tuple(given)) for column, given in values.items())


def _malformed(parts: Sequence[tuple[str, str]], text: str) -> MalformedError:
    """The first part of a message that is not as it should be, and its column (from 1)."""
    at = 0
    for name, part in parts:
        found = re.compile(part, re.DOTALL | re.ASCII).match(text, at)
        if found is None:
            return MalformedError(NO_PART, {"part": name, "column": at + 1})
        at = found.end()
    return MalformedError(NO_PART, {"part": "message", "column": at + 1})


def _of_5424(groups: Sequence[str | None], times: Times, assumed: list[int]) -> Event:
    priority, version, stamp, host, name, process, msgid, data, message = groups
    event: Event = {}
    if priority is not None:
        _set_priority(event, priority)
    if stamp is not None and stamp != "-":
        event["@timestamp"], what = times[stamp]
        assumed[what] += 1
    if host != "-":
        event["host.name"] = host
    _set_process(event, None if name == "-" else name, None if process == "-" else process)
    if version is not None:
        event["log.syslog.version"] = int(version)
    if msgid != "-":
        event["log.syslog.msgid"] = msgid
    if data is not None and data != "-":
        _set_data(event, data)
    if message is not None:
        event["message"] = message.removeprefix("\ufeff")
    return event


def parse_rfc5424(text: str) -> Event:
    """One message, strictly as RFC 5424 has it: flat, ECS names, `@timestamp` in microseconds since the epoch (UTC).

    Only the lengths of the RFC, times of at most six decimals, each SD-ID once, and no escapes but those of the RFC are
    taken. What is the nil value `-` is left out. Raises MalformedError (F14, F15, F16).
    """
    found = _STRICT_5424.match(text)
    if found is None:
        raise _malformed(_STRICT_PARTS, text)
    ids = [name for name, _ in _ELEMENT.findall(found[_STRUCTURED_DATA])]
    if len(ids) != len(set(ids)):
        raise MalformedError(NO_PART, {"part": "structured data", "column": found.start(_STRUCTURED_DATA) + 1})
    return _of_5424(found.groups(), Times(EPOCH, UTC), [0, 0, 0])


def parse_rfc3164(text: str, context: Context) -> Event:
    """One message with a whole RFC 3164 header: flat, ECS names, `@timestamp` in microseconds since the epoch (UTC).

    The year is the latest for which the time is no more than a day after `context.reference`; the time is read in
    `context.zone`. A message without a tag has no `process.name`. Raises MalformedError (F10, F14, F16).
    """
    found = _STRICT_LINE.match(text)
    if found is None:
        raise MalformedError(NO_RECORD, {"format": "RFC 3164"})
    priority, stamp, host, name, process = found.groups()
    event: Event = {"@timestamp": Times(context.reference, context.zone)[stamp][0], "host.name": host}
    _set_process(event, name, process)
    _set_priority(event, priority)
    event["message"] = text[found.end() :]
    return event


def envelope(text: str, times: Times) -> tuple[Event, int]:
    """The fields of the syslog header that stands before a record of another format, and what its time assumed.

    `text` is all that stands before that record; what is no header has no fields. No `@timestamp` is among them where
    the time does not exist.
    """
    event: Event = {}
    priority = _ENVELOPE.match(text)
    if priority is not None and int(priority[1]) <= HIGHEST_PRIORITY:
        _set_priority(event, priority[1])
    found = _LINE.match(text)
    assumed = [0, 0, 0]
    try:
        if found is None:
            parts = _5424.match(text)
            if parts is not None:
                event = _of_5424(parts.groups(), times, assumed)
                event.pop("message", None)
        else:
            _, stamp, host, name, process = found.groups()
            event["@timestamp"], what = times[stamp]
            assumed[what] += 1
            if host is not None:
                event["host.name"] = host
            _set_process(event, name, process)
    except MalformedError:
        pass
    return event, next((what for what in (2, 1) if assumed[what]), 0)


# --- files -----------------------------------------------------------------------------------------------------------


class SyslogParser(LineParser):
    """Reads the lines of one input."""

    def __init__(self, context: Context) -> None:
        super().__init__(self._event)
        self._times = Times(context.reference, context.zone)
        self._assumed = [0, 0, 0]

    @property
    def notes(self) -> Mapping[str, int]:
        """How many events' year (F20) and time zone (F21) were assumed."""
        _, zone, both = self._assumed
        counts = {YEAR_ASSUMED: both, ZONE_ASSUMED: zone + both}
        return MappingProxyType({code: count for code, count in counts.items() if count})

    def _event(self, text: str) -> Event:
        found = _LINE.match(text)
        if found is None:
            event = self._event_of_5424(text)
        else:
            priority, stamp, host, name, process = found.groups()
            event = {}
            if priority is not None:
                _set_priority(event, priority)
            event["@timestamp"], assumed = self._times[stamp]
            self._assumed[assumed] += 1
            if host is not None:
                event["host.name"] = host
            _set_process(event, name, process)
            event["message"] = text[found.end() :]
        program, message = event.get("process.name"), event.get("message")
        if isinstance(message, str):
            # Lines that were joined may be of several writers: only the first is taken for what the program says.
            said = message.partition("\n")[0]
            event.update(read_message(program if isinstance(program, str) else "", said))
        return event

    def _event_of_5424(self, text: str) -> Event:
        found = _5424.match(text)
        if found is None:
            if _LIKE_5424.match(text):
                raise _malformed(_PARTS, text)
            raise MalformedError(NO_RECORD, {"format": "syslog"})
        return _of_5424(found.groups(), self._times, self._assumed)


def detect(sample: bytes) -> int:
    """How much of a sample reads as syslog, 0..95.

    An ISO time alone begins the lines of many programs' own logs: such a line counts only if a host
    and a program's tag follow.
    """
    lines = sample.decode(errors="replace").split("\n")
    if len(lines) > 1:
        lines.pop()  # the last line may have been cut, and is empty where it was not
    lines = [line for line in (line.lstrip("\0\ufeff").rstrip() for line in lines[:LINES_SAMPLED]) if line]
    return round(95 * sum(map(_is_syslog, lines)) / len(lines)) if lines else 0


def _is_syslog(line: str) -> bool:
    found = _LINE.match(line)
    if found is None:
        return _5424.match(line) is not None
    priority, stamp, host, name, _ = found.groups()
    if priority is not None or not stamp[0].isdigit():
        return True
    return host is not None and host[0] != "[" and name is not None


SYSLOG: Final = Format(
    name="syslog",
    title="Syslog (RFC 3164, RFC 5424, rsyslog)",
    detect=detect,
    parser=joined(SyslogParser, indented),
    product="linux",
    table="linux",
)
