"""Services' own logs: headers of every form, logfmt, and JSON between them; what is not read is said."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.application import ApplicationParser, detect_application, detect_logfmt, pairs_of
from kyber.logs.formats.headers import read_header
from kyber.logs.formats.known import detect

HELSINKI = ZoneInfo("Europe/Helsinki")
CONTEXT = Context(reference=datetime(2026, 3, 5, tzinfo=UTC), zone=HELSINKI)


def parsed(*lines: str) -> tuple[Parsed, Mapping[str, int]]:
    parser = ApplicationParser(CONTEXT)
    chunk = [line.encode() for line in lines]
    return parser.feed(Chunk(chunk, list(range(len(chunk))))), parser.notes


def event(line: str) -> dict[str, Any]:
    (one,) = parsed(line)[0].events
    return one


def at(written: str) -> int:
    return int(datetime.fromisoformat(written).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("start", "moment"),
    [
        ("2026-03-04 12:13:14,123", "2026-03-04T12:13:14.123+02:00"),
        ("2026-03-04T12:13:14.123Z", "2026-03-04T12:13:14.123+00:00"),
        ("2026-03-04 12:13:14.123 +01:00", "2026-03-04T12:13:14.123+01:00"),
        ("2026-03-04 12:13:14 UTC", "2026-03-04T12:13:14+00:00"),
        ("2026-07-04 12:13:14 EEST", "2026-07-04T12:13:14+03:00"),
        ("[2026-03-04 12:13:14]", "2026-03-04T12:13:14+02:00"),
        ("2026/03/04 - 12:13:14", "2026-03-04T12:13:14+02:00"),
        ("2026/03/04 12:13:14.000001", "2026-03-04T12:13:14.000001+02:00"),
        ("04-Mar-2026 12:13:14.123", "2026-03-04T12:13:14.123+02:00"),
        ("[04/Mar/2026:12:13:14 +0000]", "2026-03-04T12:13:14+00:00"),
        ("4.3.2026 12:13:14", "2026-03-04T12:13:14+02:00"),
        ("03/04/26 12:13:14.123", "2026-03-04T12:13:14.123+02:00"),
        ("13/04/2026 12:13:14", "2026-04-13T12:13:14+03:00"),
        ("03/04/2026, 01:13:14 PM", "2026-03-04T13:13:14+02:00"),
        ("Mar 4, 2026 12:13:14 AM", "2026-03-04T00:13:14+02:00"),
        ("Wed Mar  4 12:13:14 2026", "2026-03-04T12:13:14+02:00"),
        ("Wed Mar 04 12:13:14.123456 2026", "2026-03-04T12:13:14.123456+02:00"),
        ("Mar  4 12:13:14", "2026-03-04T12:13:14+02:00"),
        ("I0304 12:13:14.123456", "2026-03-04T12:13:14.123456+02:00"),
        ("260304 12:13:14", "2026-03-04T12:13:14+02:00"),
        ("[1772619194]", "2026-03-04T10:13:14+00:00"),
        ("[GIN] 2026/03/04 - 12:13:14", "2026-03-04T12:13:14+02:00"),
        ("(W) 2026-03-04T12:13:14", "2026-03-04T12:13:14+02:00"),
        ("app-1  | 2026-03-04T12:13:14Z", "2026-03-04T12:13:14+00:00"),
        ("2026-03-04T00:00:00Z [2026-03-04 12:13:14]", "2026-03-04T12:13:14+02:00"),
    ],
)
def test_a_line_begins_with_its_time(start: str, moment: str) -> None:
    one = event(f"{start} the service has started")
    assert one["@timestamp"] == at(moment)
    assert one["message"] == "the service has started"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            "2026-03-04 12:13:14,123 WARN  [org.keycloak.events] (executor-thread-1) said",
            {"log.level": "WARN", "log.logger": "org.keycloak.events", "process.thread.name": "executor-thread-1"},
        ),
        (
            "2026-03-04 12:13:14.12 [http-nio-1] ERROR o.a.g.Auth - said",
            {"log.level": "ERROR", "log.logger": "http-nio-1"},
        ),
        (
            "[2026-03-04 12:13:14.123 +01:00] [INF] [79] A.B.Manager: said",
            {"log.level": "INF", "log.logger": "A.B.Manager"},
        ),
        (
            "2026-03-04 12:13:14,797::WARNING::[interface:657] said",
            {"log.level": "WARNING", "log.logger": "interface:657"},
        ),
        ("2026-03-04 12:13:14.123 UTC [53962] said", {"process.pid": 53962}),
        ("2026-03-04 12:13:14,124 ws app[498] said", {"host.name": "ws", "process.name": "app", "process.pid": 498}),
        (
            "03/04/26 12:13:14.1 web_php[12].ERR said",
            {"process.name": "web_php", "process.pid": 12, "log.level": "ERR"},
        ),
        ("WARN: [Mar  4 12:13:14.643] said", {"log.level": "WARN"}),
        (
            "INFO  2026-03-04 12:13:14,123 org.example.Sender: said",
            {"log.level": "INFO", "log.logger": "org.example.Sender"},
        ),
        (
            "ERROR 2026-03-04 12:13:14,123 org.example.Sender: said",
            {"log.level": "ERROR", "log.logger": "org.example.Sender"},
        ),
        ("I0304 12:13:14.1       1 client.go:58] said", {"log.level": "info", "log.origin.file.name": "client.go:58"}),
        ("2026/03/04 12:13:14 ...eb/auth.go:200:Post() [I] said", {"log.level": "info"}),
        ("192.0.2.7 2026-03-04 12:13:14 said", {"source.ip": "192.0.2.7"}),
        (
            "2026-03-04T12:13:14+01:00 gw-1 system,error,critical said",
            {"host.name": "gw-1", "log.level": "critical", "log.logger": "system,error,critical"},
        ),
    ],
)
def test_a_header_names_level_logger_and_process(line: str, fields: dict[str, Any]) -> None:
    one = event(line)
    assert {key: one.get(key) for key in fields} == fields
    assert str(one["message"]).endswith("said")


def test_what_a_message_says_stands_beside_its_header() -> None:
    one = event("2026-03-04 12:13:14,1 WARNING [app.auth] Login failed for user 'matti' from 192.0.2.7")
    assert (one["user.name"], one["source.ip"], one["event.outcome"]) == ("matti", "192.0.2.7", "failure")


def test_logfmt_is_read_with_quotes_and_escapes() -> None:
    line = 'time="2026-03-04T12:13:14+02:00" level=error msg="a \\"b\\"\\nc" remote_ip=192.0.2.7 user= path=/x?a=b'
    one = event(line)
    assert one["@timestamp"] == at("2026-03-04T12:13:14+02:00")
    assert (one["message"], one["log.level"], one["source.ip"]) == ('a "b"\nc', "error", "192.0.2.7")
    assert one["url.original"] == "/x?a=b"
    assert "user.name" not in one


@pytest.mark.parametrize("line", ["a=b c", "a", "a=1", 'a="b c=d', "=a b=c"])
def test_what_is_not_all_pairs_is_no_logfmt(line: str) -> None:
    assert pairs_of(line) is None


def test_json_and_lines_of_pairs_stand_in_one_log() -> None:
    lines = (
        (
            '{"level":"error","msg":"Unsuccessful authentication attempt by user \'matti\'","remote_ip":"192.0.2.7",'
            '"time":"2026-03-04T12:13:14Z"}'
        ),
        'time="2026-03-04T12:13:14Z" level=error msg="Unsuccessful attempt by user \'matti\'" remote_ip=192.0.2.7',
    )
    made, notes = parsed(*lines)
    assert [(one["user.name"], one["source.ip"]) for one in made.events if "user.name" in one][:1] == [
        ("matti", "192.0.2.7")
    ]
    assert {one["@timestamp"] for one in made.events} == {at("2026-03-04T12:13:14+00:00")}
    assert notes == {}
    assert detect("\n".join(lines).encode()).name == "application"


def test_a_line_that_begins_otherwise_is_kept_and_said() -> None:
    made, notes = parsed("2026-03-04 12:13:14 an error", "  at org.example.Main(Main.java:12)", "")
    assert [one["message"] for one in made.events] == ["an error", "  at org.example.Main(Main.java:12)"]
    assert made.blank == 1
    assert notes == {"F21": 1, "F42": 1}


def test_a_time_that_does_not_exist_is_a_reject() -> None:
    made, _ = parsed("2026-03-04 12:13:84 said")
    assert [one.reason for one in made.rejects] == ["F14"]


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ("2026-03-04 12:13:14,123 INFO started\n2026-03-04 12:13:15,123 INFO ready\n", "application"),
        ('[2026-03-04 12:13:14] app.INFO: {"a":1} []\n' * 3, "application"),
        ('level=info msg="a b" user=x\nlevel=warn msg=c\n', "logfmt"),
        ('{"level":"error","msg":"login failed for user \'x\' from 192.0.2.7"}\n', "application"),
        ('{"level":"info","msg":"started"}\n', "json"),
        ("an ordinary sentence\nand another\n", "text"),
    ],
)
def test_it_is_told_from_what_it_holds(sample: str, name: str) -> None:
    assert detect(sample.encode()).name == name


@given(
    st.lists(
        st.text(max_size=60)
        | st.sampled_from(["2026-03-04 12:13:14 ", "level=a msg=", "{", '{"a":1}', "[1772619194] "])
    )
)
def test_whatever_it_is_fed_each_line_is_accounted_for(pieces: list[str]) -> None:
    lines = ["".join(pieces[at : at + 3]).replace("\n", " ") for at in range(0, len(pieces), 3)]
    made, notes = parsed(*lines)
    assert made.records == len(lines)
    assert notes.get("F42", 0) <= len(made.events)
    sample = "\n".join(lines).encode()
    assert 0 <= detect_application(sample) <= 62
    assert 0 <= detect_logfmt(sample) <= 63


@pytest.mark.parametrize(
    "piece", ["a", "[a] ", "(a) ", "a.", "1", "a=", 'a="', "[", "2026-03-04 12:13:14 ", " ", "a,b "]
)
def test_no_header_and_no_pairs_take_long(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = process_time()
    read_header("2026-03-04 12:13:14 " + text)
    read_header(text)
    pairs_of(text)
    assert process_time() - started < 1
