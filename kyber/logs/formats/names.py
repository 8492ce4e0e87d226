"""What logs of `key=value` call things: their own keys and values in, fields with ECS names out.

The keys are those that programs and appliances commonly write; a key that is not known here gives no field. An address
is taken with its port where both stand in one value (`192.0.2.7:4711`, `[2001:db8::1]:4711`, `192.0.2.7#4711`).
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType
from typing import Final

from kyber.logs.formats.linux_pattern import Fields

LONGEST_ADDRESS: Final = 128
"""Characters of a value that is taken apart as an address."""
NOBODY: Final = frozenset(("", "-", "--", "null", "(null)", "none", "nil", "n/a", "unknown", "<unknown>", "undefined"))
"""What stands where there is no value."""

SOURCE, DESTINATION = "source", "destination"
SIDES: Final = frozenset((SOURCE, DESTINATION))
NUMBERS: Final = frozenset(
    {
        "source.port",
        "destination.port",
        "process.pid",
        "source.bytes",
        "destination.bytes",
        "source.packets",
        "destination.packets",
        "source.nat.port",
        "destination.nat.port",
        "http.response.status_code",
        "http.response.body.bytes",
        "event.severity",
        "event.duration",
        "network.bytes",
    }
)
PEOPLE: Final = frozenset({"user.name", "user.target.name", "user.effective.name"})
METHODS: Final = frozenset(
    (
        "GET",
        "POST",
        "PUT",
        "HEAD",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "CONNECT",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "MOVE",
        "COPY",
        "LOCK",
        "UNLOCK",
        "REPORT",
        "SEARCH",
    )
)
TRANSPORTS: Final[Mapping[str, str]] = MappingProxyType(
    {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "51": "ah", "58": "ipv6-icmp", "132": "sctp"}
)
"""IANA's protocol numbers, as ECS names them."""


def _table(given: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({key: column for column, keys in given.items() for key in keys.split()})


NAMES: Final[Mapping[str, str]] = _table(
    {
        SOURCE: (
            "src src_ip srcip src-ip sip source_ip sourceip source-ip source_address sourceaddress src_addr saddr "
            "client_ip clientip client-ip client_addr clientaddr clientaddress client cip c-ip remote_ip remoteip "
            "remote-ip remote_addr remoteaddr remoteaddress remote_address remote rhost rip ip ipaddress ip_address "
            "ip-address ipaddr addr oip peer peer_ip visitor_ip real_ip realip x_real_ip x-real-ip from_ip fromip "
            "request.remote_ip request.client_ip req.remoteaddress attr.remote addr.remote"
        ),
        DESTINATION: (
            "dst dst_ip dstip dst-ip dip destination_ip destinationip destination_address destinationaddress dst_addr "
            "daddr server_ip serverip lip local_ip localip localaddress target_ip"
        ),
        "source.port": "src_port srcport src-port spt sport source_port sourceport client_port clientport remote_port",
        "destination.port": "dst_port dstport dst-port dpt dport destination_port destinationport server_port",
        "source.mac": "srcmac src_mac",
        "destination.mac": "dstmac dst_mac",
        "source.domain": "srcname src_host shost",
        "destination.domain": "dsthost dst_host dhost dstname",
        "user.name": (
            "user username user_name user-name usr uname login accountid account account_name suser srcuser src_user "
            "identifier principal principalname attr.principalname sasl_username unauthuser xauthuser "
            "request.user userprincipalname"
        ),
        "user.target.name": "duser dstuser dst_user target_user targetuser",
        "user.email": "email",
        "user.id": "userid user_id uid",
        "http.request.method": "method http_method request_method httpmethod requestmethod verb req.method",
        "url.original": "url uri path request_uri request_path http_path request requesturl req.url request.uri",
        "http.response.status_code": (
            "status_code statuscode http_status httpstatus http_status_code response_status "
            "responsestatus res.statuscode"
        ),
        "http.response.body.bytes": "response_body_size body_bytes_sent",
        "http.request.referrer": "referer referrer http_referer request_referer",
        "user_agent.original": "user_agent useragent user-agent http_user_agent request_user_agent agent ua",
        "log.level": "level lvl levelname log_level loglevel severity_text",
        "log.logger": "logger logger_name loggername component subsystem",
        "host.name": "host hostname devname dvchost device_name devicename",
        "message": "msg message",
        "event.reason": "reason error err fail_reason failure_reason",
        "event.action": "action act",
        "event.code": "logid eventid event_id",
        "network.transport": "proto protocol transport",
        "process.pid": "pid",
        "process.name": "process program proc",
        "observer.ingress.interface.name": "srcintf in_interface inbound_interface src_int in_int",
        "observer.egress.interface.name": "dstintf out_interface outbound_interface dst_int out_int",
        "rule.id": "policyid policy_id ruleid rule_id fw_rule_id",
        "rule.name": "policyname policy_name rule rulename rule_name fw_rule_name",
        "source.bytes": "sentbyte sent_bytes sent bytes_sent",
        "destination.bytes": "rcvdbyte recv_bytes rcvd bytes_received",
        "dns.question.name": "qname query_name",
    }
)
"""A key in lower case -> the field it fills; `source` and `destination` are an address, perhaps with its port."""

TIMES: Final = ("@timestamp", "time", "timestamp", "ts", "datetime", "t", "eventtime", "date_time")
"""Keys of the time of an event, the first that is there."""

_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]{2,64})\](?:[:#]([0-9]{1,5}))?", re.ASCII)
_FOUR = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})[:#]([0-9]{1,5})", re.ASCII)
_HASH = re.compile(r"([0-9A-Fa-f:.]{2,64})#([0-9]{1,5})", re.ASCII)
_PORT_BRACKETED = re.compile(r"([0-9A-Fa-f:.]{2,64})\[([0-9]{1,5})\]", re.ASCII)
_SLASHED = re.compile(r"IPV[46]/[A-Z]{2,4}/([0-9A-Fa-f:.]{2,64})/([0-9]{1,5})", re.ASCII)
_FAMILY = re.compile(r"\[?(?:ipv[46]|AF_INET6?)[\]:]", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER: Final = 18


@lru_cache(maxsize=65_536)
def peer(text: str) -> tuple[str, int | None] | None:
    """An address in its shortest form (an IPv4 one that is mapped into IPv6 as IPv4), and its port where there is one.

    None for what is no address.
    """
    text = text.strip().strip("\"'`<>()")
    if not 2 <= len(text) <= LONGEST_ADDRESS:
        return None
    for form in (_BRACKETED, _FOUR, _HASH, _PORT_BRACKETED, _SLASHED):
        if found := form.fullmatch(text):
            address, port = found.groups()
            break
    else:
        address, port = text, None
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        if family := _FAMILY.match(text):
            return peer(text[family.end() :])
        return peer(text[1:-1]) if text[0] == "[" and text[-1] == "]" else None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    number = int(port) if port else 0
    return str(mapped or ip), number if 0 < number < 65_536 else None


def fill(fields: Fields, column: str, value: str) -> None:
    """Give a field its value, as its kind asks for; nothing where it has one, or the value is none for it."""
    if column in SIDES:
        found = peer(value)
        if found is not None and f"{column}.ip" not in fields:
            fields[f"{column}.ip"] = found[0]
            if found[1] is not None:
                fields.setdefault(f"{column}.port", found[1])
        return
    value = value.strip()
    if column in fields or value.lower() in NOBODY:
        return
    if column in NUMBERS:
        if not (value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER):
            return
        number = int(value)
        if column == "http.response.status_code" and not 100 <= number <= 599:
            return
        if column.endswith(".port") and not 0 < number < 65_536:
            return
        fields[column] = number
    elif column == "http.request.method":
        if value.upper() in METHODS:
            fields[column] = value.upper()
    elif column == "network.transport":
        fields[column] = TRANSPORTS.get(value, value.lower())
    else:
        fields[column] = value


def named(pairs: Iterable[tuple[str, str]], names: Mapping[str, str] = NAMES) -> Fields:
    """The fields that keys and values give. The first of several that fill the same field wins."""
    fields: Fields = {}
    for key, value in pairs:
        column = names.get(key.lower())
        if column is not None and value:
            fill(fields, column, value)
    return fields
