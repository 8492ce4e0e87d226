"""Lines that belong together are one record, and every line of an input is still accounted for."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context, Parser
from kyber.logs.formats import multiline as module
from kyber.logs.formats.json import json_parser
from kyber.logs.formats.multiline import indented, joined, not_starting, of_trace
from kyber.logs.formats.syslog import SYSLOG
from kyber.logs.formats.text import TEXT, TextParser
from kyber.logs.inputs import Input
from kyber.logs.scan import Job, scan
from kyber.logs.sigma.rule import read_rules
from kyber.logs.source import load_sources

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
CONTEXT = Context(reference=NOW, zone=UTC)
BY_TIME = Context(reference=NOW, zone=UTC, starts=r"\d{4}-\d\d-\d\d ")

TRACE = """2026-03-04 10:15:30 ERROR request failed
java.lang.IllegalStateException: no connection
\tat example.Pool.take(Pool.java:41)
\tat example.Main.run(Main.java:7)
Caused by: java.io.IOException: refused

\tat example.Socket.open(Socket.java:3)
2026-03-04 10:15:31 INFO next
"""


def chunks(lines: Sequence[bytes], most: int) -> Iterator[Chunk]:
    offsets = [sum(len(line) + 1 for line in lines[:index]) for index in range(len(lines))]
    for at in range(0, len(lines), most):
        yield Chunk(lines[at : at + most], offsets[at : at + most], at + 1)


def fed(parser: Parser, text: bytes | str, most: int = 100) -> Parsed:
    """What a parser makes of lines, all in one."""
    data = text.encode() if isinstance(text, str) else text
    whole = Parsed()
    for one in (*map(parser.feed, chunks(data.split(b"\n"), most)), parser.finish()):
        whole.held += one.held or [1] * len(one.events)
        whole.events += one.events
        whole.raw += one.raw
        whole.numbers += one.numbers
        whole.offsets += one.offsets
        whole.rejects += one.rejects
        whole.blank += one.blank
    return whole


# --- text and syslog -------------------------------------------------------------------------------------------------


def test_a_stack_trace_is_in_the_event_of_the_line_before_it() -> None:
    found = fed(TEXT.parser(CONTEXT), TRACE)
    assert found.held == [1, 6, 1]
    assert found.events[1]["message"] == "\n".join(TRACE.split("\n")[1:7])
    assert (found.numbers, found.blank, found.records) == ([1, 2, 8], 1, 9)


def test_what_the_first_line_of_a_record_matches_can_be_said() -> None:
    found = fed(TEXT.parser(BY_TIME), TRACE)
    assert (found.held, found.numbers) == ([7, 1], [1, 8])
    assert found.raw[0] == "\n".join(TRACE.split("\n")[:7]).encode()
    assert found.offsets == [0, TRACE.index("2026-03-04 10:15:31")]


def test_in_syslog_an_indented_line_goes_on_the_one_before_it() -> None:
    lines = (
        "Mar  4 10:15:30 gw-1 app[7]: starting",
        "    with: 1",
        "\twith: 2",
        "Mar  4 10:15:31 gw-1 sshd[412]: Accepted password for liisa from 192.0.2.7 port 50123 ssh2",
        "  ; USER=root",
    )
    found = fed(SYSLOG.parser(CONTEXT), "\n".join(lines))
    assert (found.held, found.rejects) == ([3, 2], [])
    assert found.events[0]["message"] == "starting\n    with: 1\n\twith: 2"
    assert (found.events[1]["user.name"], found.events[1]["source.ip"]) == ("liisa", "192.0.2.7")


def test_only_the_first_line_is_taken_for_what_a_program_of_syslog_says() -> None:
    sudo = "Mar  4 10:15:31 gw-1 sudo: liisa : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/id"
    found = fed(SYSLOG.parser(CONTEXT), f"{sudo}\n -u matti")
    assert found.events[0]["process.command_line"] == "/bin/id"


def test_a_reject_of_several_lines_counts_them_all() -> None:
    found = fed(SYSLOG.parser(CONTEXT), "no header\n  at all\n\n  here\nMar  4 10:15:31 gw-1 a: b")
    (reject,) = found.rejects
    assert (reject.reason, reject.record, reject.offset, reject.held) == ("F10", 1, 0, 4)
    assert (reject.raw, found.records) == (b"no header\n  at all\n\n  here", 5)


def test_other_formats_join_lines_where_a_source_says_so() -> None:
    pretty = '{\n  "a": 1\n}\n{\n  "a": 2\n}\nno JSON\n'
    context = Context(reference=NOW, zone=UTC, starts=r"\{|no")
    found = fed(joined(json_parser)(context), pretty)
    assert ([one["a"] for one in found.events], found.held) == ([1, 2], [3, 3])
    assert [one.held for one in found.rejects] == [1]
    assert type(joined(json_parser)(CONTEXT)) is type(json_parser(CONTEXT))


# --- what is held back -----------------------------------------------------------------------------------------------


def test_the_open_record_is_held_back_and_said_to_be() -> None:
    parser = TEXT.parser(CONTEXT)
    assert parser.pending is None
    assert parser.feed(Chunk([b"one", b" a", b"two", b" b"], [0, 4, 7, 11], 1)).records == 2
    assert parser.pending == 7
    assert parser.feed(Chunk([b"", b" c"], [14, 15], 5)).records == 0
    assert parser.pending == 7
    last = parser.finish()
    assert (last.raw, last.held, last.numbers) == ([b"two\n b\n\n c"], [4], [3])
    assert parser.pending is None


def test_blank_lines_belong_to_a_record_only_where_it_goes_on_after_them() -> None:
    found = fed(TEXT.parser(CONTEXT), "\n\none\n\n two\n \n\nthree\n\n")
    assert (found.raw, found.held, found.blank) == ([b"one\n\n two", b"three"], [3, 1], 7 - 1)


def test_a_line_that_was_cut_marks_its_record() -> None:
    seen: list[Chunk] = []

    class Seeing(TextParser):
        def feed(self, chunk: Chunk) -> Parsed:
            seen.append(chunk)
            return super().feed(chunk)

    parser = joined(Seeing, indented)(CONTEXT)
    parser.feed(Chunk([b"a", b"b", b" c", b"d", b"e"], [0, 2, 4, 7, 9], 1, frozenset([2])))
    assert [(list(chunk.records), chunk.cut) for chunk in seen] == [([b"a", b"b\n c", b"d"], frozenset([1]))]


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_a_record_takes_no_more_lines_than_the_limit() -> None:
    found = fed(TEXT.parser(CONTEXT), "a\n" + " b\n" * (2 * module.MAX_LINES) + "\n" * (2 * module.MAX_LINES))
    assert found.held == [module.MAX_LINES, module.MAX_LINES, 1]
    assert found.records == 4 * module.MAX_LINES + 2


def test_a_record_takes_no_more_bytes_than_the_limit() -> None:
    line = " " + "x" * (module.MAX_BYTES // 4)
    found = fed(TEXT.parser(CONTEXT), "\n".join(["a", *[line] * 7]))
    assert max(map(len, found.raw)) <= module.MAX_BYTES
    assert sum(found.held) == found.records == 8


def test_only_the_beginning_of_a_line_is_looked_at() -> None:
    goes_on = not_starting(".*x")
    assert not goes_on(b"a" * (module.LOOKED_AT - 1) + b"x")
    assert goes_on(b"a" * module.LOOKED_AT + b"x")
    assert not not_starting(".")(b"\xc4ndrad")


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{1001}{1001}"])
def test_a_pattern_that_cannot_be_asked_in_bounded_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        not_starting(pattern)


# --- the slow obvious way --------------------------------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from(
        [b"a", b" a", b"\tat x", b"", b" ", b"\r", b"Caused by: b", b"2026-03-04 x", b"a\x00", b"\xff", b"\0"]
    ),
    max_size=25,
)


def obvious(lines: Sequence[bytes], text: str) -> list[tuple[int, int]]:
    """Of each record: its first line (from 1), and how many lines it holds; blank lines after it left out."""
    starts = re.compile(text)
    found: list[tuple[int, int]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if found and not starts.match(line.decode(errors="replace")):
            found[-1] = (found[-1][0], number - found[-1][0] + 1)
        else:
            found.append((number, 1))
    return found


@given(LINES, st.integers(1, 5), st.sampled_from(["a", r"2026-\d\d", "[^ \t]"]))
def test_records_are_those_of_the_obvious_joining_however_the_lines_come(
    lines: list[bytes], most: int, starts: str
) -> None:
    context = Context(reference=NOW, zone=UTC, starts=starts)
    found = fed(TEXT.parser(context), b"\n".join(lines), most)
    records = [*zip(found.numbers, found.held, strict=True), *((one.record, one.held) for one in found.rejects)]
    assert sorted(records) == obvious(lines, starts)
    assert found.records == max(len(lines), 1)


@given(LINES, st.integers(1, 5), st.sampled_from([SYSLOG, TEXT]))
def test_every_line_is_accounted_for_and_none_is_raised_for(lines: list[bytes], most: int, form: object) -> None:
    assert form in (SYSLOG, TEXT)
    parser = form.parser(CONTEXT)  # type: ignore[attr-defined]
    assert fed(parser, b"\n".join(lines), most).records == max(len(lines), 1)
    assert parser.pending is None


@given(st.binary(max_size=40))
def test_rules_answer_for_any_line(line: bytes) -> None:
    assert {indented(line), of_trace(line), not_starting("a")(line)} <= {True, False}


# --- the whole path --------------------------------------------------------------------------------------------------


def test_a_scan_counts_every_line_and_joins_them_as_the_job_says(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(TRACE + "2026-03-04 10:15:32 \0 broken\n goes on\n", encoding="utf-8")
    given = Input(str(log), log, log.stat().st_size, NOW)
    job = Job(source="s", inputs=[given], zone=UTC, format="text", starts=BY_TIME.starts)
    (account,) = scan([job], read_rules([], {}), NOW).inputs
    assert (account.records, account.events, account.blank, account.rejected) == (10, 2, 0, {"F43": 2})


def test_a_source_says_what_a_record_starts_with_and_is_told_where_that_is_no_pattern(tmp_path: Path) -> None:
    file = tmp_path / "sources" / "app.yaml"
    file.parent.mkdir()
    for pattern, known in ((r"\d{4}-", True), ("(?=a)", False)):
        file.write_text(f"id: app\nname: App\nread:\n  paths: [a.log]\n  starts: '{pattern}'\n", encoding="utf-8")
        sources, problems = load_sources(tmp_path)
        assert [one.read.starts for one in sources if one.read] == [pattern] * known
        assert [(one.code, one.place.line) for one in problems] == [("K81", 5)] * (not known)
