"""The live journal: a process that answers as journalctl does is read to its end, and what it cannot read is said."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kyber.logs.batch import Chunk
from kyber.logs.formats import Context
from kyber.logs.formats.journald import JournaldParser
from kyber.logs.journal import MAX_SAID, available, cursor_of, entries
from kyber.logs.records import MAX_RECORD
from kyber.logs.stream import ReadingError

TIME = 1_772_619_330_000_000
ENTRIES = [
    {
        "__CURSOR": f"s=5c3f;i={number}",
        "__REALTIME_TIMESTAMP": str(TIME + number),
        "_SYSTEMD_UNIT": unit,
        "MESSAGE": text,
    }
    for number, (unit, text) in enumerate(
        [("ssh.service", "first"), ("cron.service", 'a "__CURSOR" : "s=0" in a text'), ("ssh.service", "third")]
    )
]

JOURNALCTL = """
import json, sys

ENTRIES = json.loads({entries!r})
required = {{"--output=json", "--no-pager", "--all"}}
after, since, units = None, 0, []
for argument in sys.argv[1:]:
    name, _, value = argument.partition("=")
    if name == "--version":
        sys.exit("systemd 252" if {broken!r} else 0)
    elif name == "--after-cursor":
        after = value
    elif name == "--since":
        since = float(value.removeprefix("@")) * 1e6
    elif name == "--unit":
        units.append(value)
    elif argument in required:
        required.remove(argument)
    else:
        sys.exit("unrecognized option " + argument)
assert not required
cursors = [one["__CURSOR"] for one in ENTRIES]
if after is not None and after not in cursors:
    sys.exit("Failed to seek to cursor: Invalid argument")
shown = ENTRIES if after is None else ENTRIES[cursors.index(after) + 1:]
shown = [one for one in shown if int(one["__REALTIME_TIMESTAMP"]) >= since]
for one in shown:
    if not units or one["_SYSTEMD_UNIT"] in units:
        print(json.dumps(one), flush=True)
{then}
"""


def journalctl(
    folder: Path, then: str = "", *, shown: list[dict[str, str]] = ENTRIES, broken: bool = False
) -> list[str]:
    """A program that answers as journalctl does, and does something more at its end."""
    file = folder / "journalctl.py"
    file.write_text(JOURNALCTL.format(entries=json.dumps(shown), then=then, broken=broken), encoding="utf-8")
    return [sys.executable, str(file)]


def messages(chunks: list[Chunk]) -> list[str]:
    return [json.loads(record)["MESSAGE"] for chunk in chunks for record in chunk.records]


def until_error(program: list[str], after: str | None = None) -> tuple[list[str], ReadingError]:
    """What was read, and what then went wrong."""
    found: list[Chunk] = []
    with pytest.raises(ReadingError) as caught:
        found.extend(entries(after, program=program))
    return messages(found), caught.value


def test_every_entry_comes_with_its_time_in_place_of_an_offset(tmp_path: Path) -> None:
    (chunk,) = entries(program=journalctl(tmp_path))
    assert [json.loads(record) for record in chunk.records] == ENTRIES
    assert (chunk.offsets, chunk.first) == ([TIME, TIME + 1, TIME + 2], 1)


def test_reading_goes_on_after_the_last_entry_that_was_kept(tmp_path: Path) -> None:
    program = journalctl(tmp_path)
    (chunk,) = entries(program=program)
    assert messages(list(entries(cursor_of(chunk.records[0]), program=program))) == messages([chunk])[1:]
    assert list(entries(cursor_of(chunk.records[-1]), program=program)) == []


def test_units_and_a_time_limit_what_is_read(tmp_path: Path) -> None:
    program = journalctl(tmp_path)
    assert messages(list(entries(units=["ssh.service"], program=program))) == ["first", "third"]
    assert messages(list(entries(units=["cron.service", "ssh.service"], program=program))) == messages(
        list(entries(program=program))
    )
    since = datetime.fromtimestamp((TIME + 2) / 1e6, UTC)
    assert messages(list(entries(since=since, program=program))) == ["third"]


def test_what_a_user_names_is_one_argument_whatever_stands_in_it(tmp_path: Path) -> None:
    for unit in ("a; touch x", "--output=cat", "$(id)", "a b"):
        assert list(entries(units=[unit], program=journalctl(tmp_path))) == []
    assert [one.name for one in tmp_path.iterdir()] == ["journalctl.py"]


def test_entries_are_read_by_the_format_of_the_journal(tmp_path: Path) -> None:
    (chunk,) = entries(program=journalctl(tmp_path))
    parsed = JournaldParser(Context(reference=datetime(2026, 3, 4, tzinfo=UTC), zone=UTC)).feed(chunk)
    assert [one["message"] for one in parsed.events] == [one["MESSAGE"] for one in ENTRIES]


def test_an_empty_journal_gives_nothing(tmp_path: Path) -> None:
    assert list(entries(program=journalctl(tmp_path, shown=[]))) == []
    assert list(entries(program=journalctl(tmp_path, "print('-- No entries --')", shown=[]))) == []


def test_a_line_longer_than_a_record_is_cut_and_marked(tmp_path: Path) -> None:
    chunks = list(entries(program=journalctl(tmp_path, f"print('x' * {2 * MAX_RECORD})")))
    assert [(len(chunk.records[index]), chunk.offsets[index]) for chunk in chunks for index in chunk.cut] == [
        (MAX_RECORD, 0)
    ]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_cursor_that_is_not_known_is_an_error_that_says_so(tmp_path: Path) -> None:
    found, error = until_error(journalctl(tmp_path), "s=other")
    assert (found, error.code) == ([], "F09")
    assert error.facts == {"why": "Failed to seek to cursor: Invalid argument"}


def test_a_failure_comes_after_what_could_be_read(tmp_path: Path) -> None:
    found, error = until_error(journalctl(tmp_path, "sys.exit(7)"))
    assert found == [one["MESSAGE"] for one in ENTRIES]
    assert (error.code, error.facts) == ("F09", {"why": "journalctl ended with status 7"})


def test_a_journal_that_is_not_seen_whole_is_not_passed_over(tmp_path: Path) -> None:
    hint = "Hint: You are currently not seeing messages from other users and the system."
    found, error = until_error(journalctl(tmp_path, f"print({hint!r}, file=sys.stderr)"))
    assert len(found) == len(ENTRIES)
    assert error.facts == {"why": hint}


def test_endless_complaints_neither_stop_the_reading_nor_fill_the_memory(tmp_path: Path) -> None:
    _, error = until_error(journalctl(tmp_path, "sys.stderr.write('x' * 2**22)"))
    assert len(str(error.facts["why"])) == MAX_SAID


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "journalctl")
    _, error = until_error([missing])
    assert error.code == "F09"
    assert missing in str(error.facts["why"])
    assert not available([missing])
    assert not available(["\0"])


def test_a_program_that_answers_is_there_and_one_that_fails_is_not(tmp_path: Path) -> None:
    assert available(journalctl(tmp_path))
    assert not available(journalctl(tmp_path, broken=True))


def test_the_process_ends_where_nobody_reads_on(tmp_path: Path) -> None:
    endless = "import os\nprint(json.dumps({'_PID': str(os.getpid())}), flush=True)\nwhile True: print('x' * 4095)"
    reading = entries(program=journalctl(tmp_path, endless, shown=[]))
    process = int(json.loads(next(reading).records[0])["_PID"])
    os.kill(process, 0)
    reading.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


# --- cursors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "cursor"),
    [
        (b'{"__CURSOR":"s=1;i=2;b=3"}', "s=1;i=2;b=3"),
        (b'{"MESSAGE":"\\"__CURSOR\\" : \\"s=0\\"", "__CURSOR" : "s=1"}', "s=1"),
        (b'{"X":"__CURSOR","Y":"s=0","__CURSOR":"s=1"}', "s=1"),
        (b'{"MESSAGE":"__CURSOR"}', None),
        (b"not JSON", None),
        (b"", None),
    ],
)
def test_a_cursor_is_the_entrys_own(record: bytes, cursor: str | None) -> None:
    assert cursor_of(record) == cursor
