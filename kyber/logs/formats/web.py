r"""Logs of web servers: lines of access and error logs in, events with ECS names out.

Access logs: the common and combined formats of Apache and nginx, with the virtual host first (`vhost_combined`) or
not, and with more fields at the end, quoted or not. A request may be anything that somebody sends to a port: what is no
request (`"\x16\x03\x01"`) is an event like the others. Error logs are read by `web_error`. Both may stand in one file,
and between the lines of an error log, what other programs wrote to standard error: such a line is kept as text.

Notes: F21 the time zone was assumed (error logs carry none), F42 a line of neither log was kept as text.
Codes: F14 a time that does not exist, F44 what is not even text.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from kyber.logs.formats import Context, Format
from kyber.logs.formats.line import Event, LineParser, not_this
from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import peer
from kyber.logs.formats.times import ZONE, Times
from kyber.logs.formats.web_error import read_error
from kyber.logs.formats.web_request import set_host, set_number, set_request, set_status, unescaped

ZONE_ASSUMED: Final = "F21"
NOT_UNDERSTOOD: Final = "F42"
LINES_SAMPLED: Final = 200
REMEMBERED: Final = 16_384
LONGEST_REMEMBERED: Final = 256
"""Characters of a client or a request that is remembered from line to line."""
MOST_EXTRA: Final = 64
"""Fields after those of the combined format that are told apart."""

_CLF_TIME: Final = r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"
_QUOTED: Final = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_ACCESS = re.compile(
    r"(?!(?:<[0-9]{1,3}>)?(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:|[0-9]{4}-[0-9]{2}-[0-9]{2}T))"  # a syslog header
    # Who. A user's name may hold what looks like a time: the server wrote the last one before the request.
    r'(\S{1,512} \S{1,512} [^"\\]{0,512}(?:(?:\\.|"")[^"\\]{0,512}){0,512})'
    rf" \[({_CLF_TIME})\] {_QUOTED} ([0-9]{{3}}|-)(?: ([0-9]{{1,20}}|-)(?= |\Z))?"
    rf"(?: {_QUOTED} {_QUOTED}(?= |\Z))?(.*)",
    re.DOTALL,
)
_EXTRA = re.compile(rf"{_QUOTED}(?= |\Z)|\[([^\]]*)\](?= |\Z)|(\S+)")
_SECONDS = re.compile(r"[0-9]{1,9}\.[0-9]{3}")

_CLF = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9:]{8}) ([+-][0-9]{2})([0-9]{2})")
_APACHE = re.compile(r"([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9:]{8}(?:\.[0-9]{1,9})?) ([0-9]{4})")
_MONTHS: Final = {
    name: f"{number:02}"
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1
    )
}


class _Times(Times):
    """The times of web servers' logs, remembered by their texts."""

    def __missing__(self, stamp: str) -> tuple[int, int]:
        if (found := _CLF.fullmatch(stamp)) is not None:
            day, month, year, time, hours, minutes = found.groups()
            written = f"{year}-{_MONTHS.get(month, month)}-{day}T{time}{hours}:{minutes}"
        elif (found := _APACHE.fullmatch(stamp)) is not None:
            month, day, time, year = found.groups()
            written = f"{year}-{_MONTHS.get(month, month)}-{day:0>2}T{time}"
        else:
            written = stamp.replace("/", "-")
        moment = super().__missing__(written)
        self[stamp] = moment
        return moment


class WebParser(LineParser):
    """Reads the lines of one input."""

    def __init__(self, context: Context) -> None:
        super().__init__(self._event)
        self._times = _Times(context.reference, context.zone)
        self._assumed = self._strange = 0

    @property
    def notes(self) -> Mapping[str, int]:
        """How many events' time zone was assumed (F21), and how many lines were of neither log (F42)."""
        counts = {ZONE_ASSUMED: self._assumed, NOT_UNDERSTOOD: self._strange}
        return MappingProxyType({code: count for code, count in counts.items() if count})

    def _event(self, text: str) -> Event:
        found = _ACCESS.fullmatch(text)
        if found is not None:
            stamp, fields = found[2], _access(found)
        elif (error := read_error(text)) is not None:
            stamp, fields = error
        elif "\0" in text:
            raise not_this(text)
        else:
            self._strange += 1
            return {"message": text}
        fields["@timestamp"], assumed = self._times[stamp]
        self._assumed += assumed == ZONE
        return fields


def read_web(message: str) -> Fields | None:
    """What a web server says by syslog: a line of its access or error log, without its time; None for anything else."""
    found = _ACCESS.fullmatch(message)
    if found is not None:
        return _access(found)
    error = read_error(message)
    return None if error is None else error[1]


def _access(found: re.Match[str]) -> Fields:
    """The fields of a line of an access log, but for its time."""
    who, _, request, status, size, referrer, agent, rest = found.groups()
    fields: Fields = {"event.dataset": "web.access", "event.category": "web"}
    fields.update(_client(who) if len(who) <= LONGEST_REMEMBERED else _client.__wrapped__(who))
    fields.update(_request(request) if len(request) <= LONGEST_REMEMBERED else _request.__wrapped__(request))
    fields.update(_status(status))
    set_number(fields, "http.response.body.bytes", size or "")
    if referrer and referrer != "-":
        fields["http.request.referrer"] = unescaped(referrer)
    if agent is not None and agent != "-":
        fields["user_agent.original"] = unescaped(agent)
    if rest:
        _set_extra(fields, rest)
    return fields


@lru_cache(maxsize=REMEMBERED)
def _request(line: str) -> Fields:
    fields: Fields = {}
    set_request(fields, unescaped(line))
    return fields


@lru_cache(maxsize=REMEMBERED)
def _status(digits: str) -> Fields:
    fields: Fields = {}
    set_status(fields, digits)
    return fields


@lru_cache(maxsize=REMEMBERED)
def _client(who: str) -> Fields:
    """The virtual host if it is there, the client, its identity and its user: a name of a user may hold spaces."""
    fields: Fields = {}
    words = who.split(" ")
    if len(words) > 3 and _is_host(words[0], words[1]):
        set_host(fields, words.pop(0))
    forwarded = [words.pop(0)[:-1] for word in words[:-1] if word.endswith(",")]
    if forwarded:  # each proxy adds the address that it saw at the end; the first ones are hearsay
        fields["web.forwarded_for"] = [*forwarded, words[0]]
    client = peer(words[0])
    if client is not None:
        fields["source.ip"], port = client
        if port is not None:
            fields["source.port"] = port
    elif words[0] not in ("", "-"):
        fields["source.domain"] = unescaped(words[0])
    user = " ".join(words[2:])
    if user.endswith(" -"):  # more words before a user that is not there
        fields["web.extra"] = user[:-2].split(" ", MOST_EXTRA)
    elif user not in ("", "-", '""'):
        fields["user.name"] = unescaped(user)
    return fields


def _is_host(first: str, second: str) -> bool:
    """Whether a line begins with the virtual host, and not with the client."""
    if first.endswith(","):
        return False
    return peer(second.rstrip(",")) is not None or (":" in first and peer(first) is None)


def _set_extra(fields: Fields, rest: str) -> None:
    """What a server was told to write after the combined format: addresses it was forwarded for, its time, and more."""
    before = fields.get("web.extra")
    extra: list[object] = [*before] if isinstance(before, list) else []
    for found in _EXTRA.finditer(rest):
        quoted, bracketed, bare = found.groups()
        value = unescaped(quoted) if quoted is not None else bracketed if bracketed is not None else bare
        if len(extra) >= MOST_EXTRA:
            extra.append(rest[found.start() :])
            break
        if value in ("", "-"):
            continue
        if bare and _SECONDS.fullmatch(bare) and "event.duration" not in fields:
            fields["event.duration"] = int(bare.replace(".", "")) * 1_000_000
        elif quoted and "web.forwarded_for" not in fields and all(map(peer, value.split(", "))):
            fields["web.forwarded_for"] = [*value.split(", ")]
        else:
            extra.append(value)
    if extra:
        fields["web.extra"] = extra


def detect(sample: bytes) -> int:
    """How much of a sample reads as lines of web servers' logs, 0..96."""
    lines = sample.decode(errors="replace").split("\n")
    if len(lines) > 1:
        lines.pop()  # the last line may have been cut, and is empty where it was not
    lines = [line for line in (line.lstrip("\0\ufeff").rstrip() for line in lines[:LINES_SAMPLED]) if line]
    return round(96 * sum(map(_is_web, lines)) / len(lines)) if lines else 0


def _is_web(line: str) -> bool:
    return _ACCESS.fullmatch(line) is not None or read_error(line) is not None


WEB: Final = Format(
    name="web",
    title="Web servers: access logs (common, combined, with more fields) and error logs of nginx and Apache",
    detect=detect,
    parser=WebParser,
    table="web",
)
