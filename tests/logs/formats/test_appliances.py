"""CEF, LEEF and the key=value logs of firewalls: alone and behind a syslog header, with their escapes and times."""

from datetime import UTC, datetime
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.cef import extension
from kyber.logs.formats.keyvalue import pairs_of
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.formats.linux import read_message
from kyber.logs.schema import table

CONTEXT = Context(reference=datetime(2026, 3, 5, tzinfo=UTC), zone=UTC)
NOON = int(datetime(2026, 3, 4, 12, 13, 14, tzinfo=UTC).timestamp() * 1_000_000)

CEF = r"CEF:0|Acme|Fire\|wall|7.1|100|blocked \\ packet|8|"
LEEF = "LEEF:1.0|Acme|IDS|2.0|login|"
FORTIGATE = (
    'date=2026-03-04 time=12:13:14 devname="fw-1" devid="FGT60F" logid="0000000013" type="traffic" level="notice" '
    'srcip=192.0.2.7 srcport=5012 srcintf="lan" dstip=198.51.100.4 dstport=443 dstintf="wan1" proto=6 action="deny" '
    'policyid=7 service="HTTPS"'
)
LOGIN = (
    'date=2026-03-04 time=12:13:14 devname="fw-1" logid="0100032002" type="event" subtype="system" level="alert" '
    'logdesc="Admin login failed" user="matti" srcip=192.0.2.7 action="login" status="failed" reason="name_invalid" '
    'msg="Administrator matti login failed"'
)
SONICWALL = (
    'id=firewall sn=0017C5 time="2026-03-04 12:13:14" fw=203.0.113.1 pri=5 m=36 msg="TCP dropped" '
    'src=192.0.2.7:5012:X1 dst=198.51.100.4:443:X0:ws proto=tcp/https fw_action="drop"'
)
SOPHOS = (
    'device="SFW" date=2026-03-04 time=12:13:14 device_name="XG" log_type="Firewall" log_subtype="Denied" '
    'src_ip=192.0.2.7 src_port=5012 dst_ip=198.51.100.4 dst_port=443 protocol="TCP" user_name="matti"'
)
LINES = {
    "cef": f"{CEF}src=192.0.2.7 msg=a",
    "leef": f"{LEEF}src=192.0.2.7",
    "fortigate": FORTIGATE,
    "keyvalue": SONICWALL,
}
HEADERS = (
    "",
    "<189>",
    "<134>Mar  4 12:13:14 gw-1 ",
    "Mar  4 12:13:14 gw-1 ",
    "2026-03-04T12:13:14+00:00 gw-1 ",
    "<134>1 2026-03-04T12:13:14Z gw-1 app - - - ",
)


def fed(name: str, *lines: str) -> Parsed:
    parser = FORMATS[name].parser(CONTEXT)
    return parser.feed(Chunk([line.encode() for line in lines], list(range(len(lines)))))


def event(name: str, line: str) -> dict[str, Any]:
    (one,) = fed(name, line).events
    return one


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", LINES)
def test_a_record_is_read_behind_any_header(name: str, header: str) -> None:
    line = header + LINES[name]
    assert detect(line.encode()).name == name
    one = event(name, line)
    assert one["source.ip"] == "192.0.2.7"
    assert one.get("log.syslog.priority") == {"<189>": 189, "<134": 134}.get(header[:5], {"<134": 134}.get(header[:4]))
    if "gw-1" in header:
        assert one["host.name"] in {"gw-1", "fw-1"}
        assert one["@timestamp"] == NOON


def test_cef_reads_its_escapes_its_labels_and_ecs_names() -> None:
    one = event(
        "cef",
        CEF + r"rt=1772626394000 src=192.0.2.7 spt=5012 dst=198.51.100.4 dpt=443 suser=matti m act=blocked "
        r"outcome=Failed "
        r"request=https://x/?a\=b fname=a b.exe msg=two\nlines cs1Label=Rule Name cs1=deny all shost=ws dhost=srv "
        "deviceExternalId=fw-9",
    )
    expected = {
        "@timestamp": NOON,
        "observer.vendor": "Acme",
        "observer.product": "Fire|wall",
        "rule.name": r"blocked \ packet",
        "event.severity": 8,
        "source.ip": "192.0.2.7",
        "source.port": 5012,
        "destination.ip": "198.51.100.4",
        "destination.port": 443,
        "user.name": "matti m",
        "event.action": "blocked",
        "event.outcome": "failure",
        "url.original": "https://x/?a=b",
        "file.name": "a b.exe",
        "message": "two\nlines",
        "cef.cs1": "deny all",
        "cef.Rule_Name": "deny all",
        "source.domain": "ws",
        "destination.domain": "srv",
        "observer.name": "fw-9",
    }
    assert {key: one.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    "time", ["Mar 04 2026 12:13:14", "Mar 04 2026 12:13:14.000 UTC", "1772626394", "1772626394000"]
)
def test_cef_and_leef_write_times_in_many_ways(time: str) -> None:
    assert event("cef", f"{CEF}rt={time} src=192.0.2.7")["@timestamp"] == NOON
    assert event("leef", f"{LEEF}devTime={time}\tsrc=192.0.2.7")["@timestamp"] == NOON


@pytest.mark.parametrize(
    "line",
    [
        "LEEF:1.0|Acme|IDS|2.0|login|src=192.0.2.7\tusrName=matti\tdstPort=22",
        "LEEF:2.0|Acme|IDS|2.0|login|^|src=192.0.2.7^usrName=matti^dstPort=22",
        "LEEF:2.0|Acme|IDS|2.0|login|x7c|src=192.0.2.7|usrName=matti|dstPort=22",
        "LEEF:2.0|Acme|IDS|2.0|login|0x09|src=192.0.2.7\tusrName=matti\tdstPort=22",
        "LEEF:2.0|Acme|IDS|2.0|login||src=192.0.2.7\tusrName=matti\tdstPort=22",
    ],
)
def test_leef_says_what_stands_between_its_pairs(line: str) -> None:
    one = event("leef", line)
    assert (one["source.ip"], one["user.name"], one["destination.port"]) == ("192.0.2.7", "matti", 22)
    assert (one["observer.product"], one["event.code"]) == ("IDS", "login")


def test_fortigate_tells_a_packet_and_a_sign_in() -> None:
    packet, login = event("fortigate", FORTIGATE), event("fortigate", LOGIN)
    expected = {
        "@timestamp": NOON,
        "host.name": "fw-1",
        "source.ip": "192.0.2.7",
        "source.port": 5012,
        "destination.ip": "198.51.100.4",
        "destination.port": 443,
        "network.transport": "tcp",
        "event.outcome": "failure",
        "event.category": "network",
        "rule.id": "7",
        "observer.ingress.interface.name": "lan",
        "type": "traffic",
    }
    assert {key: packet.get(key) for key in expected} == expected
    assert (login["user.name"], login["event.category"], login["event.outcome"]) == (
        "matti",
        "authentication",
        "failure",
    )


def test_fortigates_event_time_is_the_most_exact() -> None:
    assert event("fortigate", FORTIGATE + " eventtime=1772619194123456789")["@timestamp"] == 1_772_619_194_123_456
    assert event("fortigate", FORTIGATE + ' tz="+0200"')["@timestamp"] == NOON - 7_200_000_000


@pytest.mark.parametrize("line", [SONICWALL, SOPHOS])
def test_other_firewalls_say_the_same_in_their_own_keys(line: str) -> None:
    one = event("keyvalue", line)
    assert (one["source.ip"], one["source.port"]) == ("192.0.2.7", 5012)
    assert (one["destination.ip"], one["destination.port"]) == ("198.51.100.4", 443)
    assert (one["event.outcome"], one["network.transport"]) == ("failure", "tcp")


def test_what_is_no_such_record_is_a_reject() -> None:
    for name in LINES:
        assert [one.reason for one in fed(name, "an ordinary sentence", "CEF:0|a", "LEEF:1.0|a|").rejects] == [
            "F44"
        ] * 3


def test_filterlog_tells_a_packet() -> None:
    start = "7,,,1000000102,vtnet0,match,block,in"
    four = f"{start},4,0x0,,64,1,0,DF,6,tcp,60,192.0.2.7,198.51.100.4,5012,22,0,S,1,,64240,,mss"
    six = "7,,,100,vtnet1,match,pass,out,6,0x00,0x0,64,udp,17,80,2001:db8::7,2001:db8::4,5012,53,60"
    blocked, passed = read_message("filterlog", four), read_message("filterlog", six)
    assert (blocked["event.action"], blocked["source.ip"], blocked["destination.port"]) == (
        "firewall_blocked",
        "192.0.2.7",
        22,
    )
    assert (passed["event.action"], passed["destination.ip"], passed["network.transport"]) == (
        "firewall_allowed",
        "2001:db8::4",
        "udp",
    )
    assert read_message("filterlog", "7,,,match") == {}


def test_packets_are_events_of_a_firewall_for_rules() -> None:
    for name, column in (("linux", "event.action"), ("firewall", "event.category")):
        ((condition,),) = [table(name).categories["firewall"][0]]
        assert condition[0] == column


@given(
    name=st.sampled_from(sorted(LINES)),
    line=st.sampled_from([*LINES.values(), LOGIN, SOPHOS]),
    header=st.sampled_from(HEADERS),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 8), st.text(max_size=4)), max_size=3),
)
def test_whatever_it_is_fed_each_line_is_accounted_for(
    name: str, line: str, header: str, changes: list[tuple[int, int, str]]
) -> None:
    line = header + line
    for at, length, put in changes:
        line = line[:at] + put + line[at + length :]
    assert fed(name, line).records == 1


@pytest.mark.parametrize("piece", ["a", "a=", "a=b ", " a=", '"', 'a="', "\\", "|", "\\|", "=", "^"])
def test_no_line_takes_long(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = process_time()
    extension(text)
    pairs_of(text)
    for name, start in (
        ("cef", CEF),
        ("leef", LEEF),
        ("fortigate", FORTIGATE),
        ("cef", "CEF:0|"),
        ("leef", "LEEF:2.0|"),
    ):
        assert fed(name, start + text).records == 1
    assert process_time() - started < 2
