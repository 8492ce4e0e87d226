"""`key=value` logs of firewalls: lines in, events with ECS names out.

FortiGate writes `date=2026-03-04 time=12:13:14 devname="fw" type="traffic" …`, alone or behind a syslog priority or
header; Sophos, SonicWall, WatchGuard and others write likewise with keys of their own. Every key is a field of its own
name. Sources: Fortinet, "FortiOS Log Message Reference"; ECS. Code: F44 a line that has no such pairs.

FortiGate is told from the others by its `devid` or `logid`, and is a format of its own because rules name it.
"""

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from kyber.logs.formats import Context, Format
from kyber.logs.formats.carried import CarriedParser, share
from kyber.logs.formats.headers import Clock
from kyber.logs.formats.line import Event
from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import NAMES, TRANSPORTS, fill, named
from kyber.logs.values import NO_TIME, moment

MOST_PAIRS: Final = 512
"""Pairs of one line that become fields."""

_PAIR = re.compile(
    r'(?:\A|(?<=[ ,;|\t]))([A-Za-z_][A-Za-z0-9_.-]{0,63})=("(?:[^"\\]|\\.)*+"|[^\s",;|]*+)', re.DOTALL | re.ASCII
)
START: Final = re.compile(
    r'(?:\A|(?<=[\s>:]))(?:date=[0-9]|logver=|id=[A-Za-z]|device_name="|device=\"|time=\"[0-9]|itime=[0-9]|timestamp=)',
    re.ASCII,
)
"""How the pairs of a line begin."""
FORTIGATE_START: Final = re.compile(
    r"(?:\A|(?<=[\s>:]))(?:date=[0-9]{4}-[0-9]{2}-[0-9]{2} time=[0-9]|logver=[0-9])", re.ASCII
)
_DEVICE = re.compile(rb'\b(?:devid|logid|devname)="?[A-Za-z0-9_-]')
_SOURCE_LIKE = re.compile(rb"(?:src|src_ip|srcip|source_ip|dst|dst_ip|dstip)=", re.IGNORECASE)

_FORTIGATE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{
            key: column
            for key, column in NAMES.items()
            if key not in {"service", "status", "hostname", "group", "host"}
        },
        "hostname": "url.domain",
        "service": "network.protocol",
        "transip": "source.nat.ip",
        "transport": "source.nat.port",
        "remip": "source",
        "locip": "destination",
        "remport": "source.port",
        "locport": "destination.port",
        "group": "group.name",
        "logdesc": "rule.description",
        "attack": "rule.name",
        "attackid": "rule.id",
        "filename": "file.name",
        "sessionid": "network.session_id",
        "app": "network.application",
        "virus": "threat.indicator.name",
        "country": "source.geo.country_name",
    }
)
_BLOCKED: Final = frozenset(
    (
        "deny",
        "denied",
        "block",
        "blocked",
        "drop",
        "dropped",
        "reject",
        "rejected",
        "reset",
        "blacklisted",
        "server-rst",
        "client-rst",
    )
)
_ALLOWED: Final = frozenset(
    (
        "accept",
        "accepted",
        "allow",
        "allowed",
        "pass",
        "passed",
        "passthrough",
        "permit",
        "permitted",
        "close",
        "start",
        "ip-conn",
    )
)


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The pairs of a line, in order; what stands between them is passed over."""
    found = []
    for one in _PAIR.finditer(text):
        value = one[2]
        if value.startswith('"'):
            value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        found.append((one[1], value))
        if len(found) >= MOST_PAIRS:
            break
    return found


def _time(own: Mapping[str, str], clock: Clock) -> int | None:
    """FortiGate's `eventtime` is the most exact; then `date`, `time` and `tz`; then one key alone."""
    for key in ("eventtime", "itime"):
        if own.get(key, "").isdecimal() and (exact := moment(own[key], clock.times.zone)) != NO_TIME:
            return exact
    if "date" in own and "time" in own:
        return clock.read(f"{own['date']} {own['time']}{own.get('tz', '')}")
    for key in ("timestamp", "time", "log_time", "date_time", "datetime"):
        if (at := clock.read(own.get(key, ""))) is not None:
            return at
    return None


def read(text: str, clock: Clock, names: Mapping[str, str] = NAMES) -> Event | None:
    """The event of one line's pairs; None where it has fewer than three."""
    pairs = pairs_of(text)
    if len(pairs) < 3:
        return None
    event: Event = {}
    for key, value in pairs:
        event.setdefault(key, value)
    own = {key.lower(): value for key, value in reversed(pairs)}
    event.update(_columns(own, pairs, names))
    event.setdefault("message", text)
    if (at := _time(own, clock)) is not None:
        event["@timestamp"] = at
    return event


def _columns(own: Mapping[str, str], pairs: list[tuple[str, str]], names: Mapping[str, str]) -> Fields:
    fields = named(((key, value) for key, value in pairs if key.lower() not in {"src", "dst"}), names)
    for key, side in (("src", "source"), ("dst", "destination")):
        # SonicWall: address, port, interface and name, between colons
        parts = own.get(key, "").split(":")
        if len(parts) in (2, 3, 4) and parts[0].count(".") == 3:
            fill(fields, side, f"{parts[0]}:{parts[1]}" if parts[1].isdecimal() else parts[0])
        else:
            fill(fields, side, own.get(key, ""))
    proto = fields.get("network.transport")
    if isinstance(proto, str):
        fields["network.transport"] = TRANSPORTS.get(proto, proto.partition("/")[0])
    verdict = own.get(
        "action", own.get("log_subtype", own.get("fw_action", own.get("disp", own.get("status", ""))))
    ).lower()
    if "event.action" not in fields and verdict:
        fields["event.action"] = verdict
    signing_in = "login" in verdict or "login" in own.get("logdesc", "").lower() or verdict.startswith("auth")
    status = own.get("status", own.get("result", "")).lower()
    if signing_in:
        fields["event.category"] = "authentication"
        if status in {"success", "failed", "failure"}:
            fields["event.outcome"] = "success" if status == "success" else "failure"
    elif "source.ip" in fields and "destination.ip" in fields:
        fields["event.category"] = "network"
        if verdict in _BLOCKED | _ALLOWED:
            fields["event.outcome"] = "failure" if verdict in _BLOCKED else "success"
    return fields


def parser(context: Context) -> CarriedParser:
    """A parser of one input of any such firewall."""
    return CarriedParser(context, START, read)


def fortigate_parser(context: Context) -> CarriedParser:
    """A parser of one input of FortiGate."""
    return CarriedParser(context, FORTIGATE_START, partial(read, names=_FORTIGATE))


def detect_fortigate(sample: bytes) -> int:
    """How much of a sample begins as FortiGate's lines do, 0..97."""
    return round(97 * share(sample, FORTIGATE_START)) if _DEVICE.search(sample) else 0


def detect_keyvalue(sample: bytes) -> int:
    """How much of a sample begins with pairs, of which one is an address, 0..96."""
    return round(96 * share(sample, START)) if _SOURCE_LIKE.search(sample) else 0


FORTIGATE: Final = Format(
    name="fortigate",
    title="FortiGate's key=value, alone or behind a syslog header",
    detect=detect_fortigate,
    parser=fortigate_parser,
    product="fortigate",
    table="firewall",
)
KEYVALUE: Final = Format(
    name="keyvalue",
    title="Other firewalls' key=value, alone or behind a syslog header",
    detect=detect_keyvalue,
    parser=parser,
    table="firewall",
)
