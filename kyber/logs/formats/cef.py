"""ArcSight's Common Event Format, as security appliances send it: lines in, events with ECS names out.

Source: Micro Focus, "ArcSight Common Event Format (CEF) Implementation Standard", version 26: seven parts between bars,
then an extension of `key=value` where a value goes on until the next ` key=`. In the seven parts `\\\\` and `\\|` are
escapes, in values `\\\\`, `\\=`, `\\n` and `\\r`. A record stands alone or behind a syslog header.

Every key of the extension is a field `cef.<key>`; a custom one (`cs1`, `cn2`, `deviceCustomDate1` …) is also one
under its label (`cef.<label>`). Code: F44 a line that is no such record.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kyber.logs.formats import Context, Format
from kyber.logs.formats.carried import CarriedParser, share
from kyber.logs.formats.headers import Clock
from kyber.logs.formats.line import Event
from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import fill
from kyber.logs.values import NO_TIME, moment

MOST_KEYS: Final = 512
"""Keys of one extension that become fields."""

START: Final = re.compile(r"\bCEF: ?[01]\|", re.ASCII)
_HEADER = re.compile(r"CEF: ?([01])\|" + r"((?:[^|\\]|\\.)*+)\|" * 6 + r"(.*)", re.DOTALL)
_KEY = re.compile(r"(?:\A|(?<= ))([A-Za-z0-9_.\[\]-]{1,128})=")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final[Mapping[str, str]] = MappingProxyType({"n": "\n", "r": "\r"})
_LABEL = "Label"
_UNNAMED = re.compile(r"[^A-Za-z0-9_]+")

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "src": ("source",),
        "sourceTranslatedAddress": ("source.nat.ip",),
        "sourceTranslatedPort": ("source.nat.port",),
        "spt": ("source.port",),
        "smac": ("source.mac",),
        "shost": ("source.domain",),
        "suser": ("user.name",),
        "suid": ("user.id",),
        "sntdom": ("user.domain",),
        "sproc": ("process.name",),
        "spid": ("process.pid",),
        "dst": ("destination",),
        "destinationTranslatedAddress": ("destination.nat.ip",),
        "destinationTranslatedPort": ("destination.nat.port",),
        "dpt": ("destination.port",),
        "dmac": ("destination.mac",),
        "dhost": ("destination.domain",),
        "duser": ("user.target.name",),
        "duid": ("user.target.id",),
        "dntdom": ("user.target.domain",),
        "dproc": ("process.name",),
        "dpid": ("process.pid",),
        "act": ("event.action",),
        "outcome": ("event.outcome",),
        "reason": ("event.reason",),
        "externalId": ("event.id",),
        "cat": ("event.category",),
        "msg": ("message",),
        "request": ("url.original",),
        "requestMethod": ("http.request.method",),
        "requestContext": ("http.request.referrer",),
        "requestClientApplication": ("user_agent.original",),
        "fname": ("file.name",),
        "filePath": ("file.path",),
        "fileHash": ("file.hash",),
        "fsize": ("file.size",),
        "proto": ("network.transport",),
        "app": ("network.protocol",),
        "in": ("source.bytes",),
        "out": ("destination.bytes",),
        "deviceInboundInterface": ("observer.ingress.interface.name",),
        "deviceOutboundInterface": ("observer.egress.interface.name",),
        "deviceExternalId": ("observer.name",),
        "dvchost": ("host.name", "observer.hostname"),
        "dvc": ("observer.ip",),
        "deviceProcessName": ("process.name",),
        "sourceServiceName": ("service.name",),
    }
)
"""A key of the extension -> the fields that it fills, besides its own."""
_OUTCOMES: Final = MappingProxyType(
    {
        "success": "success",
        "succeeded": "success",
        "successful": "success",
        "passed": "success",
        "failure": "failure",
        "failed": "failure",
        "fail": "failure",
    }
)
_TIMES: Final = ("rt", "end", "start", "deviceCustomDate1")
_PARTS: Final = ("observer.vendor", "observer.product", "observer.version", "event.code", "rule.name", "event.severity")


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[1]), text) if "\\" in text else text


def extension(text: str) -> list[tuple[str, str]]:
    """The keys and values of an extension, in order. Text before the first key belongs to none."""
    keys = list(_KEY.finditer(text))[:MOST_KEYS]
    ends = [*(one.start() for one in keys[1:]), len(text)] if keys else []
    return [(one[1], _unescaped(text[one.end() : end].rstrip(" "))) for one, end in zip(keys, ends, strict=True)]


def read(text: str, clock: Clock) -> Event | None:
    """The event of one record; None where it is none."""
    found = _HEADER.fullmatch(text)
    if found is None:
        return None
    event: Event = {"cef.version": int(found[1])}
    for column, part in zip(_PARTS, found.groups()[1:7], strict=True):
        if value := _unescaped(part).strip():
            event[column] = (
                int(value) if column == "event.severity" and value.isascii() and value.isdecimal() else value
            )
    pairs = extension(found[8])
    for key, value in pairs:
        event.setdefault(f"cef.{key}", value)
    own = dict(reversed(pairs))
    for key, value in own.items():
        if key.endswith(_LABEL) and (labelled := own.get(key.removesuffix(_LABEL))) is not None:
            event.setdefault(f"cef.{_UNNAMED.sub('_', value).strip('_')}", labelled)
    event.update(_columns(own))
    event.setdefault("message", event.get("rule.name", text))
    for key in _TIMES:
        if key in own and (at := _time(own[key], clock)) is not None:
            event["@timestamp"] = at
            break
    return event


def _columns(own: Mapping[str, str]) -> Fields:
    fields: Fields = {}
    for key, columns in COLUMNS.items():
        if value := own.get(key, ""):
            for column in columns:
                fill(fields, column, value)
    outcome = fields.get("event.outcome")
    if isinstance(outcome, str):
        fields["event.outcome"] = _OUTCOMES.get(outcome.strip("/").lower(), outcome)
    for column in ("source", "destination"):
        key = "c6a2" if column == "source" else "c6a3"  # where IPv6 addresses stand
        fill(fields, column, own.get(key, ""))
    if "user.name" not in fields and "user.target.name" in fields:
        # Of a sign-in, many appliances name the user only as the one that was signed in to.
        fields["user.name"] = fields["user.target.name"]
    return fields


def _time(text: str, clock: Clock) -> int | None:
    if text.isascii() and text.isdecimal():
        at = moment(text, clock.times.zone)
        return None if at == NO_TIME else at
    return clock.read(text)


def parser(context: Context) -> CarriedParser:
    """A parser of one input."""
    return CarriedParser(context, START, read)


CEF: Final = Format(
    name="cef",
    title="Common Event Format, alone or behind a syslog header",
    detect=lambda sample: round(98 * share(sample, START)),
    parser=parser,
    table="cef",
)
