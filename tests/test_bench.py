"""The benchmarks run, and measure what they say they do; nothing is asserted of how long anything takes."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
import zstandard

from bench.many import APART, NUMBERS, many, moved

ROOT = Path(__file__).parent.parent


def lines(count: int) -> bytes:
    """Windows process events of two hosts and two days, some of them worth a finding."""
    events = (
        {
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "SourceName": "Microsoft-Windows-Sysmon",
            "Hostname": f"host{index % 2}",
            "@timestamp": f"2026-03-{1 + index % 4 // 2:02}T10:00:00Z",
            "CommandLine": "rundll32 comsvcs.dll, MiniDump 612 t.dmp full" if index % 50 == 0 else "tool.exe",
            "RecordNumber": index,
        }
        for index in range(count)
    )
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def test_a_copy_has_other_days_and_record_numbers_and_nothing_else_is_changed() -> None:
    text = b'{"at": "2026-03-01T10:00:00Z", "EventRecordID": 12, "id": "x2026-03-01", "note": "1234-56-78 20260301"}'
    day = (date(2026, 3, 1) - 2 * APART).isoformat().encode()
    assert moved(text, 2) == text.replace(b"2026-03-01T", day + b"T").replace(b" 12,", b" %d," % (12 + 2 * NUMBERS))
    assert moved(text, 0) == text


def test_an_input_many_times_over_ends_with_the_input_itself(tmp_path: Path) -> None:
    given = tmp_path / "events.jsonl.zst"
    given.write_bytes(zstandard.compress(lines(30)))
    made = many(str(given), 3, tmp_path).read_bytes()
    assert made.count(b"\n") == 90
    assert made.endswith(lines(30))
    assert made.startswith(moved(lines(30), 2))
    assert many(str(given), 1, tmp_path).read_bytes() == lines(30)


def test_the_store_is_measured_and_all_scans_and_searches_agree(tmp_path: Path) -> None:
    given = tmp_path / "events.jsonl"
    given.write_bytes(lines(200))
    arguments = ["store", "--input", str(given), "--rules", "rules/security", "--times", "2"]
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    assert "; the same ids and counts in every scan" in done.stdout
    assert "8 matches" in done.stdout
    assert "50 and 50: equal" in done.stdout
    assert "peak memory, 2 times : once, second scan" in done.stdout


def test_a_scan_is_measured_against_parsing_alone(tmp_path: Path) -> None:
    given = tmp_path / "events.jsonl"
    given.write_bytes(lines(200))
    arguments = ["--input", str(given), "--rules", "rules/security", "--runs", "1"]
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    assert "scan : parsing, CPU" in done.stdout


def test_reading_rules_is_measured_and_those_that_were_kept_are_the_same() -> None:
    arguments = ["rules", "--rules", "rules/security", "--runs", "1"]
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    assert "from what was kept" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["the", "same", "True"]


def test_a_scan_by_several_processes_is_measured_against_loading_by_as_many(tmp_path: Path) -> None:
    given = tmp_path / "events.jsonl"
    given.write_bytes(lines(2_000))
    arguments = ["cores", "--input", str(given), "--rules", "rules/security", "--times", "3", "--workers", "2"]
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    assert "6,000 events" in done.stdout
    assert "scan : orjson.loads, wall" in done.stdout
    assert "peak memory of all processes" in done.stdout


@pytest.mark.skipif(not os.environ.get("KYBER_PROVE"), reason="KYBER_PROVE is not set: this scans many times")
def test_growth_is_measured_and_drawn(tmp_path: Path) -> None:
    given, out = tmp_path / "events.jsonl", tmp_path / "pictures"
    given.write_bytes(lines(500))
    arguments = ["growth", "--input", str(given), "--rules", "rules/security", "--times", "2", "--out", str(out)]
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    assert "1,000 events" in done.stdout
    for name, points in (("events", 2), ("rules", 5)):
        drawn = fromstring((out / f"growth-{name}.svg").read_text(encoding="utf-8"))
        assert len(drawn.findall(".//{http://www.w3.org/2000/svg}circle")) == points
