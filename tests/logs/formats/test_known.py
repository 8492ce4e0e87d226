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
from kyber.logs.records import documents, lines
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
    "text": ("an ordinary sentence, as a program may write it", "=== käynnistys ==="),
}


@pytest.mark.parametrize("name", REAL)
def test_each_format_is_told_from_its_lines(name: str) -> None:
    assert detect("\n".join(REAL[name]).encode()).name == name
    assert all(detect(line.encode()).name == name for line in REAL[name] if name != "auditd")


def test_json_over_lines_is_told_from_json_a_line() -> None:
    for name in ("windows", "json"):
        wide = json.dumps([json.loads(line) for line in REAL[name]], indent=2)
        assert detect(wide.encode()).name == f"{name}-document"


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

    def read(self, _: int) -> bytes:
        data, self.data = self.data, b""
        return data


FRAMINGS: dict[str, Callable[[Any], Iterator[Chunk]]] = {"lines": lines, "json": documents}


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
