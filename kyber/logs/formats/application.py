"""The logs that services write for themselves -> events: a line with a header, of `key=value` pairs (logfmt), or JSON.

In one log these may stand side by side. Sources: logfmt as Go's programs and Heroku write it (`level=info msg="a b"`);
for headers and messages see `headers` and `services`. A line with neither is kept as a message, and counted as not
understood (F42).

Codes: F14 a time that does not exist. Notes: F20 the year was assumed, F21 the time zone was, F42 a line that is none
of these.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from kyber.logs.formats import Context, Format
from kyber.logs.formats.headers import Clock, read_header
from kyber.logs.formats.line import Event, LineParser
from kyber.logs.formats.multiline import joined, of_trace
from kyber.logs.formats.names import TIMES, named
from kyber.logs.formats.services import of_json, read_service

LINES_SAMPLED: Final = 200
MOST_PAIRS: Final = 256
"""Pairs of one line that become fields."""

_PAIR = re.compile(
    r' *+([A-Za-z_@][A-Za-z0-9_.@/-]{0,127})=("(?:[^"\\]|\\.)*+"|[^\s"]*+)(?: ++|\Z)', re.DOTALL | re.ASCII
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final[Mapping[str, str]] = {"n": "\n", "t": "\t", "r": "\r"}
_TELLING: Final = frozenset(("level", "lvl", "msg", "message", "time", "ts", "timestamp", "t", "severity"))
"""Keys of which a line of logfmt has one at least."""


def pairs_of(text: str) -> list[tuple[str, str]] | None:
    """The pairs that a whole line is; None where it is not such a line."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        one = _PAIR.match(text, at)
        if one is None or len(found) >= MOST_PAIRS:
            return None
        value = one[2]
        if value.startswith('"'):
            value = _ESCAPED.sub(lambda one: _ESCAPES.get(one[1], one[1]), value[1:-1])
        found.append((one[1], value))
        at = one.end()
    return found if len(found) >= 2 else None


def _is_logfmt(pairs: list[tuple[str, str]] | None) -> bool:
    return pairs is not None and any(key.lower() in _TELLING for key, _ in pairs)


class ApplicationParser(LineParser):
    """Reads the lines of one input."""

    def __init__(self, context: Context) -> None:
        super().__init__(self._event)
        self._clock = Clock(context)
        self._not_understood = 0

    @property
    def notes(self) -> Mapping[str, int]:
        """What was assumed of times (F20, F21), and lines that were not understood (F42)."""
        return {**self._clock.notes, **({"F42": self._not_understood} if self._not_understood else {})}

    def _event(self, text: str) -> Event:
        event = self._of_json(text) or self._of_pairs(text) or self._of_header(text)
        if event is None:
            self._not_understood += 1
            return {"message": text}
        return event

    def _of_json(self, text: str) -> Event | None:
        if not text.lstrip().startswith("{"):
            return None
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(told, dict):
            return None
        event: dict[str, Any] = dict(told)
        fields = of_json(told)
        _add(event, fields, self._time((key, value) for key, value in told.items()), _message(told))
        return event

    def _of_pairs(self, text: str) -> Event | None:
        if "=" not in text:
            return None
        pairs = pairs_of(text)
        if pairs is None:
            return None
        event: Event = {}
        for key, value in pairs:
            event.setdefault(key, value)
        _add(event, named(pairs), self._time(pairs), _message(event))
        return event

    def _of_header(self, text: str) -> Event | None:
        header = read_header(text)
        if header is None:
            return None
        moment = self._clock.at(header.time)
        message = text.lstrip()[header.end :]
        event: Event = {"message": message}
        _add(event, header.fields, moment, message)
        return event

    def _time(self, pairs: Any) -> int | None:
        known = {key.lower(): value for key, value in pairs if isinstance(value, str)}
        return next((at for key in TIMES if key in known and (at := self._clock.read(known[key])) is not None), None)


def _message(event: Mapping[str, Any]) -> str:
    said = event.get("message", event.get("msg"))
    return said if isinstance(said, str) else ""


def _add(event: Event, fields: Mapping[str, object], moment: int | None, message: str) -> None:
    """Give an event the fields of its header or keys, then those of its message, then its time."""
    for column, value in fields.items():
        event.setdefault(column, value)
    for column, value in (read_service(message) or {}).items() if message else ():
        event.setdefault(column, value)
    if moment is not None:
        event["@timestamp"] = moment


# --- detection -------------------------------------------------------------------------------------------------------


def _lines(sample: bytes) -> Iterator[str]:
    lines = sample.decode(errors="replace").split("\n")
    if len(lines) > 1:
        lines.pop()  # the last line may have been cut, and is empty where it was not
    for line in lines[:LINES_SAMPLED]:
        if line := line.lstrip("\0\ufeff").strip():
            yield line


def _kind(line: str) -> str:
    if line.startswith("{"):
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            return ""
        if not isinstance(event, dict):
            return ""
        said = _message(event)
        return "spoken" if said and (read_service(said) or {}).get("event.category") == "authentication" else "json"
    if "=" in line and _is_logfmt(pairs_of(line)):
        return "logfmt"
    return "header" if read_header(line) is not None else ""


def _kinds(sample: bytes) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for line in _lines(sample):
        kind = _kind(line)
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def detect_logfmt(sample: bytes) -> int:
    """How much of a sample is logfmt, 0..63."""
    kinds = _kinds(sample) if b"=" in sample else {}
    share = kinds.get("logfmt", 0) / max(1, sum(kinds.values()))
    return round(63 * share) if share > 0.5 else 0


def detect_application(sample: bytes) -> int:
    """How much of a sample this format reads, 0..62: 58 at most where lines only begin with a time.

    JSON alone is another format's, unless its messages tell who signs in, or other lines stand between.
    """
    kinds = _kinds(sample)
    total = max(1, sum(kinds.values()))
    json, spoken = kinds.get("json", 0), kinds.get("spoken", 0)
    if json or spoken:
        others = kinds.get("logfmt", 0) + kinds.get("header", 0)
        return 62 if spoken or others * 10 >= total else 0
    share = (kinds.get("header", 0) + kinds.get("logfmt", 0)) / total
    return round(58 * share) if share >= 0.3 else 0


APPLICATION: Final = Format(
    name="application",
    title="A service's own log: time, level, logger and message, or JSON whose messages tell who signs in",
    detect=detect_application,
    parser=joined(ApplicationParser, of_trace),
    table="services",
)
LOGFMT: Final = Format(
    name="logfmt",
    title="key=value pairs with quotes (logfmt)",
    detect=detect_logfmt,
    parser=joined(ApplicationParser, of_trace),
    table="services",
)
