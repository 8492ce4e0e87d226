"""Syslog: the headers of RFC 3164 and RFC 5424, strictly for a message and tolerantly for the lines of a file."""

import json
import os
import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.syslog import SYSLOG, MalformedError, SyslogParser, parse_rfc3164, parse_rfc5424

REFERENCE = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONTEXT = Context(reference=REFERENCE, zone=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

VECTOR_FIELDS = {
    "priority": "log.syslog.priority",
    "severity": "log.syslog.severity.code",
    "facility": "log.syslog.facility.code",
    "hostname": "host.name",
    "appname": "process.name",
    "procid": "process.pid",
    "message": "message",
}
JUDGED_OTHERWISE: dict[str, str] = {}  # message -> why kyber judges it otherwise than the vectors


def data(name: str) -> Path:
    folder = os.environ.get("KYBER_TEST_DATA")
    if folder is None:
        pytest.skip("KYBER_TEST_DATA does not say where the outside data is")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def read(*lines: bytes | str, context: Context = CONTEXT, parser: SyslogParser | None = None) -> Parsed:
    records = [line.encode() if isinstance(line, str) else line for line in lines]
    offsets = [sum(len(record) + 1 for record in records[:index]) for index in range(len(records))]
    return (parser or SyslogParser(context)).feed(Chunk(records, offsets))


def event(line: bytes | str, context: Context = CONTEXT) -> dict[str, object]:
    parsed = read(line, context=context)
    assert len(parsed.events) == 1, parsed.rejects
    return parsed.events[0]


def when(found: dict[str, object]) -> datetime:
    micros = found["@timestamp"]
    assert isinstance(micros, int)
    return EPOCH + timedelta(microseconds=micros)


# --- strict ----------------------------------------------------------------------------------------------------------


def test_every_vector_is_judged_as_its_authors_judge_it() -> None:
    vectors = [json.loads(line) for line in data("go-syslog-vectors.jsonl").read_text(encoding="utf-8").splitlines()]
    wrong = []
    for vector in vectors:
        text = vector["input"]
        try:
            found = parse_rfc5424(text) if vector["format"] == "rfc5424" else parse_rfc3164(text, CONTEXT)
        except MalformedError:
            found = None
        if (found is not None) != vector["valid"] and text not in JUDGED_OTHERWISE:
            wrong.append(text)
        elif found is not None:
            for name, column in VECTOR_FIELDS.items():
                if name in vector:
                    assert str(found[column]) == str(vector[name]), (text, name)
            if "timestamp" in vector:
                stamp = datetime.strptime(f"2024 {vector['timestamp']}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
                assert f"{when(found):%m-%d %H:%M:%S}" == f"{stamp:%m-%d %H:%M:%S}"
    assert wrong == []
    assert len(vectors) == 127


def test_rfc_5424_gives_every_part_of_the_header_and_the_structured_data() -> None:
    found = parse_rfc5424(
        "<165>1 2026-03-04T12:13:14.5+02:00 web1.example.org app 4711 LOGIN "
        '[who@32473 name="a\\"b\\]c\\\\d" ip="192.0.2.1" ip="192.0.2.2"][meta sequenceId="1"] \ufeffhello there'
    )
    assert found == {
        "@timestamp": (datetime(2026, 3, 4, 10, 13, 14, 500_000, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1),
        "host.name": "web1.example.org",
        "process.name": "app",
        "process.pid": 4711,
        "log.syslog.priority": 165,
        "log.syslog.facility.code": 20,
        "log.syslog.severity.code": 5,
        "log.syslog.version": 1,
        "log.syslog.msgid": "LOGIN",
        "log.syslog.structured_data.who@32473.name": 'a"b]c\\d',
        "log.syslog.structured_data.who@32473.ip": ("192.0.2.1", "192.0.2.2"),
        "log.syslog.structured_data.meta.sequenceId": "1",
        "message": "hello there",
    }


def test_nil_values_are_absent() -> None:
    assert parse_rfc5424("<0>1 - - - - - -").keys() == {
        "log.syslog.priority",
        "log.syslog.facility.code",
        "log.syslog.severity.code",
        "log.syslog.version",
    }


@pytest.mark.parametrize(
    ("text", "code", "facts"),
    [
        ("<192>1 - - - - - -", "F16", {"priority": 192}),
        ("<01>1 - - - - - -", "F15", {"part": "priority", "column": 1}),
        ("<1>1 2026-02-30T00:00:00Z - - - - -", "F14", {"time": "2026-02-30T00:00:00Z"}),
        ("<1>1 2026-02-28T24:00:00Z - - - - -", "F15", {"part": "timestamp", "column": 6}),
        ("<1>1 - h\u00e4st - - - -", "F15", {"part": "hostname", "column": 8}),
        ('<1>1 - - - - - [a b="\\n"]', "F15", {"part": "structured data", "column": 16}),
        ("<1>1 - - - - - [a][b][a] text", "F15", {"part": "structured data", "column": 16}),
        ("<1>1 - - - - - -no space", "F15", {"part": "message", "column": 17}),
    ],
)
def test_what_is_malformed_is_named(text: str, code: str, facts: dict[str, object]) -> None:
    with pytest.raises(MalformedError) as why:
        parse_rfc5424(text)
    assert (why.value.code, why.value.facts) == (code, facts)


def test_a_message_without_a_priority_is_not_strictly_rfc_3164() -> None:
    with pytest.raises(MalformedError, match="F10"):
        parse_rfc3164("Mar  4 12:00:00 host prog: text", CONTEXT)


NAMES = st.text(string.ascii_letters + string.digits + "._-/", min_size=1, max_size=20).filter(lambda name: name != "-")
LINES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60).map(str.strip)
TIMES = st.datetimes(
    min_value=datetime(1970, 1, 2),
    max_value=datetime(2200, 1, 1),
    timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-7))),
)
DATA = st.dictionaries(NAMES, st.dictionaries(NAMES, st.text(max_size=10)), max_size=3)


def escaped(value: str) -> str:
    return "".join(f"\\{char}" if char in '"\\]' else char for char in value)


@given(st.integers(0, 191), TIMES, NAMES, NAMES, st.integers(0, 99_999), NAMES, DATA, LINES)
def test_a_generated_rfc_5424_message_reads_as_what_it_was_made_of(
    priority: int,
    time: datetime,
    host: str,
    app: str,
    pid: int,
    msgid: str,
    elements: dict[str, dict[str, str]],
    text: str,
) -> None:
    structured = "".join(
        "[" + name + "".join(f' {key}="' + escaped(value) + '"' for key, value in parameters.items()) + "]"
        for name, parameters in elements.items()
    )
    line = f"<{priority}>1 {time.isoformat()} {host} {app} {pid} {msgid} {structured or '-'} {text}"
    strict = parse_rfc5424(line)
    assert when(strict) == time
    assert (strict["host.name"], strict["process.name"], strict["process.pid"]) == (host, app, pid)
    assert strict["log.syslog.priority"] == priority
    assert strict["message"] == text.removeprefix("\ufeff")
    for name, parameters in elements.items():
        for key, value in parameters.items():
            assert strict[f"log.syslog.structured_data.{name}.{key}"] == value
    if "\n" not in line and "\r" not in line and text:
        tolerant = event(line) | {"process.name": app}  # in a file, a program's path is its executable
        assert strict.items() <= tolerant.items()


TAGS = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=20)


@given(
    st.none() | st.integers(0, 191),
    st.integers(0, 364 * 86_400 - 1),
    NAMES,
    TAGS,
    st.none() | st.integers(0, 99_999),
    LINES,
)
def test_a_generated_rfc_3164_line_reads_as_what_it_was_made_of(
    priority: int | None, ago: int, host: str, tag: str, pid: int | None, text: str
) -> None:
    time = (REFERENCE - timedelta(seconds=ago)).replace(microsecond=0)
    stamp = f"{time:%b} {time.day:2} {time:%H:%M:%S}"
    prefix = "" if priority is None else f"<{priority}>"
    line = f"{prefix}{stamp} {host} {tag}{'' if pid is None else f'[{pid}]'}: {text}"
    found = event(line)
    assert when(found) == time
    assert found["host.name"] == host
    assert found["process.name"] == tag
    assert found.get("process.pid") == pid
    assert found.get("log.syslog.priority") == priority
    assert found["message"] == text
    assert found["event.original"] == line
    if priority is not None:
        assert parse_rfc3164(line, CONTEXT).items() <= found.items()


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_forms_are_read_mixed_in_one_file() -> None:
    parsed = read(
        "Mar  4 11:00:00 host prog[1]: bsd",
        "<34>Mar  4 11:00:00 host prog[1]: bsd with a priority",
        "<34>1 2026-03-04T11:00:00Z host prog 1 - - rfc 5424",
        "1 2026-03-04T11:00:00Z host prog 1 - - rfc 5424 without a priority",
        "52 <34>1 2026-03-04T11:00:00Z host prog 1 - - counted octets",
        "2026-03-04T13:00:00.000+02:00 host prog[1]: rsyslog",
        "2026-03-04T13:00:00+0200 host prog[1]: journalctl",
        "Mar 4 2026 11:00:00 host prog[1]: with a year",
    )
    assert parsed.rejects == []
    assert {when(one) for one in parsed.events} == {datetime(2026, 3, 4, 11, tzinfo=UTC)}
    assert {(one["host.name"], one["process.name"], one["process.pid"]) for one in parsed.events} == {
        ("host", "prog", 1)
    }
    assert parsed.numbers == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("line", "host", "program", "message"),
    [
        ("Mar  4 11:00:00 host just words, no tag", "host", None, "just words, no tag"),
        ("Mar  4 11:00:00 prog[5]: no host", None, "prog", "no host"),
        ("Mar  4 11:00:00 prog: no host", None, "prog", "no host"),
        ("Mar  4 11:00:00 2001:db8::1 prog: text", "2001:db8::1", "prog", "text"),
        ("Mar  4 11:00:00 host postfix/smtpd[5]: text", "host", "postfix/smtpd", "text"),
        ("Mar  4 11:00:00 host prog:", "host", "prog", ""),
        ("Mar  4 11:00:00 host", "host", None, ""),
        ("Mar  4 11:00:00: %SYS-5-CONFIG_I: text", None, "%SYS-5-CONFIG_I", "text"),
        ("Mar  4 11:00:00 host last message repeated 3 times", "host", None, "last message repeated 3 times"),
    ],
)
def test_host_and_tag_may_be_left_out(line: str, host: str | None, program: str | None, message: str) -> None:
    found = event(line)
    assert (found.get("host.name"), found.get("process.name"), found["message"]) == (host, program, message)


def test_a_process_id_that_is_no_number_is_kept_as_text() -> None:
    found = event("<34>1 2026-03-04T11:00:00Z host prog worker-1 - - text")
    assert found["log.syslog.procid"] == "worker-1"
    assert "process.pid" not in found


def test_files_keep_an_escape_that_the_rfc_does_not_know() -> None:
    found = event(r'<34>1 - host prog - - [file@1 path="C:\temp\new"] text')
    assert found["log.syslog.structured_data.file@1.path"] == r"C:\temp\new"


@pytest.mark.parametrize(
    ("stamp", "reference", "expected"),
    [
        ("Mar  5 11:59:59", REFERENCE, datetime(2026, 3, 5, 11, 59, 59, tzinfo=UTC)),
        ("Mar  5 12:00:00", REFERENCE, datetime(2026, 3, 5, 12, tzinfo=UTC)),
        ("Mar  5 12:00:01", REFERENCE, datetime(2025, 3, 5, 12, 0, 1, tzinfo=UTC)),
        ("Dec 31 23:00:00", datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("Jan  1 01:00:00", datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)),
        ("Feb 29 10:00:00", REFERENCE, datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("Feb 29 10:00:00", datetime(1904, 2, 1, tzinfo=UTC), datetime(1896, 2, 29, 10, tzinfo=UTC)),
    ],
)
def test_a_missing_year_is_the_latest_that_the_reference_allows(
    stamp: str, reference: datetime, expected: datetime
) -> None:
    assert when(event(f"{stamp} host prog: text", Context(reference=reference, zone=UTC))) == expected


def test_a_time_without_an_offset_is_read_in_the_zone_of_the_source() -> None:
    helsinki = Context(reference=datetime(2026, 8, 1, tzinfo=UTC), zone=ZoneInfo("Europe/Helsinki"))
    assert when(event("Jan 10 12:00:00 host prog: winter", helsinki)) == datetime(2026, 1, 10, 10, tzinfo=UTC)
    assert when(event("Jul 10 12:00:00 host prog: summer", helsinki)) == datetime(2026, 7, 10, 9, tzinfo=UTC)
    assert when(event("2026-07-10T12:00:00 host prog: iso", helsinki)) == datetime(2026, 7, 10, 9, tzinfo=UTC)


def test_what_was_assumed_is_counted_per_event() -> None:
    parser = SyslogParser(CONTEXT)
    read(
        "Mar  4 11:00:00 host prog: year and zone",
        "Mar  4 11:00:00 host prog: the same second again",
        "Mar  4 2026 11:00:00 host prog: zone",
        "2026-03-04T11:00:00 host prog: zone",
        "2026-03-04T11:00:00Z host prog: nothing",
        "Feb 30 11:00:00 host prog: no event, no assumption",
        parser=parser,
    )
    assert dict(parser.notes) == {"F20": 2, "F21": 4}


def test_nothing_assumed_is_nothing_noted() -> None:
    parser = SyslogParser(CONTEXT)
    read("<34>1 - host prog - - - text", parser=parser)
    assert dict(parser.notes) == {}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("no header at all", "F10"),
        ("[Sun Dec 04 04:47:44 2005] [notice] of another format", "F10"),
        ('{"message": "json"}', "F10"),
        ("Feb 30 10:00:00 host prog: text", "F14"),
        ("Mar  4 25:00:00 host prog: text", "F14"),
        ("Xyz  4 10:00:00 host prog: text", "F14"),
        ("<1>1 2026-03-04T10:00:00Z host prog 1 - [broken text", "F15"),
        ("<999>Mar  4 10:00:00 host prog: text", "F16"),
    ],
)
def test_a_line_that_cannot_be_read_is_kept_whole_with_its_place_and_reason(line: str, code: str) -> None:
    parsed = read("Mar  4 11:00:00 host prog: first", line + "\r")
    assert [(one.reason, one.record, one.offset, one.raw) for one in parsed.rejects] == [
        (code, 2, 33, line.encode() + b"\r")
    ]
    assert parsed.records == 2


def test_empty_lines_are_blank() -> None:
    parsed = read("", "\r", "   ", "Mar  4 11:00:00 host prog: text")
    assert (parsed.blank, len(parsed.events), parsed.numbers) == (3, 1, [4])


def test_bytes_that_are_not_utf_8_and_leading_nuls_are_repaired_and_counted() -> None:
    latin = "Mar  4 11:00:00 host prog: p\u00e4\u00e4sy".encode("latin-1")
    cut = b"\0" * 4096 + b"Mar  4 11:00:00 host prog: text\r"
    parsed = read(latin, cut, "Mar  4 11:00:00 host prog: p\u00e4\u00e4sy")
    assert [one["message"] for one in parsed.events] == ["p\u00e4\u00e4sy", "text", "p\u00e4\u00e4sy"]
    assert parsed.repaired == 2
    assert parsed.raw[:2] == [latin, cut]


def test_numbers_and_offsets_are_those_of_the_chunk() -> None:
    chunk = Chunk([b"nothing", b"Mar  4 11:00:00 host prog: text"], [1000, 1008], first=41)
    parsed = SyslogParser(CONTEXT).feed(chunk)
    assert (parsed.rejects[0].record, parsed.rejects[0].offset) == (41, 1000)
    assert (parsed.numbers, parsed.offsets) == ([42], [1008])


HEADS = st.sampled_from(
    [
        b"",
        b"<34>",
        b"<34>1 ",
        b"<34>1 2026-03-04T10:00:00Z h p 1 - [",
        b"Mar  4 10:00:00 ",
        b"2026-03-04T10:00:00Z ",
        b"12 <1>",
    ]
)


@given(st.lists(st.tuples(HEADS, st.binary(max_size=60)).map(b"".join), max_size=20))
def test_no_bytes_raise_and_every_record_is_accounted_for(records: list[bytes]) -> None:
    parser = SyslogParser(CONTEXT)
    parsed = parser.feed(Chunk(records, list(range(len(records)))))
    assert parsed.records == len(records)
    assert len(parsed.events) == len(parsed.raw) == len(parsed.numbers) == len(parsed.offsets)
    for number, raw in [
        *zip(parsed.numbers, parsed.raw, strict=True),
        *((one.record, one.raw) for one in parsed.rejects),
    ]:
        assert records[number - 1] == raw
    assert parser.finish().records == 0
    assert 0 <= SYSLOG.detect(b"\n".join(records)) <= 100


@pytest.mark.parametrize("filler", ["a", " ", "[", "]", ":", "<1>", '[a b="c"', "\\", "from ", '"', "2026-", "1 "])
@pytest.mark.parametrize(
    "head", ["", "<34>1 ", "<34>1 - h p - - [a", "Mar  4 10:00:00 ", "Mar  4 10:00:00 h sudo: a : "]
)
def test_a_long_hostile_line_takes_no_more_than_its_length(head: str, filler: str) -> None:
    line = head + filler * (200_000 // len(filler))
    assert read(line).records == 1  # a form that is not linear would take hours


def test_a_parameter_repeated_without_end_takes_no_more_than_its_length() -> None:
    found = event("<34>1 - h p - - [a" + ' b="c"' * 150_000 + "] text")
    assert found["log.syslog.structured_data.a.b"] == ("c",) * 150_000


# --- which format a sample is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Mar  4 11:00:00 host prog[1]: text",
        "<34>Mar  4 11:00:00 host text",
        "<34>1 2026-03-04T11:00:00Z host prog 1 - - text",
        "2026-03-04T13:00:00.000+02:00 host prog[1]: text",
    ],
)
def test_syslog_is_recognised(line: str) -> None:
    assert SYSLOG.detect(f"{line}\n".encode() * 5) >= 90
    assert SYSLOG.detect(line.encode()) >= 90


@pytest.mark.parametrize(
    "sample",
    [
        b"",
        b"\n\n\n",
        b'{"@timestamp": "2026-03-04T11:00:00Z", "message": "Mar  4 11:00:00 host prog: x"}\n' * 3,
        b"ElfFile\x00\x00\x00\x00\x00\x00\x00" + bytes(4096),
        b'type=SYSCALL msg=audit(1696431255.037:8272): arch=c000003e syscall=59 comm="bash"\n' * 3,
        b"node=web1 type=CWD msg=audit(1696431255.037:8272): cwd=/root\n" * 3,
        b'192.0.2.1 - - [04/Mar/2026:11:00:00 +0200] "GET / HTTP/1.1" 200 12 "-" "curl/8"\n' * 3,
        b"2026-03-04T11:00:00Z INFO of a program's own log\n" * 3,
        b"2026-03-04T11:00:00Z [AUTH] WARN: of a program's own log\n" * 3,
    ],
)
def test_other_formats_are_not_taken_for_syslog(sample: bytes) -> None:
    assert SYSLOG.detect(sample) == 0


def test_real_logs_are_told_apart() -> None:
    assert SYSLOG.detect(data("linux/Linux_2k.log").read_bytes()[:65_536]) >= 90
    assert SYSLOG.detect(data("linux/OpenSSH_2k.log").read_bytes()[:65_536]) >= 90
    assert SYSLOG.detect(data("linux/Apache_2k.log").read_bytes()[:65_536]) == 0


@pytest.mark.parametrize(("name", "with_action"), [("Linux_2k.log", 1811), ("OpenSSH_2k.log", 1999)])
def test_every_line_of_a_real_log_is_accounted_for(name: str, with_action: int) -> None:
    lines = data(f"linux/{name}").read_bytes().split(b"\n")
    lines = lines if lines[-1] else lines[:-1]
    parsed = read(*lines)
    assert parsed.records == len(parsed.events) == len(lines) == 2000
    assert all("@timestamp" in one and "host.name" in one for one in parsed.events)
    assert sum("event.action" in one for one in parsed.events) == with_action
