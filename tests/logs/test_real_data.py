"""Real logs: each record of them is accounted for, counted in another way than kyber reads them."""

import io
import os
import struct
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
import zstandard

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context, Format
from kyber.logs.formats.known import detect
from kyber.logs.inputs import Input
from kyber.logs.records import FRAMINGS
from kyber.logs.stream import Stream
from tests.data import outside, unpacked

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SMALL = 20 * 2**20
"""Bytes of the large file that are enough when it is not to be proven whole."""
DAMAGED: dict[str, str] = {}
"""Event logs with records that kyber cannot read: the file's name, and why that is right."""


def opened(path: Path) -> Stream:
    return Stream(Input(path.name, path, path.stat().st_size, NOW))


def read(stream: Stream, form: Format) -> Iterator[tuple[Chunk, Parsed]]:
    """Chunks with what was made of them; the last holds no records, and what the parser had kept until the end."""
    parser = form.parser(Context(reference=NOW, zone=UTC))
    for chunk in FRAMINGS[form.framing](stream):
        yield chunk, parser.feed(chunk)
    yield Chunk([], []), parser.finish()


# --- Windows events as JSON lines ------------------------------------------------------------------------------------


def judged_line_by_line(path: Path, most: int) -> Counter[str]:
    """Every line of a compressed file (up to so many bytes), by what a strict reader of JSON says of it."""
    found: Counter[str] = Counter()
    with path.open("rb") as stored:
        reader = zstandard.ZstdDecompressor().stream_reader(stored)
        for line in io.BufferedReader(reader) if most < 0 else io.BytesIO(reader.read(most)):
            try:
                found["object" if isinstance(orjson.loads(line), dict) else "other"] += 1
            except orjson.JSONDecodeError:
                found["broken" if line.strip() else "blank"] += 1
    return found


def account_for(path: Path, expected: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    stream = opened(path)
    form = detect(stream.sample)
    assert form.name == "windows"
    for chunk, parsed in read(stream, form):
        assert parsed.records == len(chunk.records)
        assert not chunk.cut
        found += Counter(
            events=len(parsed.events), rejects=len(parsed.rejects), blank=parsed.blank, repaired=parsed.repaired
        )
        assert {one.reason for one in parsed.rejects} <= {"F41"}
    stream.close()
    assert found["events"] + found["rejects"] + found["blank"] == expected.total()
    assert found["events"] - found["repaired"] == expected["object"]
    assert found["rejects"] + found["repaired"] == expected["broken"]
    assert found["blank"] == expected["blank"]
    return found


def test_each_line_at_the_start_of_the_windows_events_is_accounted_for(tmp_path: Path) -> None:
    path = outside("windows-events.jsonl.zst")
    start = tmp_path / "start.jsonl"
    with path.open("rb") as stored:
        start.write_bytes(zstandard.ZstdDecompressor().stream_reader(stored).read(SMALL))
    found = account_for(start, judged_line_by_line(path, SMALL))
    assert found["events"] > 5_000
    assert found["rejects"] <= 2  # the last line is cut by us


@pytest.mark.prove
@pytest.mark.skipif(not os.environ.get("KYBER_PROVE"), reason="KYBER_PROVE is not set: this reads 430 MB")
def test_each_of_the_windows_events_is_accounted_for() -> None:
    path = outside("windows-events.jsonl.zst")
    found = account_for(path, judged_line_by_line(path, -1))
    assert found["events"] + found["rejects"] + found["blank"] == 199_529
    assert found["rejects"] < 20


# --- event logs ------------------------------------------------------------------------------------------------------


def records_of(log: bytes) -> int:
    """The records that stand in an event log, walked in its chunks by their sizes (MS-EVEN6; libevtx's description)."""
    found = 0
    for start in range(4_096, len(log) - 511, 65_536):
        chunk = log[start : start + 65_536]
        if not chunk.startswith(b"ElfChnk\x00"):
            continue
        first, last = struct.unpack_from("<2Q", chunk, 8)
        (end,) = struct.unpack_from("<I", chunk, 48)
        at, here = 512, 0
        while at + 28 <= min(end, len(chunk)) and chunk.startswith(b"\x2a\x2a\x00\x00", at):
            (size,) = struct.unpack_from("<I", chunk, at + 4)
            assert struct.unpack_from("<I", chunk, at + size - 4) == (size,)
            at, here = at + size, here + 1
        assert here == last - first + 1
        found += here
    return found


def test_each_record_of_each_event_log_is_read() -> None:
    logs = sorted(unpacked("evtx-samples.tar.gz").rglob("*.evtx"))
    assert len(logs) == 156
    wrong, total = {}, 0
    for path in logs:
        stream = opened(path)
        form = detect(stream.sample)
        assert form.name == "evtx"
        made = [parsed for _, parsed in read(stream, form)]
        stream.close()
        events, rejects = sum(len(one.events) for one in made), sum(len(one.rejects) for one in made)
        assert all(one.blank == one.repaired == 0 for one in made)
        expected = records_of(path.read_bytes())
        if (events, rejects) != (expected, 0) and path.name not in DAMAGED:
            wrong[path.name] = (events, rejects, expected)
        total += events
    assert wrong == {}
    assert total == 3_412


# --- Linux -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form"), [("Linux_2k.log", "syslog"), ("OpenSSH_2k.log", "syslog"), ("Apache_2k.log", "web")]
)
def test_each_line_of_the_linux_logs_is_an_event(name: str, form: str) -> None:
    path = outside("linux") / name
    stream = opened(path)
    assert detect(stream.sample).name == form
    made = [parsed for _, parsed in read(stream, detect(stream.sample))]
    stream.close()
    expected = len(path.read_bytes().splitlines())
    assert sum(one.records for one in made) == expected == 2_000
    assert sum(len(one.events) for one in made) == 2_000
    assert [reject for one in made for reject in one.rejects] == []
