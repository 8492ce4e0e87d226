"""IBM QRadar's Log Event Extended Format: lines in, events with ECS names out.

Source: IBM, "QRadar Log Event Extended Format (LEEF)", versions 1.0 and 2.0: five parts after `LEEF:`, between bars, in
2.0 perhaps a sixth that names the sign between the pairs (itself, or `x09` or `0x09`), else a tab; then `key=value`
pairs. A record stands alone or behind a syslog header.

Every key is a field `leef.<key>`. Code: F44 a line that is no such record.
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
"""Pairs of one record that become fields."""

START: Final = re.compile(r"\bLEEF: ?[12](?:\.0)?\|", re.ASCII)
_HEADER = re.compile(r"LEEF: ?([12])(?:\.0)?\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|(.*)", re.DOTALL)
_SIGN = re.compile(r"(?:0?[xX]([0-9A-Fa-f]{2,4})|([^|\s=A-Za-z0-9]))\|", re.ASCII)
_NO_SIGN = re.compile(r"\s*\|")

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "src": "source",
        "srcPort": "source.port",
        "srcMAC": "source.mac",
        "srcPostNAT": "source.nat.ip",
        "srcPostNATPort": "source.nat.port",
        "srcBytes": "source.bytes",
        "srcPackets": "source.packets",
        "dst": "destination",
        "dstPort": "destination.port",
        "dstMAC": "destination.mac",
        "dstPostNAT": "destination.nat.ip",
        "dstPostNATPort": "destination.nat.port",
        "dstBytes": "destination.bytes",
        "dstPackets": "destination.packets",
        "usrName": "user.name",
        "accountName": "user.name",
        "domain": "user.domain",
        "proto": "network.transport",
        "cat": "event.category",
        "action": "event.action",
        "policy": "rule.name",
        "resource": "service.name",
        "url": "url.original",
        "identHostName": "host.name",
        "identSrc": "host.ip",
        "msg": "message",
        "reason": "event.reason",
        "userAgent": "user_agent.original",
        "method": "http.request.method",
    }
)


def read(text: str, clock: Clock) -> Event | None:
    """The event of one record; None where it is none."""
    found = _HEADER.fullmatch(text)
    if found is None:
        return None
    version, vendor, product, release, code, rest = found.groups()
    sign = "\t"
    if version == "2" and (said := _SIGN.match(rest)) is not None:
        sign = chr(int(said[1], 16)) if said[1] else said[2]
        rest = rest[said.end() :]
    elif version == "2" and (none := _NO_SIGN.match(rest)) is not None:
        rest = rest[none.end() :]
    own: dict[str, str] = {}
    for part in rest.split(sign, MOST_KEYS)[:MOST_KEYS]:
        key, equals, value = part.partition("=")
        if equals and (key := key.strip()):
            own.setdefault(key, value.strip())
    parts = {
        "observer.vendor": vendor,
        "observer.product": product,
        "observer.version": release,
        "event.code": code,
    }
    event: Event = {"leef.version": int(version)}
    event.update((column, value) for column, value in parts.items() if value)
    event.update((f"leef.{key[:128]}", value) for key, value in own.items())
    event.update(_columns(own))
    event.setdefault("message", text)
    if (at := _time(own.get("devTime", ""), clock)) is not None:
        event["@timestamp"] = at
    return event


def _columns(own: Mapping[str, str]) -> Fields:
    fields: Fields = {}
    for key, column in COLUMNS.items():
        if value := own.get(key, ""):
            fill(fields, column, value)
    severity = own.get("sev", "")
    if severity.isascii() and severity.isdecimal() and len(severity) < 4:
        fields["event.severity"] = int(severity)
    return fields


def _time(text: str, clock: Clock) -> int | None:
    if text.isascii() and text.isdecimal():
        at = moment(text, clock.times.zone)
        return None if at == NO_TIME else at
    return clock.read(text)


def parser(context: Context) -> CarriedParser:
    """A parser of one input."""
    return CarriedParser(context, START, read)


LEEF: Final = Format(
    name="leef",
    title="Log Event Extended Format 1.0 and 2.0, alone or behind a syslog header",
    detect=lambda sample: round(98 * share(sample, START)),
    parser=parser,
    table="cef",
)
