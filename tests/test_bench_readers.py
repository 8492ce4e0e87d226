"""Ways to read JSON lines are measured, and what they read is held against orjson; not how long anything takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.reading import BROKEN, CELLS, READERS, SYSMON, THREADED

ROOT = Path(__file__).parent.parent


@pytest.fixture
def events(tmp_path: Path) -> Path:
    given = tmp_path / "events.jsonl"
    lines = [
        {"EventID": 1 + index % 3, "Channel": SYSMON, "Image": f"C:\\{index % 7}.exe", "RecordNumber": index}
        | ({"EventID": "1"} if index == 40 else {})
        | ({"Image": None} if index == 50 else {})
        for index in range(100)
    ]
    given.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return given


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout


def test_every_way_reads_the_same_number_of_events_or_says_why_not(events: Path) -> None:
    shown = run("readers", "--input", str(events), "--runs", "1", "--only", "orjson")
    table = shown[: shown.index("One odd line")].splitlines()
    for name in (name for name in READERS if "orjson" in name):
        (line,) = [one for one in table if one.startswith(name + "  ")]
        assert line.endswith(" 100") or "not installed" in line


def test_what_a_way_reads_is_held_against_orjson_cell_by_cell(events: Path) -> None:
    shown = run("readers", "--input", str(events), "--runs", "1", "--only", "routed columns", "--check")
    compared = [line for line in shown.splitlines() if "cells," in line]
    assert len(compared) >= 4  # five where msgspec is installed
    assert all(" 0 differ from orjson's" in line and "missing" not in line for line in compared)


def test_codes_by_dict_survive_every_odd_line(events: Path) -> None:
    shown = run("readers", "--input", str(events), "--runs", "1", "--only", "orjson, routed columns, codes by dict")
    odd = shown[shown.index("One odd line") :]
    assert "stops" not in odd
    assert "loses" not in odd
    assert "becomes" not in odd
    assert all(kind in odd for kind in BROKEN)


def test_names_of_ways_are_those_of_the_table() -> None:
    assert set(READERS) > CELLS
    assert set(READERS) > THREADED
