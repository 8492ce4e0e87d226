"""Every format: told from the start of an input, and never stopped by what it is fed."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin, Parsed
from kyber.logs.formats import Context, Format
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.records import delimited, documents, enveloped, journal, lines
from kyber.logs.schema import table

CONTEXT = Context(reference=datetime(2026, 3, 4, 12, tzinfo=UTC), zone=UTC)
FED = tuple(form for form in FORMATS.values() if form.framing != "evtx")
each_format = pytest.mark.parametrize("form", FED, ids=lambda form: form.name)

REAL: dict[str, tuple[str, ...]] = {
    "syslog": (
        "Mar  4 10:15:30 gw-1 sshd[412]: Failed password for invalid user oracle from 192.0.2.7 port 50123 ssh2",
        "Mar  4 10:15:31 gw-1 sudo:    liisa : TTY=pts/0 ; PWD=/home/liisa ; USER=root ; COMMAND=/bin/cat /etc/shadow",
        '<34>1 2026-03-04T10:15:30.003Z gw-1 su - ID47 [meta@32473 seq="1" note="a \\] b"] \'su root\' failed',
        "<86>Mar  4 10:15:32 gw-1 CRON[99]: pam_unix(cron:session): session opened for user root by (uid=0)",
        "2026-03-04T10:15:33+02:00 gw-1 useradd[7]: new user: name=matti, UID=1001, GID=1001, home=/home/matti",
    ),
    "auditd": (
        'type=SYSCALL msg=audit(1772619330.123:42): arch=c000003e syscall=59 success=yes exit=0 pid=7 uid=0 comm="id"',
        'type=EXECVE msg=audit(1772619330.123:42): argc=2 a0="id" a1=2D6E',
        "type=PROCTITLE msg=audit(1772619330.123:42): proctitle=6964002D6E",
        "type=EOE msg=audit(1772619330.123:42):",
        "type=USER_LOGIN msg=audit(1772619331.001:43): pid=9 msg='op=login acct=\"root\" addr=192.0.2.7 res=failed'",
    ),
    "windows": (
        json.dumps({"EventID": 1, "Channel": "Security", "Hostname": "a", "Threat Name": "x", "UtcTime": "2026-03-04"}),
        json.dumps({"Event": {"System": {"EventID": {"#text": 4624}, "Channel": "Security"}, "EventData": {"A": "b"}}}),
        json.dumps({"winlog": {"event_id": "1", "channel": "System", "event_data": {"param1": [1, {"b": None}]}}}),
    ),
    "json": (
        json.dumps({"@timestamp": "2026-03-04T10:15:30Z", "user": {"name": "liisa"}, "ips": ["192.0.2.7", None]}),
        json.dumps({"records": [{"a": 1, "b": {"c": True}}, {"a": 2.5}], "n": None}),
    ),
    "journald": (
        json.dumps({"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1772619330123456", "MESSAGE": [104, 255, 105]}),
        json.dumps(
            {"__REALTIME_TIMESTAMP": "1772619330123457", "_COMM": ["sshd", None], "COREDUMP": None, "_PID": "7"}
        ),
    ),
    "journald-export": (
        "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1772619330123456\n_HOSTNAME=gw-1\n_TRANSPORT=kernel\nMESSAGE=up\n",
        "__REALTIME_TIMESTAMP=1772619330123457\nMESSAGE\n\3\0\0\0\0\0\0\0a\n\n\n_PID=7\n",
    ),
    "web": (
        '192.0.2.7 - - [04/Mar/2026:12:15:30 +0200] "GET /asiakas?id=7 HTTP/1.1" 200 512',
        'example.org:443 2001:db8::7 - liisa [04/Mar/2026:12:15:31 +0200] "POST /a HTTP/2.0" 401 - "-" "curl/8"',
        r'192.0.2.9 - - [04/Mar/2026:12:15:32 +0200] "\x16\x03\x01" 400 157 "-" "-" "-" 0.001',
        '2026/03/04 12:15:33 [error] 7#7: *9 open() failed, client: 192.0.2.7, server: _, request: "GET / HTTP/1.1"',
        "[Wed Mar 04 12:15:34.123456 2026] [core:error] [pid 7:tid 8] [client 192.0.2.7:5678] AH00037: not allowed",
        "[Wed Mar 04 12:15:35 2026] [notice] resuming normal operations",
    ),
    "w3c": (
        "#Software: Microsoft Internet Information Services 10.0",
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status time-taken",
        "2026-03-04 10:15:30 192.0.2.1 GET /ecp/default.aspx id=1 192.0.2.7 Mozilla/5.0+(X11) 200 31",
        "2026-03-04 10:15:31 192.0.2.1 GET / - 192.0.2.7 - 404 2",
    ),
    "zeek": (
        "#separator \\x09",
        "#path\tdns",
        "#fields\tts\tuid\tid.orig_h\tid.resp_p\tquery\tanswers\tAA",
        "#types\ttime\tstring\taddr\tport\tstring\tvector[string]\tbool",
        "1772619330.123456\tCabc\t192.0.2.7\t53\tportal.example.org\t192.0.2.1,192.0.2.2\tT",
        "#close\t2026-03-04-11-00-00",
    ),
    "zeek-json": (
        json.dumps({"ts": 1772619330.5, "uid": "Cabc", "id.orig_h": "192.0.2.7", "id.resp_p": 53, "conn_state": "SF"}),
        json.dumps({"ts": "2026-03-04T10:15:30Z", "_path": "http", "uid": "Cd", "id": {"orig_h": "192.0.2.7"}}),
    ),
    "cloudtrail": (
        json.dumps(
            {
                "eventVersion": "1.09",
                "eventTime": "2026-03-04T10:15:30Z",
                "eventSource": "iam.amazonaws.com",
                "eventName": "CreateUser",
                "awsRegion": "eu-north-1",
                "sourceIPAddress": "192.0.2.7",
                "userIdentity": {"type": "IAMUser", "userName": "liisa"},
                "requestParameters": {"userName": "matti"},
            }
        ),
    ),
    "m365": (
        json.dumps(
            {
                "CreationTime": "2026-03-04T10:15:30",
                "Operation": "New-InboxRule",
                "Workload": "Exchange",
                "UserId": "liisa@example.org",
                "ClientIP": "[2001:db8::7]:50123",
                "Parameters": [{"Name": "ForwardTo", "Value": "x@example.net"}],
            }
        ),
    ),
    "azure": (
        json.dumps(
            {
                "time": "2026-03-04T10:15:30Z",
                "operationName": "Sign-in activity",
                "category": "SignInLogs",
                "resultType": "50126",
                "properties": {"userPrincipalName": "liisa@example.org", "ipAddress": "192.0.2.7"},
            }
        ),
    ),
    "csv": (
        "time;user;note",
        '2026-03-04 10:15:30;liisa;"first line\nsecond ""line"""',
        "2026-03-04 10:15:31;matti;ok",
    ),
    "m365-csv": (
        "CreationDate,UserIds,Operations,AuditData",
        '2026-03-04T10:15:30,liisa,UserLoggedIn,"{""Operation"":""UserLoggedIn"",""UserId"":""liisa""}"',
    ),
    "cef": (
        r"CEF:0|Acme|Fire\|wall|7.1|100|blocked|8|rt=1772619330123 src=192.0.2.7 msg=a\=b cs1Label=Rule cs1=x y",
        "<134>Mar  4 10:15:30 gw-1 CEF:0|Acme|Firewall|7.1|101|allowed|Low|src=192.0.2.7 dst=198.51.100.4 dpt=443",
    ),
    "leef": (
        "LEEF:1.0|Acme|IDS|2.0|login|src=192.0.2.7\tusrName=liisa\tdevTime=Mar 04 2026 10:15:30",
        "<13>Mar  4 10:15:30 gw-1 LEEF:2.0|Acme|IDS|2.0|login|^|src=192.0.2.7^usrName=liisa",
    ),
    "fortigate": (
        'date=2026-03-04 time=10:15:30 devname="fw" devid="F1" type="traffic" srcip=192.0.2.7 action="deny"',
        '<189>Mar  4 10:15:30 fw date=2026-03-04 time=10:15:30 logid="01" type="event" user="liisa" srcip=192.0.2.7',
    ),
    "keyvalue": (
        'id=firewall sn=0017 time="2026-03-04 10:15:30" m=36 src=192.0.2.7:5012:X1 dst=198.51.100.4:443:X0',
        'device="SFW" date=2026-03-04 time=10:15:30 src_ip=192.0.2.7 dst_ip=198.51.100.4 log_subtype="Denied"',
    ),
    "logfmt": (
        'time="2026-03-04T10:15:30+02:00" level=error msg="login failed" remote_ip=192.0.2.7 user=liisa',
        'ts=2026-03-04T10:15:31Z lvl=info msg="ready \\"now\\"" path=/x?a=b',
    ),
    "application": (
        "2026-03-04 10:15:30,123 WARN  [org.example.Auth] (thread-1) Login failed for user 'liisa' from 192.0.2.7",
        '[04-Mar-2026 10:15:31] app.INFO: ready {"a": 1} []',
        "I0304 10:15:32.123456       1 auth.go:63] ready",
    ),
    "text": ("an ordinary sentence, as a program may write it", "=== käynnistys ==="),
}

TOLD_TOGETHER = frozenset(("auditd", "w3c", "zeek", "csv", "m365-csv"))
"""Formats of which not every line tells alone what it is."""


@pytest.mark.parametrize("name", REAL)
def test_each_format_is_told_from_its_lines(name: str) -> None:
    assert detect("\n".join(REAL[name]).encode()).name == name
    assert all(detect(line.encode()).name == name for line in REAL[name] if name not in TOLD_TOGETHER)


def test_json_over_lines_is_told_from_json_a_line() -> None:
    for name in ("windows", "json", "cloudtrail", "m365", "azure"):
        wide = json.dumps([json.loads(line) for line in REAL[name]], indent=2)
        assert detect(wide.encode()).name == f"{name}-document"


@pytest.mark.parametrize(("name", "key"), [("cloudtrail", "Records"), ("m365", "value"), ("azure", "records")])
def test_an_export_that_wraps_its_events_is_told_from_what_it_wraps(name: str, key: str) -> None:
    events = [json.loads(line) for line in REAL[name]] * 2_000  # the sample breaks off within
    for text in (json.dumps({key: events}), json.dumps({"@odata.context": "x", key: events}, indent=1)):
        assert detect(text.encode()[: 2**18]).name == f"{name}-document"


def test_what_is_nothing_else_is_text() -> None:
    assert [detect(one).name for one in (b"", b"\n", b"\x00\xff", b"a\nb")] == ["text"] * 4


def test_formats_stand_under_their_own_names() -> None:
    assert all(name == form.name and form.title for name, form in FORMATS.items())


@given(st.binary(max_size=300))
def test_any_bytes_are_of_some_format(sample: bytes) -> None:
    assert all(0 <= form.detect(sample) <= 100 for form in FORMATS.values())
    assert detect(sample) in FORMATS.values()


# --- whatever it is fed ----------------------------------------------------------------------------------------------

ALL_LINES = [line.encode() for ones in REAL.values() for line in ones]
CHANGES = st.tuples(
    st.integers(0, 200),
    st.integers(0, 8),
    st.binary(max_size=4)
    | st.sampled_from([b'"', b"{", b"}", b"]", b"\\", b"=", b"'", b"\x00", b"\n", b" ", b"9" * 30]),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A line as real ones are, with some bytes of it changed; or any bytes."""
    line = draw(st.sampled_from(ALL_LINES) | st.binary(max_size=30))
    for at, length, put in draw(st.lists(CHANGES, max_size=3)):
        line = line[:at] + put + line[at + length :]
    return line


class Whole:
    """A stream that gives its bytes at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sample = data[: 2**18]

    def read(self, _: int) -> bytes:
        data, self.data = self.data, b""
        return data


FRAMINGS: dict[str, Callable[[Any], Iterator[Chunk]]] = {
    "lines": lines,
    "json": documents,
    "envelope": enveloped,
    "journal": journal,
    "csv": delimited,
}


def chunks_of(form: Format, data: bytes, most: int) -> list[Chunk]:
    """The records of some bytes, in chunks of at most so many."""
    found = []
    for chunk in FRAMINGS[form.framing](Whole(data)):
        for at in range(0, len(chunk.records), most):
            end = at + most
            found.append(Chunk(chunk.records[at:end], chunk.offsets[at:end], chunk.first + at))
    return found


def drawn(parsed: Parsed, form: Format) -> int:
    """Every column of what was parsed, drawn; the events."""
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table(form.table), form.column, form.json)
    for name in (*batch.names, *batch.table.columns, *batch.table.shown):
        column = batch.column(name)
        if column is not None:
            assert len(column.codes) == batch.rows
            assert int(column.codes.max(initial=-1)) < len(column.values)
    for condition in (one for many in batch.table.categories.values() for one in many):
        assert len(batch.where(condition)) == batch.rows
    assert len(batch.times) == batch.rows
    assert batch.rows == len(batch.raw) == len(batch.records) == len(batch.offsets)
    return batch.rows


@each_format
@given(records=st.lists(damaged(), max_size=8), most=st.integers(1, 4))
def test_whatever_it_is_fed_a_parser_accounts_for_each_record(form: Format, records: list[bytes], most: int) -> None:
    parser = form.parser(CONTEXT)
    chunks = chunks_of(form, b"\n".join(records), most)
    made = [*map(parser.feed, chunks), parser.finish()]
    assert sum(one.records for one in made) == sum(len(chunk.records) for chunk in chunks)
    for one in made:
        drawn(one, form)
        assert all(reject.reason and reject.raw is not None for reject in one.rejects)
    assert all(count >= 0 for count in parser.notes.values())


@each_format
@given(data=st.binary(max_size=400), most=st.integers(1, 9))
def test_any_bytes_at_all_are_accounted_for(form: Format, data: bytes, most: int) -> None:
    parser = form.parser(CONTEXT)
    chunks = chunks_of(form, data, most)
    made = [*map(parser.feed, chunks), parser.finish()]
    assert sum(one.records for one in made) == sum(len(chunk.records) for chunk in chunks)
    assert sum(drawn(one, form) for one in made) == sum(len(one.events) for one in made)


@each_format
def test_a_parser_that_is_fed_nothing_gives_nothing(form: Format) -> None:
    parser = form.parser(CONTEXT)
    assert parser.feed(Chunk([], [])).records == parser.finish().records == 0


@each_format
@pytest.mark.parametrize("name", REAL)
def test_lines_of_another_format_are_accounted_for(form: Format, name: str) -> None:
    data = "\n".join(REAL[name] * 3).encode()
    parser = form.parser(CONTEXT)
    chunks = chunks_of(form, data, 2)
    made = [*map(parser.feed, chunks), parser.finish()]
    assert sum(one.records for one in made) == sum(len(chunk.records) for chunk in chunks)
    if form.name == name:
        assert sum(len(one.rejects) for one in made) == 0
        assert sum(drawn(one, form) for one in made) > 0
