"""The systemd journal: what a line of syslog says, an entry of the journal says too, in either of its forms."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.journald import JOURNALD, JOURNALD_EXPORT, ExportParser, JournaldParser
from kyber.logs.formats.known import detect
from kyber.logs.formats.syslog import SyslogParser
from kyber.logs.records import MAX_RECORD, journal
from kyber.logs.schema import table

REFERENCE = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONTEXT = Context(reference=REFERENCE, zone=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = datetime(2026, 3, 4, 10, 15, 30, 123_456, tzinfo=UTC)
MICROSECONDS = (TIME - EPOCH) // timedelta(microseconds=1)

ENTRY = {
    "__CURSOR": "s=5c3f;i=1a2b;b=90ab;m=3e8;t=5d9;x=1",
    "__REALTIME_TIMESTAMP": str(MICROSECONDS),
    "_BOOT_ID": "90ab",
    "_HOSTNAME": "gw-1",
    "_TRANSPORT": "syslog",
    "SYSLOG_IDENTIFIER": "sshd",
    "SYSLOG_FACILITY": "10",
    "PRIORITY": "6",
    "_PID": "412",
    "_UID": "0",
    "_COMM": "sshd",
    "_EXE": "/usr/sbin/sshd",
    "_CMDLINE": "sshd: oracle [priv]",
    "_SYSTEMD_UNIT": "ssh.service",
    "MESSAGE": "Failed password for invalid user oracle from 192.0.2.7 port 50123 ssh2",
}


def read(*entries: object) -> Parsed:
    """What entries in JSON give; bytes are a record as they are."""
    records = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in entries]
    return JournaldParser(CONTEXT).feed(Chunk(records, list(range(len(records))), first=3))


def event(**changed: object) -> dict[str, Any]:
    """The event of the entry above with some fields changed, or left out where they are None."""
    (found,) = read({key: value for key, value in (ENTRY | changed).items() if value is not None}).events
    return found


def exported(entry: dict[str, Any], binary: frozenset[str] = frozenset()) -> bytes:
    """An entry in the export form, some of its fields as binary ones."""
    found = b""
    for field, values in entry.items():
        for value in values if isinstance(values, list) else [values]:
            data = value if isinstance(value, bytes) else value.encode()
            if field in binary or b"\n" in data:
                found += field.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
            else:
                found += field.encode() + b"=" + data + b"\n"
    return found


def read_export(*records: bytes, cut: frozenset[int] = frozenset()) -> Parsed:
    return ExportParser(CONTEXT).feed(Chunk(records, list(range(len(records))), first=3, cut=cut))


# --- what an entry says ----------------------------------------------------------------------------------------------


def test_an_entry_has_its_native_fields_and_those_with_ecs_names() -> None:
    found = event()
    assert {name: found[f"journald.{name.lower()}"] for name in ENTRY} == ENTRY
    assert {name: value for name, value in found.items() if not name.startswith("journald.")} == {
        "@timestamp": MICROSECONDS,
        "host.name": "gw-1",
        "process.name": "sshd",
        "process.pid": 412,
        "process.executable": "/usr/sbin/sshd",
        "process.command_line": "sshd: oracle [priv]",
        "service.name": "ssh.service",
        "log.syslog.facility.code": 10,
        "log.syslog.severity.code": 6,
        "message": ENTRY["MESSAGE"],
        "event.action": found["event.action"],
        "event.category": "authentication",
        "event.outcome": "failure",
        "user.name": "oracle",
        "source.ip": "192.0.2.7",
        "source.port": 50123,
    } | {name: value for name, value in found.items() if name.startswith("linux.")}


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sshd", "Accepted publickey for liisa from 192.0.2.7 port 50123 ssh2: ED25519 SHA256:abc"),
        ("sudo", "   liisa : TTY=pts/0 ; PWD=/home/liisa ; USER=root ; COMMAND=/bin/cat /etc/shadow"),
        ("useradd", "new user: name=matti, UID=1001, GID=1001, home=/home/matti, shell=/bin/sh, from=/dev/pts/0"),
        ("CRON", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
        ("kernel", "usb 1-1: USB disconnect, device number 4"),
        ("systemd", "nginx.service: Failed with result 'exit-code'."),
        ("sysmon", "<Event><System><EventID>1</EventID></System></Event>"),
        ("other", "nothing that is known"),
    ],
)
def test_a_message_is_taken_apart_as_the_same_line_of_syslog_is(program: str, message: str) -> None:
    line = f"2026-03-04T10:15:30.123456+00:00 gw-1 {program}[412]: {message}".encode()
    (expected,) = SyslogParser(CONTEXT).feed(Chunk([line], [0])).events
    del expected["event.original"]
    found = event(SYSLOG_IDENTIFIER=program, MESSAGE=message, _SYSTEMD_UNIT=None, _EXE=None, _CMDLINE=None)
    assert expected.items() <= found.items()


def test_a_message_of_the_kernel_is_the_kernels_whatever_it_calls_itself() -> None:
    found = event(_TRANSPORT="kernel", SYSLOG_IDENTIFIER="sshd", MESSAGE="Accepted password for root from 192.0.2.7")
    assert found["process.name"] == "kernel"
    assert "user.name" not in found


def test_what_is_not_said_is_taken_from_the_next_best_field() -> None:
    assert event(SYSLOG_IDENTIFIER=None)["process.name"] == "sshd"
    assert event(_PID=None, SYSLOG_PID="77")["process.pid"] == 77
    assert event(__REALTIME_TIMESTAMP=None, _SOURCE_REALTIME_TIMESTAMP="5000000000000000")["@timestamp"] == 5 * 10**15
    assert "@timestamp" not in event(__REALTIME_TIMESTAMP="soon")
    assert not {"process.name", "message"} & set(event(SYSLOG_IDENTIFIER=None, _COMM=None, MESSAGE=None))


def test_a_record_of_the_kernels_audit_says_what_whose_and_how_it_ended() -> None:
    found = event(
        _TRANSPORT="audit",
        SYSLOG_IDENTIFIER="audit",
        _AUDIT_TYPE_NAME="USER_AUTH",
        AUDIT_FIELD_ACCT='"liisa"',
        AUDIT_FIELD_ADDR="192.0.2.9",
        AUDIT_FIELD_EXE='"/usr/bin/su"',
        AUDIT_FIELD_RES="failed",
        MESSAGE="USER_AUTH pid=412 uid=0 msg='op=PAM:authentication acct=\"liisa\" res=failed'",
    )
    names = ("process.name", "event.action", "event.outcome", "user.name", "source.ip", "process.executable")
    assert [found[name] for name in names] == ["audit", "user_auth", "failure", "liisa", "192.0.2.9", "/usr/bin/su"]
    assert "source.ip" not in event(_TRANSPORT="audit", AUDIT_FIELD_ADDR="?")


def test_sigma_services_and_times_hold_for_the_journal() -> None:
    parsed = read(ENTRY, ENTRY | {"SYSLOG_IDENTIFIER": "sudo", "SYSLOG_FACILITY": "3"})
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(product="linux"), table(JOURNALD.table))
    services = table("linux").services
    assert [batch.where(services[name][0]).tolist() for name in ("sshd", "sudo")] == [[True, False], [False, True]]
    assert batch.times.tolist() == [MICROSECONDS] * 2


# --- values in JSON --------------------------------------------------------------------------------------------------


def test_bytes_are_text_again_and_repaired_only_where_they_are_none() -> None:
    parsed = read(ENTRY | {"MESSAGE": list(b"a\x1b[0mb")}, ENTRY | {"MESSAGE": list(b"k\xe4ytt\xe4j\xe4")})
    assert [one["message"] for one in parsed.events] == ["a\x1b[0mb", "k\ufffdytt\ufffdj\ufffd"]
    assert parsed.repaired == 1


def test_a_field_that_stands_more_than_once_keeps_all_its_values() -> None:
    found = event(TAG=["a", list(b"b\xff"), None], MESSAGE=["Failed password for root from 192.0.2.7 port 1 ssh2", "x"])
    assert found["journald.tag"] == ["a", "b\ufffd", None]
    assert found["user.name"] == "root"
    assert found["message"][1] == "x"


def test_a_field_that_was_too_long_is_there_and_null() -> None:
    (found,) = read(ENTRY | {"MESSAGE": "x", "COREDUMP": None}).events
    assert found == event(MESSAGE="x") | {"journald.coredump": None}


def test_names_that_differ_in_case_only_share_a_column_and_lose_no_value() -> None:
    assert event(tag="a", Tag=["b", "c"])["journald.tag"] == ["a", "b", "c"]


def test_a_hostile_name_cannot_pass_for_another_field() -> None:
    found = event(**{"user.name": "mallory", "@timestamp": 0, "event.outcome": "success"})
    assert found["user.name"] == "oracle"
    assert (found["journald.user.name"], found["@timestamp"]) == ("mallory", MICROSECONDS)


@pytest.mark.parametrize(
    ("record", "code"),
    [(b'{"a":1}', "F44"), (b"[]", "F40"), (b'{"MESSAGE":', "F41"), (b"-- Boot 90ab --", "F41")],
)
def test_what_is_no_entry_is_rejected_by_name(record: bytes, code: str) -> None:
    (reject,) = read(record).rejects
    assert (reject.reason, reject.raw, reject.record) == (code, record, 3)


def test_blank_lines_are_blank() -> None:
    assert read(b"", b" \r").blank == 2
    assert read_export(b"", b"\n").blank == 2


# --- the export form -------------------------------------------------------------------------------------------------


def test_both_forms_of_an_entry_give_the_same_event() -> None:
    entry = ENTRY | {"MESSAGE": "a\nb\n\nc", "TAG": ["x", "y"]}
    (expected,) = read(entry).events
    for record in (exported(entry), exported(entry, frozenset(ENTRY)), exported(entry)[:-1]):
        assert read_export(record).events == [expected]


def test_binary_data_is_text_where_it_is_and_repaired_where_not() -> None:
    parsed = read_export(exported(ENTRY | {"MESSAGE": b"\xff=\n"}))
    assert (parsed.events[0]["message"], parsed.repaired) == ("\ufffd=\n", 1)


@pytest.mark.parametrize(
    "record",
    [
        b"MESSAGE\n\x05\0\0\0\0\0\0\0ab\n",
        b"MESSAGE\n\x01\0\0\0\0\0\0\0abc\n",
        b"MESSAGE\n\x05\0\0",
        b"MESSAGE\n" + b"\xff" * 8,
        b"MESSAGE",
        b"=value\nMESSAGE=a\n",
        b"an ordinary sentence\n",
        b"A=b\n",
    ],
)
def test_a_damaged_entry_is_rejected(record: bytes) -> None:
    (reject,) = read_export(record).rejects
    assert (reject.reason, reject.raw) == ("F44", record)


def test_of_an_entry_that_was_cut_the_beginning_is_read() -> None:
    whole = exported(ENTRY | {"COREDUMP": "x" * 100}, frozenset(["COREDUMP"]))
    parsed = read_export(whole[:-50], cut=frozenset([0]))
    assert parsed.events[0]["journald.coredump"] == "x" * 51
    assert parsed.events[0]["user.name"] == "oracle"


# --- which it is -----------------------------------------------------------------------------------------------------


def test_each_form_is_told_from_its_start() -> None:
    line = json.dumps(ENTRY).encode()
    assert detect(b"\n".join([line] * 3)) is JOURNALD
    assert detect(exported(ENTRY, frozenset(["MESSAGE"])) + b"\n") is JOURNALD_EXPORT
    assert detect(b'{"MESSAGE":"a","b":1}') is not JOURNALD
    assert detect(b"A=1\nB=2\n") is not JOURNALD_EXPORT


# --- whatever it is fed ----------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 300) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=4)
)
NAMES = st.sampled_from([*ENTRY, "AUDIT_FIELD_RES", "_AUDIT_TYPE_NAME", "X"]) | st.text(max_size=4)


@given(st.dictionaries(NAMES, VALUES), st.sampled_from(["syslog", "kernel", "audit", None]))
def test_any_object_is_an_event_or_a_reject(entry: dict[str, object], transport: str | None) -> None:
    parsed = read(entry | {"_TRANSPORT": transport})
    assert len(parsed.events) + len(parsed.rejects) == parsed.records == 1
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table("linux"))
    assert all(len(column.codes) == batch.rows for name in batch.names if (column := batch.column(name)))


@given(st.lists(st.dictionaries(st.sampled_from([*ENTRY, "X"]), st.binary(max_size=6), min_size=1), max_size=4))
def test_entries_survive_being_written_and_cut_apart_again(entries: list[dict[str, bytes]]) -> None:
    class Whole:
        data = b"".join(exported({"MESSAGE": b"m", **one}, frozenset(one)) + b"\n" for one in entries)

        def read(self, _: int) -> bytes:
            data, self.data = self.data, b""
            return data

    chunks = list(journal(Whole()))  # type: ignore[arg-type]
    parsed = [ExportParser(CONTEXT).feed(chunk) for chunk in chunks]
    assert sum(len(one.events) for one in parsed) == len(entries)
    for one, entry in zip((event for made in parsed for event in made.events), entries, strict=True):
        for name, value in entry.items():
            assert one[f"journald.{name.lower()}"] == value.decode(errors="replace")


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_an_event_a_reject_or_blank(record: bytes, cut: bool) -> None:
    assert read_export(record, cut=frozenset([0]) if cut else frozenset()).records == 1
    assert read(record).records == 1


def test_a_name_without_end_is_not_remembered() -> None:
    name = "X" * MAX_RECORD
    assert read({"MESSAGE": "a", name: "b"}).events[0][f"journald.{name.lower()}"] == "b"
