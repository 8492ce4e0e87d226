"""Collecting: whatever happens to log files, every line is stored, and none twice."""

import ctypes
import gzip
import lzma
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from kyber.logs import collect as collecting
from kyber.logs import records
from kyber.logs.collect import Collected, collect
from kyber.logs.inputs import Input, inputs
from kyber.logs.parse import Job
from kyber.logs.store.index import StoreError
from kyber.logs.store.lock import LockedError
from kyber.logs.store.parquet import ParquetStore, WritableStore, writing
from kyber.logs.stream import Stream
from tests.logs.storm import CrashError, Storm

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 4, 12, tzinfo=UTC)
STARTED = "INFO: Started server process\nINFO: Waiting for application startup.\n"


class Place:
    """A folder of logs and its store, under a clock of its own: each file written is as old as the clock says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, START

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, text: str | bytes, *, to: str = "ab") -> Path:
        """Write at the end of a file, at the clock's time."""
        path = self.path(name)
        path.parent.mkdir(exist_ok=True)
        with path.open(to) as opened:
            opened.write(text.encode() if isinstance(text, str) else text)
        return self.touch(name)

    def touch(self, name: str) -> Path:
        os.utime(self.path(name), (self.now.timestamp(), self.now.timestamp()))
        return self.path(name)

    def job(self, *paths: str, **how: Any) -> Job:
        full = [str(self.path(one)) for one in paths or ("app.log",)]
        return Job(source="s", inputs=inputs(full, self.now)[0], zone=UTC, paths=full, **how)

    def collect(self, *paths: str, after: float = 120, **how: Any) -> Collected:
        """Collect so many seconds later."""
        self.now += timedelta(seconds=after)
        with writing(self.folder / ".kyber", "the test") as store:
            return collect([self.job(*paths, **how)], store, self.now)

    def lines(self) -> list[str]:
        """All that is stored, rejected or not, sorted."""
        store = ParquetStore(self.folder / ".kyber")
        try:
            events = [batch.raw[row] for batch in store.events() for row in range(batch.rows)]
            return sorted(raw.decode(errors="replace") for raw in (*events, *(row["raw"] for row in store.rejected())))
        finally:
            store.close()

    def cursors(self) -> int:
        store = ParquetStore(self.folder / ".kyber")
        try:
            return len(store.index.cursors("s"))
        finally:
            store.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_in_a_storm_of_rotations_and_crashes_every_line_is_stored_once(seed: int, tmp_path: Path) -> None:
    found = Storm(seed, tmp_path).run(120)
    assert found["collects"] > 10
    assert found["stored"] > 50


# ----------------------------------------------------------------------------------------------------- one and the same


def test_what_was_read_is_not_read_again_and_what_is_new_is(place: Place) -> None:
    place.write("app.log", "one\ntwo\n")
    assert place.collect().stored == 2
    again = place.collect()
    assert (again.stored, again.duplicate, again.unchanged, again.inputs) == (0, 0, 1, ())
    place.write("app.log", "three\n")
    assert place.collect().stored == 1
    assert place.lines() == ["one", "three", "two"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_file_that_is_compressed_and_deleted_keeps_its_one_cursor(
    pack: Callable[[bytes], bytes], place: Place
) -> None:
    log = place.write("app.log", "one\ntwo\n")
    place.collect()
    place.write("app.log", "three\n")
    place.write("app.log.1.gz", pack(log.read_bytes()))
    log.unlink()
    assert place.collect().stored == 1
    assert place.lines() == ["one", "three", "two"]
    assert place.cursors() == 1


def test_a_file_that_is_replaced_by_a_longer_one_of_the_same_beginning_is_read_on(place: Place) -> None:
    """As rsync does it: each time another inode."""
    for number in range(1, 6):
        place.write("new", "".join(f"line {one}\n" for one in range(number * 3)))
        place.path("new").rename(place.path("app.log"))
        assert place.collect().stored == 3
    assert place.cursors() == 1


def test_lines_that_two_files_begin_with_are_stored_for_both(place: Place) -> None:
    """Containers of one image write the same lines at their start, without a time."""
    for name in ("web-1.log", "web-2.log", "web-10.log"):
        place.write(name, STARTED)
    place.collect("*.log")
    place.write("web-2.log", "GET / 200\n")
    place.write("web-10.log", "GET / 200\n")
    place.collect("*.log")
    assert place.lines() == sorted(STARTED.splitlines() * 3 + ["GET / 200"] * 2)


def test_a_new_file_that_begins_as_the_one_that_was_renamed_is_another(place: Place) -> None:
    place.write("app.log", STARTED)
    place.collect()
    place.path("app.log").rename(place.path("app.log.1"))
    place.write("app.log", STARTED)
    place.collect()
    place.write("app.log", "GET / 200\n")
    place.collect()
    assert place.lines() == sorted([*STARTED.splitlines() * 2, "GET / 200"])


def test_all_of_a_folder_of_rotated_files_that_begin_alike_is_stored(place: Place) -> None:
    place.write("app.log", STARTED)
    for number in range(1, 4):
        place.write(f"app.log.{number}", f"{STARTED}request {number}\n")
    place.write("app.log.4.gz", gzip.compress(f"{STARTED}request 4\n".encode()))
    place.collect("*")
    assert place.lines() == sorted([*STARTED.splitlines() * 5, *(f"request {number}" for number in range(1, 5))])


def test_a_file_of_another_program_is_no_rotated_one(place: Place) -> None:
    place.write("server1.log", "one\n")
    place.collect("server1.log")
    place.write("server10.log", "another program\n")
    place.write("server1.log.bak-of-mine", "another file\n")
    place.collect("server1.log")
    assert place.lines() == ["one"]


def test_what_was_rotated_before_the_first_look_is_left_alone_and_what_is_rotated_later_is_read(place: Place) -> None:
    place.write("app.log.1", "old\n")
    place.now += timedelta(hours=1)
    place.write("app.log", "one\n")
    place.collect()
    place.path("app.log.1").rename(place.path("app.log.3"))
    place.path("app.log").rename(place.path("app.log.2"))
    place.write("app.log.2", "two\n")
    place.write("app.log.1", "three\n")
    place.write("app.log", "four\n")
    place.collect()
    assert place.lines() == ["four", "one", "three", "two"]


def test_a_log_that_is_not_there_at_the_moment_is_still_found_where_it_was_rotated_to(place: Place) -> None:
    place.write("other.log", "other\n")
    place.collect("app.log", "other.log")
    place.write("app.log", "one\n")
    place.path("app.log").rename(place.path("app.log.1"))
    place.collect("app.log", "other.log")
    assert place.lines() == ["one", "other"]


def test_a_link_that_leads_to_another_file_each_day_loses_no_line_of_the_day_before(place: Place) -> None:
    place.write("app-0304.txt", "one\n")
    place.path("current").symlink_to("app-0304.txt")
    place.collect("current")
    place.write("app-0304.txt", "two\n")
    place.write("app-0305.txt", "three\n")
    place.path("current").unlink()
    place.path("current").symlink_to("app-0305.txt")
    place.collect("current")
    assert place.lines() == ["one", "three", "two"]


def test_an_inode_that_comes_back_under_the_name_of_the_log_is_a_new_file(place: Place) -> None:
    """The oldest file is deleted, and the new log gets its inode: here the very file, emptied and renamed."""
    place.write("app.log", STARTED)
    place.collect()
    place.path("app.log").rename(place.path("app.log.1"))
    place.collect()
    place.write("app.log.1", STARTED, to="wb")
    place.path("app.log.1").rename(place.path("app.log"))
    place.now += timedelta(hours=1)
    place.touch("app.log")
    place.collect()
    assert place.lines() == sorted(STARTED.splitlines() * 2)


def test_an_inode_that_comes_back_under_the_name_of_another_log_is_a_new_file(place: Place) -> None:
    """Here too the very file, emptied and renamed; what both logs begin with is stored for both."""
    place.write("web.log", STARTED)
    place.write("app.log", "one\n")
    place.collect("*.log")
    place.path("web.log").rename(place.path("web.log.1"))
    place.collect("*.log")
    place.write("web.log.2.gz", gzip.compress(place.path("web.log.1").read_bytes()))
    place.path("web.log.1").write_text("")
    place.path("web.log.1").rename(place.path("app.log"))
    place.write("app.log", f"{STARTED}GET / 200\n")
    place.collect("*.log")
    assert place.lines() == sorted([*STARTED.splitlines() * 2, "GET / 200", "one"])


def test_a_log_that_was_renamed_before_its_first_line_was_whole_is_not_taken_for_a_copy(place: Place) -> None:
    """Though all of it, as far as it goes, was read at the same place of the log before it."""
    place.write("app.log", STARTED)
    place.collect("app.log")
    place.path("app.log").unlink()
    place.write("app.log", STARTED[:5])
    place.collect("app.log", after=5)
    place.path("app.log").rename(place.path("app.log.1"))
    place.write("app.log.1", STARTED[5:])
    place.write("app.log", "one\n")
    place.collect("app.log", after=5)
    assert place.lines() == sorted([*STARTED.splitlines() * 2, "one"])


# ------------------------------------------------------------------------------------------------- copied and truncated


def test_a_copy_of_a_log_that_went_on_meanwhile_is_recognised_once_the_log_was_cut(place: Place) -> None:
    log = place.write("app.log", "one\ntwo\n")
    place.collect()
    copy = log.read_bytes()
    place.write("app.log", "three\n")
    place.collect()
    place.write("app.log.1", copy)
    place.write("app.log", "four\n", to="wb")
    assert place.collect().stored == 1
    assert place.lines() == ["four", "one", "three", "two"]


def test_a_copy_that_is_still_being_made_is_left_for_the_next_time(place: Place) -> None:
    place.write("app.log", "one\ntwo\nthree\n")
    place.collect()
    place.now += timedelta(minutes=5)
    place.write("app.log.1", "one\n")
    assert place.collect(after=1).stored == 0
    place.write("app.log.1", "two\nthree\nfour\n")
    place.write("app.log", "", to="wb")
    assert place.collect().stored == 1
    assert place.lines() == ["four", "one", "three", "two"]


def test_an_event_that_a_copy_cuts_in_two_is_stored_in_two_parts_and_not_twice(place: Place) -> None:
    """The copy was looked at before its original was truncated, and what follows its last line had been written."""
    log = place.write("app.log", "one\ntwo\n")
    place.collect("app.log")
    place.write("app.log", "three\n")
    place.write("app.log.1", log.read_bytes())
    place.write("app.log", "    at frame 3\nfour\n")
    place.collect("app.log")
    assert place.lines() == ["    at frame 3", "four", "one", "three", "two"]
    assert place.cursors() == 2


def test_a_copy_met_before_its_first_line_was_whole_is_recognised_when_it_is_whole(place: Place) -> None:
    """And though nothing was read of its original before it was met."""
    place.write("app.log.1", "on")
    place.write("app.log", "one\ntwo\n")
    place.collect("app.log", "app.log.1", after=5)
    place.write("app.log.1", "e\ntwo\n")
    place.write("app.log", "three\n", to="wb")
    place.collect("app.log", "app.log.1")
    assert place.lines() == ["one", "three", "two"]


def test_a_copy_met_before_its_first_line_was_whole_goes_on_where_its_original_was_read_to(place: Place) -> None:
    place.write("app.log.1", "on")
    place.write("app.log", "one\ntwo\n")
    place.collect("app.log", "app.log.1", after=5)
    place.write("app.log.1", "e\ntwo\nthree\n")
    place.write("app.log", "four\n", to="wb")
    place.collect("app.log", "app.log.1")
    assert place.lines() == ["four", "one", "three", "two"]


def test_a_copy_of_a_log_in_an_inode_that_was_another_log_of_it_is_recognised(place: Place) -> None:
    """Copied before it was ever looked at, and looked at before it was truncated."""
    place.write("app.log.1", "old one\nold two\n")
    place.write("other.log", "other\n")
    place.collect("app.log", "app.log.1", "other.log")
    place.write("app.log.1", "one\ntwo\n", to="wb")
    place.path("app.log.1").rename(place.path("app.log"))
    place.write("app.log.1", "one\ntwo\n")
    place.collect("app.log", "app.log.1", "other.log")
    assert place.lines() == ["old one", "old two", "one", "other", "two"]


def test_a_line_stored_in_parts_is_recognised_whole_in_a_copy(place: Place) -> None:
    place.write("app.log", "one\nunfinis")
    place.collect()
    place.write("app.log", "hed\ntwo\nthree\n")
    place.collect()
    place.write("app.log.1", "one\nunfinished\ntwo\n")
    place.write("app.log", "four\n", to="wb")
    place.collect()
    assert place.lines() == ["four", "hed", "one", "three", "two", "unfinis"]


@pytest.mark.parametrize("regrown", ["", "short\n", "as long as it was before, and longer\n" * 3])
def test_a_log_that_was_truncated_is_read_from_its_start(regrown: str, place: Place) -> None:
    place.write("app.log", "".join(f"a line {number}\n" for number in range(8)))
    place.collect()
    place.write("app.log", regrown, to="wb")
    assert place.collect().stored == len(regrown.splitlines())


def test_a_file_that_is_cut_while_it_is_read_is_read_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = place.write("app.log", "first\n" * 400)
    monkeypatch.setattr(collecting, "CHUNK", 600)
    after = [3]

    def cut(stream: Stream) -> bool:
        after[0] -= 1
        if not after[0]:
            log.write_text("second\n" * 3)
            place.touch("app.log")
        return unchanged(stream)

    unchanged = Stream.unchanged.fget
    assert unchanged is not None
    monkeypatch.setattr(Stream, "unchanged", property(cut))
    place.collect()
    place.collect()
    assert place.lines().count("second") == 3


# --------------------------------------------------------------------------------------------------- what is unfinished


def test_a_line_without_an_end_waits_until_nobody_writes_any_more(place: Place) -> None:
    place.write("app.log", "one\ntw")
    assert place.collect(after=30).stored == 1
    place.write("app.log", "o\nthr")
    assert place.collect(after=30).stored == 1
    assert place.collect(after=31).stored == 1
    assert place.lines() == ["one", "thr", "two"]


def test_the_format_is_not_told_from_half_a_line(place: Place) -> None:
    place.write("app.log", "2026-03-")
    place.collect(after=5)
    place.write("app.log", "04T12:00:05Z host sshd[7]: Accepted password for root from 192.0.2.1 port 22 ssh2\n")
    assert [one.format for one in place.collect().inputs] == ["syslog"]


def test_half_lines_that_begin_alike_do_not_make_one_file_of_two(place: Place) -> None:
    for name in ("a.log", "b.log"):
        place.write(name, "tic")
    place.collect("*.log", after=5)
    for name in ("a.log", "b.log"):
        place.write(name, "k\ntick\n")
    place.collect("*.log")
    assert place.lines() == ["tick"] * 4


def test_json_that_spans_lines_is_read_while_it_grows_but_for_its_last_value(place: Place) -> None:
    place.write("app.json", '{\n "number": 1\n}\n{\n "number": 2\n}\n{\n "numb')
    assert place.collect("app.json", after=5, format="json-document").stored == 2
    place.write("app.json", 'er": 3\n}\n')
    assert place.collect("app.json", after=5, format="json-document").stored == 1
    assert len(place.lines()) == 3
    assert place.cursors() == 1


# --------------------------------------------------------------------------------------------- encodings and containers


def test_each_member_of_an_archive_is_read_and_none_again(place: Place) -> None:
    with zipfile.ZipFile(place.path("logs.zip"), "w") as archive:
        archive.writestr("a.log", "one\n")
        archive.writestr("b.log", "two\n")
        archive.writestr("c.log", "two\n")
    place.touch("logs.zip")
    assert place.collect("logs.zip").stored == 3
    assert place.collect("logs.zip").unchanged == 3
    assert place.lines() == ["one", "two", "two"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_growing_file_in_utf_16_is_read_on_where_reading_stopped(encoding: str, place: Place) -> None:
    """A character of two bytes becomes one of three, so that what is read is longer than what was asked for."""
    mark = "\ufeff".encode(encoding)
    lines = [f"{number} 日本語のログ – “引用” {'漢字' * 300}" for number in range(40)]
    place.write("app.log", mark)
    for start in range(0, 40, 8):
        place.write("app.log", "".join(f"{line}\n" for line in lines[start : start + 8]).encode(encoding))
        found = place.collect()
        assert (found.stored, found.duplicate) == (8, 0)
    assert place.lines() == sorted(lines)


def test_a_file_whose_name_is_no_text_is_collected_and_followed(place: Place) -> None:
    name = os.fsdecode(b"caf\xe9.log")
    place.write(name, "one\n")
    assert place.collect("*").stored == 1
    place.path(name).rename(place.path(f"{name}.1"))
    place.write(f"{name}.1", "two\n")
    place.write(name, "three\n")
    place.collect(name)
    assert place.collect("*").stored == 0
    assert place.lines() == ["one", "three", "two"]


def test_a_file_whose_last_line_was_cut_is_known_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 100)
    for length in (99, 100, 101, 102, 1_000, 100_000):
        place.write(f"{length}.log", f"file {length}\n{'x' * length}\n")
    assert place.collect("*").stored == 12
    for length in (99, 100, 101, 102, 1_000, 100_000):
        log = place.write(f"{length}.log", "two\n")
        place.write(f"{length}.log.1.gz", gzip.compress(log.read_bytes()))
        log.unlink()
    found = place.collect("*")
    assert (found.stored, found.duplicate) == (6, 0)


def test_bytes_of_any_kind_are_stored_as_they_are(place: Place) -> None:
    raw = [b"\0" * 300 + b"after a hole", b"\xff\xfe\xe4", b"plain", b"\x1b[31mred", b"a\0b"]
    place.write("app.log", b"plain\n" + b"\n".join(raw) + b"\n")
    place.collect()
    assert place.lines() == sorted(["plain", *(one.decode(errors="replace") for one in raw)])


# ----------------------------------------------------------------------------------------------- what stands in the way


def test_a_file_that_vanishes_after_it_was_listed_is_found_where_it_went(place: Place) -> None:
    """Last written long before the look at which it was renamed, and never read until then."""
    place.write("other.log", "other\n")
    place.collect("*.log")
    place.write("app.log", "one\n")
    place.now += timedelta(minutes=5)

    def opened(given: Input) -> Stream:
        if not place.path("app.log.1").exists():
            place.path("app.log").rename(place.path("app.log.1"))
            place.write("app.log", "two\n")
        return Stream(given)

    with patch.object(collecting, "Stream", opened):
        assert place.collect("*.log").problems[1:] == ()
    place.collect("*.log")
    assert place.lines() == ["one", "other", "two"]


def test_a_log_that_is_rotated_and_compressed_after_the_files_were_listed_is_known_again(place: Place) -> None:
    """Under the name of another file, which was there when they were listed, while its own other name was, too."""
    place.write("app.log.2.gz", gzip.compress(b"before\n"))
    place.write("app.log", "one\ntwo\n")
    place.collect("app.log*")
    place.path("app.log").rename(place.path("app.log.1"))
    place.write("app.log.1", "three\n")
    place.now += timedelta(minutes=1)
    place.touch("app.log.2.gz")

    def opened(given: Input) -> Stream:
        stream = Stream(given)
        if place.path("app.log.1").exists():
            place.path("app.log.2.gz").rename(place.path("app.log.3.gz"))
            place.write("app.log.2.gz", gzip.compress(place.path("app.log.1").read_bytes()), to="wb")
            place.path("app.log.1").unlink()
        return stream

    with patch.object(collecting, "Stream", opened):
        assert place.collect("app.log*").stored == 1
    place.collect("app.log*")
    assert place.lines() == ["before", "one", "three", "two"]


def test_a_compressed_log_is_known_again_though_another_has_the_name_and_the_inode_that_it_had(place: Place) -> None:
    place.write("app.log", "one\ntwo\n")
    place.path("app.log").rename(place.path("app.log.1"))
    place.write("app.log", "newer\n")
    place.collect("app.log*")
    place.write("app.log.2.gz", gzip.compress(place.path("app.log.1").read_bytes()))
    place.now += timedelta(minutes=1)
    place.write("app.log.1", "newer still\n", to="wb")  # the inode stays, as where it is given to the next file
    place.collect("app.log*")
    assert place.lines() == ["newer", "newer still", "one", "two"]


def test_what_a_run_that_died_did_not_get_to_is_still_new_to_the_next(place: Place) -> None:
    """Also where both files were rotated meanwhile, and the one was never seen."""
    place.write("a.log", "a 1\n")
    place.write("b.log", "b 1\n")
    place.collect("a.log", "b.log")
    place.write("a.log", "a 2\n")
    for name in ("b.log.2", "b.log.1", "b.log"):
        place.write(name, f"in {name}\n") if name != "b.log.2" else place.path("b.log").rename(place.path("b.log.2"))
    place.now += timedelta(minutes=5)
    append = WritableStore.append

    def dies(store: WritableStore, batch: Any, *args: Any, **kwargs: Any) -> Any:
        if batch is not None and "b.log" in batch.origin(0).file:
            raise CrashError
        return append(store, batch, *args, **kwargs)

    with patch.object(WritableStore, "append", dies), pytest.raises(CrashError):
        place.collect("a.log", "b.log")
    place.collect("a.log", "b.log")
    assert place.lines() == ["a 1", "a 2", "b 1", "in b.log", "in b.log.1"]


def test_when_the_very_first_run_dies_nothing_that_it_had_before_it_is_lost(place: Place) -> None:
    place.write("a.log", "a 1\n")
    place.write("b.log", "b 1\n")

    def dies(*_: Any, **__: Any) -> Any:
        raise CrashError

    with patch.object(WritableStore, "append", dies), pytest.raises(CrashError):
        place.collect("a.log", "b.log")
    for name in ("a.log", "b.log"):
        place.path(name).rename(place.path(f"{name}.1"))
        place.write(name, f"{name} 2\n")
    place.collect("a.log", "b.log")
    assert place.lines() == ["a 1", "a.log 2", "b 1", "b.log 2"]


def test_a_clock_that_went_ahead_and_back_loses_nothing(place: Place) -> None:
    place.write("app.log", "one\n")
    place.collect(after=10 * 365 * 86_400)
    place.now = START + timedelta(hours=1)
    place.path("app.log").rename(place.path("app.log.2"))
    place.write("app.log.1", "two\n")
    place.write("app.log", "three\n")
    place.collect()
    place.collect()
    assert place.lines() == ["one", "three", "two"]


def test_a_compressed_file_that_breaks_off_gives_what_it_holds_and_goes_on_when_it_is_whole(place: Place) -> None:
    whole = gzip.compress(b"".join(b"line %d %s\n" % (number, os.urandom(20).hex().encode()) for number in range(999)))
    place.write("app.log.gz", whole[: len(whole) // 2])
    first = place.collect("app.log.gz")
    assert [one.code for one in first.problems if one.code == "F06"] == ["F06"]
    assert 0 < first.stored < 999
    place.write("app.log.gz", whole[len(whole) // 2 :])
    second = place.collect("app.log.gz")
    assert (first.stored + second.stored, second.duplicate) == (999, 0)


READING = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.store.parquet import writing
folder, now = Path(sys.argv[1]), datetime.now(UTC)
with writing(folder / "state", "the test") as store:
    found, problems = inputs([str(folder / "*.log")], now)
    made = collect([Job(source="s", inputs=found, zone=UTC)], store, now)
    named = [(one.code, Path(one.place.file).name) for one in (*problems, *made.problems)]
    print(made.stored, [(code, name) for code, name in named if code.startswith("F0")])
"""


def without_rights() -> None:
    """In a child about to begin: root without the right to read what it may not (CAP_DAC_OVERRIDE, _READ_SEARCH)."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        assert not any(prctl(24, right, 0, 0, 0) for right in (1, 2))  # PR_CAPBSET_DROP


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="rights that root can let go of are Linux's")
def test_a_file_that_may_not_be_read_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    for file in ("a.log", "b.log", "c.log"):
        (tmp_path / file).write_text(f"{file}\n")
        os.utime(tmp_path / file, (1_770_000_000, 1_770_000_000))
    (tmp_path / "b.log").chmod(0)
    made = _run(READING, tmp_path, before=without_rights)
    assert made.stdout == "2 [('F02', 'b.log')]\n", made.stderr
    (tmp_path / "b.log").chmod(0o600)
    made = _run(READING, tmp_path, before=without_rights)
    assert made.stdout == "1 []\n", made.stderr


LIMITED = """
import resource, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.store.index import StoreError
from kyber.logs.store.parquet import writing
folder, limit, now = Path(sys.argv[1]), int(sys.argv[2]), datetime.now(UTC)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with writing(folder / "state", "limited") as store:
        found, _ = inputs([str(folder / "app.log")], now)
        print(collect([Job(source="s", inputs=found, zone=UTC)], store, now).stored)
except StoreError as error:
    print("StoreError", error)
"""


def _run(
    program: str, *arguments: object, before: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("limit", [1_000, 60_000, 130_000, 200_000])
def test_where_no_more_can_be_written_that_is_said_and_the_next_run_loses_nothing(limit: int, tmp_path: Path) -> None:
    """As on a full disk, wherever it fills up: in the index, in a segment, in the log of the database."""
    lines = [f"line {number} {os.urandom(90).hex()}" for number in range(3_000)]
    log = tmp_path / "app.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    os.utime(log, (1_770_000_000, 1_770_000_000))
    made = _run(LIMITED, tmp_path, limit)
    assert made.stdout.startswith("StoreError"), (made.stdout, made.stderr)
    assert str(tmp_path / "state") in made.stdout
    assert _run(LIMITED, tmp_path, 0).stdout == "3000\n"
    store = ParquetStore(tmp_path / "state")
    try:
        stored = [raw.decode() for batch in store.events() for raw in batch.raw[:]]
    finally:
        store.close()
    assert sorted(stored) == sorted(lines)
    assert not list((tmp_path / "state").rglob("*.part"))


def test_a_second_collector_is_told_who_is_collecting(place: Place) -> None:
    place.write("app.log", "one\n")
    with (
        writing(place.folder / ".kyber", "kyber logs collect since 12:00"),
        pytest.raises(LockedError, match="kyber logs collect since 12:00"),
    ):
        place.collect()
    assert place.collect().stored == 1


def test_a_damaged_index_is_told_of_by_who_collects(place: Place) -> None:
    place.write("app.log", "one\n")
    place.collect()
    index = place.folder / ".kyber" / "index.sqlite"
    data = bytearray(index.read_bytes())
    data[4_096:] = os.urandom(len(data) - 4_096)
    index.write_bytes(data)
    with pytest.raises(StoreError, match=r"index\.sqlite"):
        place.collect()


def test_the_ledger_tells_where_each_record_went(place: Place) -> None:
    place.write("app.log", b"one\n\n  \ntwo \xff\na\0b\n")
    place.collect()
    log = place.path("app.log")
    shutil.copy2(log, place.path("app.log.1"))
    place.write("app.log", "three\n", to="wb")
    place.collect()
    with writing(place.folder / ".kyber", "the test") as store:
        reads: Sequence[Any] = list(store.index.reads("s"))
        total = store.totals()["s"]
    assert all(one.records == one.held + one.blank + one.rejected for one in reads)
    assert all(one.events == one.stored + one.duplicate for one in reads)
    assert (total.records, total.blank, total.rejected, total.repaired) == (6, 2, 1, 1)
    assert (total.stored, total.kept) == (3, 3)
