"""W3C logs: the columns are those that were named last, wherever reading begins."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.w3c import W3C, W3cParser, detect
from tests.logs.formats.asked import records

REFERENCE = datetime(2026, 3, 4, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
    "sc-status sc-substatus sc-win32-status time-taken"
)
HEADER = (
    "#Software: Microsoft Internet Information Services 10.0",
    "#Version: 1.0",
    "#Date: 2026-03-04 10:00:00",
    f"#Fields: {COLUMNS}",
)
ROW = r"2026-03-04 10:15:30 192.0.2.1 GET /ecp/x.aspx id=1 443 COUNTY\liisa 192.0.2.7 Mozilla/5.0+(X11) - 401 1 5 31"
WHEN = datetime(2026, 3, 4, 10, 15, 30, tzinfo=UTC)


def read(*lines: str, zone: str = "UTC") -> tuple[Parsed, dict[str, int]]:
    sample = "\n".join(lines).encode()
    parser = W3cParser(Context(reference=REFERENCE, zone=ZoneInfo(zone), sample=sample))
    parsed = parser.feed(Chunk([line.encode() for line in lines], [0] * len(lines)))
    assert parsed.records == len(lines)
    return parsed, dict(parser.notes)


def event(*lines: str, zone: str = "UTC") -> dict[str, object]:
    parsed, _ = read(*lines, zone=zone)
    assert not parsed.rejects
    (found,) = parsed.events
    assert found.pop("event.original") == lines[-1]
    if "@timestamp" in found:
        found["@timestamp"] = EPOCH + timedelta(microseconds=found["@timestamp"])
    return found


def test_a_request_to_iis_is_taken_apart() -> None:
    assert event(*HEADER, ROW) == {
        "@timestamp": WHEN,
        "event.dataset": "w3c.access",
        "event.category": "web",
        "event.outcome": "failure",
        "event.duration": 31_000_000,
        "destination.ip": "192.0.2.1",
        "destination.port": 443,
        "source.ip": "192.0.2.7",
        "user.name": r"COUNTY\liisa",
        "user_agent.original": "Mozilla/5.0 (X11)",
        "web.user_agent": ["Mozilla/5.0 (X11)", "Mozilla/5.0+(X11)"],
        "http.request.method": "GET",
        "http.response.status_code": 401,
        "url.original": "/ecp/x.aspx?id=1",
        "url.path": "/ecp/x.aspx",
        "url.extension": "aspx",
        "url.query": "id=1",
        "web.uri_query": ["id=1", "/ecp/x.aspx?id=1"],
        "w3c.sc-substatus": "1",
        "w3c.sc-win32-status": "5",
    }


def test_lines_that_name_columns_are_no_events() -> None:
    parsed, notes = read(*HEADER, ROW, *HEADER, ROW)
    assert (len(parsed.events), parsed.blank, notes) == (2, 2 * len(HEADER), {})


def test_a_proxy_s_line_gives_the_whole_url() -> None:
    found = event(
        "#Fields: date time c-ip cs-method cs-uri-scheme cs-host cs-uri-port cs-uri-path cs-uri-query cs(User-Agent)",
        '2026-03-04 10:15:30 192.0.2.7 GET http Example.net 8080 /x.exe ?q=1 "curl/8 (x)"',
    )
    assert found["url.full"] == "http://example.net:8080/x.exe?q=1"
    assert (found["url.path"], found["url.query"], found["user_agent.original"]) == ("/x.exe", "q=1", "curl/8 (x)")
    whole = event("#Fields: date time cs-uri", "2026-03-04 10:15:30 https://example.net/a.b?c=d")
    assert (whole["url.original"], whole["url.path"], whole["url.query"]) == (
        "https://example.net/a.b?c=d",
        "/a.b",
        "c=d",
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            (
                "#Time Format: Local",
                "#Fields: date time action protocol src-ip dst-ip src-port dst-port size",
                "2026-03-04 12:15:30 DROP TCP 192.0.2.7 192.0.2.1 50123 3389 -",
            ),
            {
                "event.dataset": "w3c.firewall",
                "event.action": "DROP",
                "network.transport": "TCP",
                "source.ip": "192.0.2.7",
                "source.port": 50123,
                "destination.ip": "192.0.2.1",
                "destination.port": 3389,
            },
        ),
        (
            (
                "#Fields: date-time,client-ip,recipient-address,message-subject",
                '2026-03-04T10:15:30Z,192.0.2.7,a@example.org,"hello, ""world"""',
            ),
            {
                "event.dataset": "w3c",
                "source.ip": "192.0.2.7",
                "w3c.recipient-address": "a@example.org",
                "w3c.message-subject": 'hello, "world"',
            },
        ),
        (
            (
                "#Fields: dateTime,cIp,sIp,user,command",
                "2026-03-04T10:15:30.000Z,192.0.2.7:50123,[2001:db8::1]:993,liisa,login",
            ),
            {
                "event.dataset": "w3c",
                "source.ip": "192.0.2.7",
                "source.port": 50123,
                "destination.ip": "2001:db8::1",
                "destination.port": 993,
                "user.name": "liisa",
                "w3c.command": "login",
            },
        ),
        (
            ("#Fields: date\ttime\tc-ip\tcs-username", "2026-03-04\t10:15:30\t192.0.2.7\tliisa virtanen"),
            {"event.dataset": "w3c", "source.ip": "192.0.2.7", "user.name": "liisa virtanen"},
        ),
        (("#Date: 2026-03-04 10:00:00", "#Fields: time c-ip", "10:15:30 192.0.2.7"), {"source.ip": "192.0.2.7"}),
        (("#Fields: date time x", "2026-03-04 10:15:30 a b c"), {"w3c.x": "a", "w3c.extra": ["b", "c"]}),
        (("#Fields: date time x y", "2026-03-04 10:15:30 a"), {"w3c.x": "a"}),
    ],
)
def test_other_programs_write_the_format_too(lines: tuple[str, ...], expected: dict[str, object]) -> None:
    found = event(*lines, zone="Europe/Helsinki")
    assert found.pop("@timestamp") == WHEN
    assert {"event.dataset": "w3c", **expected} == found


def test_a_local_time_is_counted_as_assumed() -> None:
    _, notes = read("#Time Format: Local", "#Fields: date time x", "2026-03-04 12:15:30 a")
    assert notes == {"F21": 1}


def test_what_cannot_be_read_is_rejected_by_name() -> None:
    parsed, _ = read(ROW, "#Fields: date time x", "2026-02-31 10:15:30 a")
    assert [one.reason for one in parsed.rejects] == ["F44", "F14"]


def test_reading_may_begin_anywhere_after_the_columns_were_named() -> None:
    lines = [*HEADER, ROW, "#Fields: date time x", "2026-03-04 10:15:30 a", "2026-03-04 10:15:31 b"]
    sample = "\n".join(lines).encode() + b"\n"
    for index, expected in ((len(HEADER), "source.ip"), (len(lines) - 1, "w3c.x")):
        parser = W3cParser(Context(reference=REFERENCE, zone=UTC, sample=sample))
        offset = sum(len(line) + 1 for line in lines[:index])
        (found,) = parser.feed(Chunk([lines[index].encode()], [offset])).events
        assert expected in found


@pytest.mark.parametrize(
    "sample", [b"", b"#", b"# a comment\n#Fields\n", b"2026-03-04 #Fields: a\n", b"x\n#Fields: a b\n"]
)
def test_what_names_no_columns_first_is_not_taken_for_it(sample: bytes) -> None:
    assert detect(sample) == 0


LOG = "\n".join((*HEADER, ROW, ROW.replace("192.0.2.7", "192.0.2.8").replace("id=1", "-"), "")).encode()


@pytest.mark.parametrize(
    ("logsource", "detection", "expected"),
    [
        ({"category": "webserver"}, ("cs-uri-query|contains: /ecp/", "c-ip: 192.0.2.8"), [6]),
        ({"category": "webserver"}, ("cs-uri-query: id=1", "sc-status: 401", "cs-username|contains: liisa"), [5]),
        ({"category": "webserver"}, ("cs-user-agent: Mozilla/5.0+(X11)", "c-ip: 192.0.2.8"), [6]),
        ({"service": "iis"}, ("c-useragent|contains: ' (X11)'", "sc-win32-status: 5", "c-ip: 192.0.2.7"), [5]),
        ({"category": "webserver"}, ("cs-uri-stem: /ecp/x.aspx", "s-port: 443", "c-ip|endswith: '.7'"), [5]),
    ],
)
def test_rules_find_what_they_look_for(
    tmp_path: Path, logsource: dict[str, str], detection: tuple[str, ...], expected: list[int]
) -> None:
    assert records(tmp_path, LOG, logsource, detection) == expected


@given(st.lists(st.text(st.sampled_from('#Fields: date,time-"\t2026-03-04 10:15:30'), max_size=30), max_size=6))
def test_whatever_follows_it_is_accounted_for(lines: list[str]) -> None:
    given_ = [line.replace("\n", " ") for line in ("#Fields: date time cs-uri c-ip", *lines)]
    parsed, _ = read(*given_)
    assert len(parsed.events) + len(parsed.rejects) + parsed.blank == len(given_)


def test_the_format_stands_under_its_name() -> None:
    assert (W3C.name, W3C.table, detect("\n".join(HEADER).encode())) == ("w3c", "web", 98)
