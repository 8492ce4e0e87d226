"""Linux audit: records as golden files of another reader have them, and the joining of records to events."""

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context, auditd
from kyber.logs.formats.auditd import AUDITD, AuditdParser, Record, parse_record, parse_socket
from kyber.logs.formats.auditd_tables import RECORD_TYPES, SYSCALL_ACTIONS, SYSCALLS, TYPE_ACTIONS

CONTEXT = Context(reference=datetime(2026, 3, 4, 12, tzinfo=UTC), zone=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ARCHIVE = "audit/go-libaudit-testdata.tar.gz"
READ_OTHERWISE: dict[tuple[str, int], str] = {}  # (file, line) -> why kyber reads it otherwise than the golden file


@cache
def archive() -> dict[str, bytes]:
    folder = os.environ.get("KYBER_TEST_DATA")
    if folder is None:
        pytest.skip("KYBER_TEST_DATA does not say where the outside data is")
    path = Path(folder) / ARCHIVE
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with tarfile.open(path) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def shown_time(micros: int) -> str:
    """As in the golden files: a fraction without trailing zeros, none where it is zero."""
    second, fraction = divmod(micros, 1_000_000)
    text = f"{EPOCH + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}"
    return f"{text}.{fraction:06d}".rstrip("0") + "Z" if fraction else text + "Z"


def as_golden(record: Record | None) -> dict[str, object] | None:
    if record is None:
        return None
    shown: dict[str, object] = {
        "@timestamp": shown_time(record.time),
        "record_type": record.record_type.lower(),
        "sequence": record.sequence,
        "raw_msg": record.raw_msg,
        "data": record.data,
    }
    return {**shown, "keys": list(record.tags)} if record.tags else shown


def read_in(*chunks: Sequence[bytes], parser: AuditdParser | None = None) -> Parsed:
    """All that a parser makes of these chunks, as if it were one answer."""
    parser = parser or AuditdParser(CONTEXT)
    whole = Parsed()
    first, offset = 1, 0
    answers = []
    for records in chunks:
        offsets = []
        for record in records:
            offsets.append(offset)
            offset += len(record) + 1
        answers.append(parser.feed(Chunk(records, offsets, first)))
        first += len(records)
    for one in (*answers, parser.finish()):
        for name in ("events", "raw", "numbers", "offsets", "held", "rejects"):
            getattr(whole, name).extend(getattr(one, name))
        whole.blank += one.blank
        whole.repaired += one.repaired
    return whole


def read(*lines: str | bytes) -> Parsed:
    return read_in([line.encode() if isinstance(line, str) else line for line in lines])


def event(*lines: str | bytes) -> dict[str, object]:
    parsed = read(*lines)
    assert len(parsed.events) == 1, parsed
    return parsed.events[0]


def line(kind: str, body: str, serial: int = 7, at: str = "1767225600.250") -> str:
    return f"type={kind} msg=audit({at}:{serial}): {body}"


def execution(serial: int = 7, at: str = "1767225600.250") -> list[str]:
    """The records of one program start, as auditd writes them."""
    return [
        line(
            "SYSCALL",
            "arch=c000003e syscall=59 success=yes exit=0 a0=55d0 a1=55d1 a2=55d2 a3=8 items=2 ppid=100 pid=101 "
            'auid=1000 uid=0 gid=0 euid=0 tty=pts0 ses=3 comm="chmod" exe="/usr/bin/chmod" key="rights"',
            serial,
            at,
        ),
        line("EXECVE", 'argc=3 a0="chmod" a1="u+s" a2=2F746D702F612062', serial, at),
        line("CWD", 'cwd="/home/matti"', serial, at),
        line("PATH", 'item=0 name="/usr/bin/chmod" inode=11 mode=0100755 ouid=0 nametype=NORMAL', serial, at),
        line("PATH", 'item=1 name="/lib64/ld-linux-x86-64.so.2" inode=12 nametype=NORMAL', serial, at),
        line("PROCTITLE", "proctitle=63686D6F6400752B73002F746D702F612062", serial, at),
    ]


# --- records ---------------------------------------------------------------------------------------------------------


def test_records_read_as_the_golden_files_have_them() -> None:
    compared = 0
    for name, text in archive().items():
        if not name.startswith("auparse/") or not name.endswith(".golden"):
            continue
        lines = archive()[name.removesuffix(".golden")].decode().splitlines()
        for number, (one, golden) in enumerate(zip(lines, json.loads(text), strict=True), 1):
            compared += 1
            if (name, number) not in READ_OTHERWISE:
                assert as_golden(parse_record(one)) == golden, (name, number)
    assert compared == 84


def coalesced() -> Iterator[tuple[str, list[bytes], dict[str, object]]]:
    for name, text in archive().items():
        if name.startswith("aucoalesce/") and name.endswith(".yaml"):
            golden = json.loads(archive()[name.replace(".yaml", ".json.golden")])
            of_test = {one["test_name"]: one["event"] for one in golden}
            for test, lines in yaml.safe_load(text)["tests"].items():
                yield test, [one.strip().encode() for one in lines.splitlines() if one.strip()], of_test[test]


def test_records_are_grouped_as_the_golden_events_are() -> None:
    seen = 0
    for name, lines, golden in coalesced():
        parsed = read_in(lines)
        assert len(parsed.events) == 1, name
        found = parsed.events[0]
        types = [one.split()[0].removeprefix(b"type=").decode() for one in lines]
        assert found["auditd.type"] == tuple(dict.fromkeys(types)), name
        assert found["auditd.type"][0].lower() == golden["record_type"], name
        assert found["auditd.sequence"] == golden["sequence"], name
        assert shown_time(found["@timestamp"]) == golden["@timestamp"], name
        assert parsed.held == [len(lines)], name
        seen += 1
    assert seen == 48


def test_the_golden_events_know_the_same_outcome_and_process() -> None:
    outcomes = {"success": "success", "fail": "failure", "unknown": None}
    for name, lines, golden in coalesced():
        found = read_in(lines).events[0]
        process = golden["process"]
        assert isinstance(process, dict)
        assert found.get("event.outcome") == outcomes[str(golden["result"])], name
        assert str(found.get("process.pid", "")) == process.get("pid", ""), name
        assert found.get("process.executable") == process.get("exe"), name
        assert found.get("process.title") == process.get("title"), name
        assert list(found.get("process.args", ())) == process.get("args", []), name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("AVC", "AVC"),
        ("1400", "AVC"),
        ("UNKNOWN[1334]", "BPF"),
        ("MAC_TASK_CONTEXTS[1425]", "MAC_TASK_CONTEXTS"),
        ("UNKNOWN[9998]", "UNKNOWN[9998]"),
        ("9998", "UNKNOWN[9998]"),
    ],
)
def test_a_record_type_given_as_a_number_gets_its_name(written: str, name: str) -> None:
    found = parse_record(line(written, "pid=1"))
    assert found is not None
    assert found.record_type == name


def test_an_enriched_record_gives_names_in_upper_case() -> None:
    found = event(
        line("SYSCALL", 'arch=c00000b7 syscall=221 auid=1000 uid=0 comm="id" key=(null)')
        + '\x1dARCH=aarch64 SYSCALL=execve AUID="maija" UID="root"'
    )
    assert found["auditd.AUID"] == "maija"
    assert found["auditd.UID"] == found["user.name"] == "root"
    assert found["auditd.SYSCALL"] == "execve"
    assert "auditd.key" not in found


@pytest.mark.parametrize("separator", ["\x1d", "#035", ""])
def test_the_separator_of_an_enriched_record_may_have_been_lost_on_its_way(separator: str) -> None:
    sent = (
        f"Mar  4 11:00:00 web01 audispd: {line('SYSCALL', 'syscall=2 key=(null)')}{separator}ARCH=x86_64 SYSCALL=open"
    )
    assert event(sent)["auditd.SYSCALL"] == "open"


def test_numbers_get_names_where_the_log_is_not_enriched() -> None:
    found = event(line("SYSCALL", 'arch=40000003 syscall=11 success=no exit=-13 comm="x"'))
    assert found["auditd.syscall"] == ("11", "execve")
    assert found["auditd.SYSCALL"] == "execve"
    assert found["auditd.arch"] == "40000003"
    assert found["auditd.ARCH"] == "i386"
    assert found["auditd.exit"] == "-13"


def test_what_a_quoted_value_holds_is_never_a_field_of_its_own() -> None:
    found = event(line("SYSCALL", 'uid=1000 comm="uid=0 msg=\' exe=" exe="/bin/x"'))
    assert found["auditd.comm"] == "uid=0 msg=' exe="
    assert found["auditd.exe"] == "/bin/x"
    assert found["auditd.uid"] == "1000"


def test_a_message_of_a_program_does_not_override_what_the_kernel_wrote() -> None:
    found = event(
        line("USER_CMD", "pid=5 uid=1000 auid=1000 msg='cwd=\"/\" uid=0 type=EXECVE cmd=6C73202D6C res=success'")
    )
    assert found["auditd.uid"] == "1000"
    assert found["auditd.type"] == ("USER_CMD",)
    assert found["process.command_line"] == "ls -l"


def test_hex_is_read_as_text_only_where_the_field_is_written_so() -> None:
    found = event(line("USER_AUTH", "pid=1 msg='op=CAFE acct=DEADBEEF exe=\"/bin/6162\" id=4142 res=failed'"))
    assert found["auditd.op"] == "CAFE"
    assert found["auditd.exe"] == "/bin/6162"
    assert found["auditd.id"] == "4142"
    assert event(line("USER_AUTH", "msg='acct=6261642075736572 res=failed'"))["user.name"] == "bad user"


def test_an_account_of_hex_digits_is_not_decoded_where_no_encoding_was_needed() -> None:
    assert event(line("USER_AUTH", "msg='acct=616263 res=failed'"))["auditd.acct"] == "616263"


@pytest.mark.parametrize(
    ("saddr", "family", "ip", "port", "path"),
    [
        ("02000050A9FEA9FE0000000000000000", 2, "169.254.169.254", 80, None),
        ("00020050A9FEA9FE0000000000000000", 2, "169.254.169.254", 80, None),
        ("0A00001600000000" + "00" * 15 + "0100000000", 10, "::1", 22, None),
        ("01002F72756E2F7800FF", 1, None, None, "/run/x"),
        ("0100006162630000", 1, None, None, "@abc"),
        ("0200", 2, None, None, None),
        ("FF00", 255, None, None, None),
    ],
)
def test_a_socket_address_is_taken_apart(
    saddr: str, family: int, ip: str | None, port: int | None, path: str | None
) -> None:
    found = parse_socket(saddr)
    assert found is not None
    assert (found.family, found.ip, found.port, found.path) == (family, ip, port, path)


@pytest.mark.parametrize("saddr", ["", "02", "0200Z", "020", "xyzw"])
def test_what_is_no_socket_address_is_none(saddr: str) -> None:
    assert parse_socket(saddr) is None


@pytest.mark.parametrize(("call", "side"), [("42", "destination"), ("43", "source"), ("49", "server")])
def test_whose_address_it_is_depends_on_the_system_call(call: str, side: str) -> None:
    found = event(
        line("SYSCALL", f'arch=c000003e syscall={call} success=yes exit=0 pid=5 comm="nc"'),
        line("SOCKADDR", "saddr=02000050A9FEA9FE0000000000000000"),
    )
    assert found[f"{side}.ip"] == "169.254.169.254"
    assert found[f"{side}.port"] == 80
    assert found["auditd.saddr_fam"] == "inet"


# --- relayed records -------------------------------------------------------------------------------------------------

LOGIN = (
    "pid=12 uid=0 auid=4294967295 ses=4294967295 msg='op=login acct=\"root\" addr=192.0.2.7 terminal=ssh res=failed'"
)


@pytest.mark.parametrize(
    ("before", "node"),
    [
        ("node=db1 ", "db1"),
        ("Mar  4 11:00:00 web01 audispd: ", "web01"),
        ("Mar  4 11:00:00 web01 audispd: node=db1 ", "db1"),
        ("2026-03-04T11:00:00.123+02:00 web01 audisp-syslog[7]: ", "web01"),
        ("<13>1 2026-03-04T11:00:00Z web01 audispd 12 - - ", "web01"),
        ("Mar  4 11:00:00 web01 kernel: [   12.345678] audit: ", "web01"),
        ("[   12.345678] audit: ", None),
    ],
)
def test_a_record_may_come_through_syslog(before: str, node: str | None) -> None:
    found = event(before + line("USER_LOGIN", LOGIN))
    assert found.get("host.name") == node
    assert found["@timestamp"] == 1_767_225_600_250_000
    assert found["source.ip"] == "192.0.2.7"
    assert found["event.action"] == "logged-in"
    assert found["event.outcome"] == "failure"
    assert "user.audit.id" not in found


def test_the_kernel_writes_types_as_numbers() -> None:
    found = event(
        'Mar  4 11:00:00 web01 kernel: audit: type=1400 audit(1767225600.250:9): apparmor="DENIED" operation="open" '
        'profile="docker" name="/etc/shadow" pid=5 comm="cat"'
    )
    assert found["auditd.type"] == ("AVC",)
    assert found["event.outcome"] == "failure"
    assert found["auditd.name"] == "/etc/shadow"


def test_a_record_that_journald_passed_on_takes_its_time_from_the_line() -> None:
    parser = AuditdParser(CONTEXT)
    parsed = read_in([f"Mar  4 11:00:00 web01 audit[12]: USER_LOGIN {LOGIN}".encode()], parser=parser)
    found = parsed.events[0]
    assert found["@timestamp"] == int(datetime(2026, 3, 4, 11, tzinfo=UTC).timestamp() * 1_000_000)
    assert found["auditd.type"] == ("USER_LOGIN",)
    assert found["auditd.acct"] == "root"
    assert "auditd.sequence" not in found
    assert set(parser.notes) == {"F20", "F21"}


def test_another_programs_line_cannot_pass_for_a_record() -> None:
    forged = line("SYSCALL", 'comm="x"')
    assert read(f"Mar  4 11:00:00 web01 sshd[3]: Invalid user 'audit: {forged}").rejects
    assert read(f'Mar  4 11:00:00 web01 app: name="audit: {forged}').rejects
    assert read(f"Mar  4 11:00:00 web01 app: x={forged}").rejects


# --- events ----------------------------------------------------------------------------------------------------------


def test_the_records_of_a_program_start_are_one_event() -> None:
    parsed = read(*execution())
    assert parsed.held == [6]
    assert parsed.numbers == [1]
    assert parsed.offsets == [0]
    assert parsed.raw == ["\n".join(execution()).encode()]
    found = parsed.events[0]
    assert found["event.original"] == "\n".join(execution())
    assert found["auditd.type"] == ("SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE")
    assert found["process.args"] == ("chmod", "u+s", "/tmp/a b")
    assert found["process.command_line"] == found["process.title"] == "chmod u+s /tmp/a b"
    assert found["process.executable"] == "/usr/bin/chmod"
    assert found["process.name"] == "chmod"
    assert (found["process.pid"], found["process.parent.pid"]) == (101, 100)
    assert found["process.working_directory"] == "/home/matti"
    assert (found["user.id"], found["user.audit.id"]) == ("0", "1000")
    assert (found["event.action"], found["event.outcome"]) == ("executed", "success")
    assert found["event.category"] == ("process",)
    assert found["file.path"] == ("/usr/bin/chmod", "/lib64/ld-linux-x86-64.so.2")
    assert found["auditd.nametype"] == ("NORMAL", "NORMAL")
    assert found["auditd.key"] == "rights"


def test_the_arguments_of_a_program_win_over_those_of_the_system_call() -> None:
    found = event(*execution())
    assert [found.get(f"auditd.a{number}") for number in range(4)] == ["chmod", "u+s", "/tmp/a b", None]
    alone = event(execution()[0])
    assert [alone.get(f"auditd.a{number}") for number in range(4)] == ["55d0", "55d1", "55d2", "8"]


def test_a_long_argument_goes_on_through_records_even_within_a_character() -> None:
    found = event(
        line("EXECVE", 'argc=3 a0="ls" a1_len=7 a1[0]=61C3'),
        line("EXECVE", 'a1[1]=A42062 a1[2]="DE" a2="-l"'),
    )
    assert found["process.args"] == ("ls", "aä bDE", "-l")
    assert found["auditd.a1"] == "aä bDE"


def test_arguments_beyond_the_limit_are_counted_and_kept_raw() -> None:
    parser = AuditdParser(CONTEXT)
    many = line("EXECVE", " ".join(f'a{number}="{number}"' for number in range(auditd.MAX_ARGUMENTS + 3)))
    parsed = read_in([many.encode()], parser=parser)
    assert len(parsed.events[0]["process.args"]) == auditd.MAX_ARGUMENTS
    assert parser.notes == {"F31": 3}
    assert parsed.raw == [many.encode()]


def test_a_relative_path_is_made_absolute_where_the_log_says_how() -> None:
    def path(call: str, name: str, first: str = "0") -> object:
        return event(
            line("SYSCALL", f'arch=c000003e syscall={call} a0={first} comm="x"'),
            line("CWD", 'cwd="/srv/www"'),
            line("PATH", 'item=0 name="/srv" nametype=PARENT'),
            line("PATH", f'item=1 name="{name}" nametype=CREATE'),
        )["file.path"]

    assert path("2", "shell.php") == "/srv/www/shell.php"
    assert path("2", "../../etc/./passwd") == "/etc/passwd"
    assert path("257", "shell.php", "ffffff9c") == "/srv/www/shell.php"
    assert path("257", "shell.php", "5") == "shell.php"  # relative to an open directory that the log does not name


def test_several_keys_are_an_array() -> None:
    assert event(line("SYSCALL", "key=65786563013634626974"))["auditd.key"] == ("exec", "64bit")


def test_events_between_one_anothers_records_are_told_apart() -> None:
    one, other = execution(1), execution(2)
    parsed = read(*[record for pair in zip(one, other, strict=True) for record in pair])
    assert [found["auditd.sequence"] for found in parsed.events] == [1, 2]
    assert parsed.held == [6, 6]
    assert parsed.numbers == [1, 2]


def test_the_same_serial_number_on_another_node_or_at_another_time_is_another_event() -> None:
    records = [
        "node=a " + line("CWD", 'cwd="/a"'),
        "node=b " + line("CWD", 'cwd="/b"'),
        "node=a " + line("CWD", 'cwd="/c"', at="1767225600.251"),
    ]
    assert [found["auditd.cwd"] for found in read(*records).events] == ["/a", "/b", "/c"]


def test_a_message_of_a_program_is_given_out_at_once() -> None:
    parser = AuditdParser(CONTEXT)
    assert len(parser.feed(Chunk([line("USER_LOGIN", LOGIN).encode()], [0])).events) == 1
    assert parser.finish().events == []


def test_an_event_ends_with_its_process_title_once_another_record_follows() -> None:
    parser = AuditdParser(CONTEXT)
    records = [one.encode() for one in execution()]
    assert parser.feed(Chunk(records, range(6))).events == []
    assert parser.feed(Chunk([line("CWD", 'cwd="/"', 8).encode()], [6], 7)).held == [6]


def test_an_end_of_event_after_the_process_title_belongs_to_the_event() -> None:
    first, second, third = ([*execution(serial), line("EOE", "", serial)] for serial in (1, 2, 3))
    crossed = [*second[:-1], *third[:-1], second[-1], third[-1]]  # once EOE records were seen, they are waited for
    assert read(*first, *crossed).held == [7, 7, 7]


def test_an_event_without_an_end_is_complete_when_its_node_has_gone_on() -> None:
    parser = AuditdParser(CONTEXT)

    def feed(serial: int, at: str, node: str = "a") -> list[int]:
        record = f"node={node} " + line("CWD", 'cwd="/"', serial, at)
        return [found["auditd.sequence"] for found in parser.feed(Chunk([record.encode()], [0])).events]

    assert feed(1, "100.000") == []
    assert feed(2, "102.000") == []
    assert feed(3, "500.000", "b") == []
    assert feed(4, "102.001") == [1]
    assert feed(5, "50.000") == [2, 4]  # a clock that was set back
    assert [found["auditd.sequence"] for found in parser.finish().events] == [3, 5]


@pytest.mark.parametrize(("limit", "value"), [("MAX_OPEN_EVENTS", 3), ("MAX_OPEN_BYTES", 4 * 53)])
def test_the_oldest_event_is_closed_when_too_much_is_open(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(auditd, limit, value)
    parser = AuditdParser(CONTEXT)
    records = [line("CWD", 'cwd="/"', serial).encode() for serial in range(1, 6)]
    parsed = parser.feed(Chunk(records, range(5)))
    assert parsed.events[0]["auditd.sequence"] == 1
    assert parser.notes == {"F32": len(parsed.events)}
    assert len(parsed.events) + len(parser.finish().events) == 5


def test_unreadable_lines_are_kept_and_blank_ones_counted() -> None:
    parsed = read("", "  ", "no record", "type=UNKNOWN[1329] msg=?", line("CWD", "", at="253402300800.000"))
    assert parsed.blank == 2
    assert [one.reason for one in parsed.rejects] == ["F30", "F30", "F30"]
    assert parsed.rejects[0].facts == {"start": "no record"}
    assert (parsed.rejects[0].record, parsed.rejects[0].offset, parsed.rejects[0].raw) == (3, 4, b"no record")


def test_bytes_that_are_not_utf8_are_replaced_and_counted() -> None:
    written = line("CWD", 'cwd="/a?"').encode().replace(b"?", b"\xff")
    parsed = read(written, b"\0\0" + line("CWD", 'cwd="/b"', 8).encode())
    assert [found["auditd.cwd"] for found in parsed.events] == ["/a\u00ff", "/b"]
    assert parsed.repaired == 2
    assert parsed.raw[0] == written


@pytest.mark.parametrize(
    "body",
    ["a" * 2**20, "a=" * 2**19, 'a="' * 2**18, "avc: { " * 2**17, "avc:" + " " * 2**20, "'(" * 2**19, "a1[0]=" * 2**17],
)
def test_a_hostile_record_of_the_greatest_length_is_read_in_one_go(body: str) -> None:
    parsed = read(line("AVC", body), line("USER_AVC", "msg='" + body), body)
    assert parsed.records == 3


# --- properties ------------------------------------------------------------------------------------------------------


def cut(records: list[bytes], at: list[int]) -> list[list[bytes]]:
    edges = [0, *sorted(point % (len(records) + 1) for point in at), len(records)]
    return [records[start:end] for start, end in pairwise(edges)]


@st.composite
def interleaved(draw: st.DrawFn) -> list[bytes]:
    """Events of two nodes within a second, each event's records in order, with other events' records between them."""
    waiting = []
    for serial in range(1, draw(st.integers(1, 6)) + 1):
        node = draw(st.sampled_from(("", "node=a ", "node=b ")))
        time = f"1767225600.{draw(st.integers(0, 999)):03d}"
        waiting.append([(node + one).encode() for one in execution(serial, time)])
    mixed = []
    while waiting:
        chosen = draw(st.integers(0, len(waiting) - 1))
        mixed.append(waiting[chosen].pop(0))
        if not waiting[chosen]:
            waiting.pop(chosen)
    return mixed


@given(interleaved(), st.lists(st.integers(0, 40), max_size=5))
def test_every_event_is_whole_wherever_the_input_is_cut(records: list[bytes], at: list[int]) -> None:
    together, apart = read_in(records), read_in(*cut(records, at))
    assert apart == together
    assert set(together.held) == {6}
    assert len(together.events) * 6 == len(records)


FRAGMENTS = st.sampled_from(
    [
        *(b"type=", b"SYSCALL", b"EXECVE", b"PROCTITLE", b"EOE", b"USER_AVC", b"UNKNOWN[", b"1400]", b" msg=audit("),
        *(
            b"1.2:3",
            b"): ",
            b"node=x ",
            b"audit: ",
            b"kernel: ",
            b"audispd: ",
            b"msg='",
            b"avc:  denied  { read } for ",
        ),
        *(b'name="', b'"', b"a0[1]=", b"a1=", b"4142", b"C3", b"saddr=", b"0200", b"key=", b"arch=c000003e "),
        *(b"syscall=59 ", b"\x1d", b"\xff", b"\0", b"=", b" ", b"'", b"(null)", b"\xc2\xa0", b"auid=-1"),
        b"type=CWD msg=audit(1767225600.250:7): cwd=",
    ]
)
NOISE = st.lists(FRAGMENTS | st.binary(max_size=6), max_size=14).map(b"".join)
REAL = st.sampled_from([one.encode() for serial in (7, 8) for one in execution(serial)])


@given(st.lists(NOISE | REAL, max_size=12), st.lists(st.integers(0, 12), max_size=3))
def test_every_record_is_accounted_for_and_none_stops_the_parser(records: list[bytes], at: list[int]) -> None:
    parsed = read_in(*cut(records, at))
    assert parsed.records == len(records)
    assert parsed == read_in(records)
    assert len(parsed.events) == len(parsed.raw) == len(parsed.numbers) == len(parsed.offsets) == len(parsed.held)
    for raw, number, held in zip(parsed.raw, parsed.numbers, parsed.held, strict=True):
        assert raw.startswith(records[number - 1])
        assert held > 1 or raw == records[number - 1]
    json.dumps(parsed.events)


@given(st.text(st.characters(codec="utf-8", exclude_characters='"\x00'), min_size=1, max_size=40))
def test_an_encoded_name_reads_as_it_was(name: str) -> None:
    written = line("PATH", f"name={name.encode().hex().upper()}")
    expected = {} if name in {"?", "(null)", "{"} else {"auditd.name": name}
    assert {key: value for key, value in event(written).items() if key == "auditd.name"} == expected


# --- tables and detection --------------------------------------------------------------------------------------------


def test_the_tables_know_the_kernels_numbers() -> None:
    assert RECORD_TYPES[1300] == "SYSCALL"
    assert {name: calls["59" if name == "x86_64" else "221"] for name, calls in SYSCALLS.items() if name != "i386"} == {
        "x86_64": "execve",
        "aarch64": "execve",
        "riscv64": "execve",
        "loongarch64": "execve",
        "arm": "fcntl64",
        "armeb": "fcntl64",
    }
    assert all(calls["435"] == "clone3" for calls in SYSCALLS.values())


def test_every_action_is_of_something_that_exists() -> None:
    calls = {name for table in SYSCALLS.values() for name in table.values()}
    assert set(SYSCALL_ACTIONS) <= calls
    assert set(TYPE_ACTIONS) <= set(RECORD_TYPES.values())


def test_audit_records_are_recognised() -> None:
    sample = "\n".join(execution() * 3).encode()
    assert AUDITD.detect(sample) >= 95
    assert AUDITD.detect(sample[:700]) >= 95  # cut within a line
    assert AUDITD.detect(b"\n".join(b"node=web01 " + one.encode() for one in execution())) >= 95


@pytest.mark.parametrize(
    "sample",
    [
        b"",
        b"\n\n",
        b'{"type": "SYSCALL", "msg": "audit(1.2:3)"}\n' * 9,
        b"Mar  4 11:00:00 web01 sshd[3]: Failed password for root from 192.0.2.7 port 22 ssh2\n" * 9,
        b"<Event xmlns='x'><System/></Event>\n" * 9,
        b"ElfFile\x00\x00\x01" * 90,
        b"type=something else\n" * 9,
    ],
)
def test_anything_else_is_not_taken_for_audit_records(sample: bytes) -> None:
    assert AUDITD.detect(sample) == 0


@given(st.binary(max_size=300))
def test_recognition_never_fails(sample: bytes) -> None:
    assert 0 <= AUDITD.detect(sample) <= 100
