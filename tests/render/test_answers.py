"""Answers in their forms: what they hold reads back, and does nothing to whoever reads it."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kyber.render.answers import BAR, Kind, bars, csv_lines, grid, lines, parquet, story, worded

HELSINKI = ZoneInfo("Europe/Helsinki")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOSTILE = "\x1b[31m=1+1\n\u202e[bold]"
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20))


def shown(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(grid(names, rows, HELSINKI), highlight=False)
    return out.getvalue()


def test_values_are_told_as_text() -> None:
    assert [worded(one) for one in (None, True, 1, 1.5, "x", ["a", None, 2], NOON)] == [
        "",
        "true",
        "1",
        "1.5",
        "x",
        "a, , 2",
        "2026-03-04T12:00:00Z",
    ]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3)))
def test_every_record_is_a_line_that_reads_back(records: list[dict[str, Any]]) -> None:
    text = "".join(lines(records))
    assert [json.loads(line) for line in text.splitlines()] == records
    assert not any(ord(letter) < 32 and letter != "\n" for letter in text)


def test_times_are_iso_8601_in_lines() -> None:
    assert list(lines([{"time": NOON}])) == ['{"time":"2026-03-04T12:00:00Z"}\n']


def test_no_cell_is_a_formula_or_a_second_row() -> None:
    text = "".join(csv_lines(["a", "=b"], [[HOSTILE, "=1+1"], [NOON, None]]))
    header, hostile, plain_row = csv.reader(io.StringIO(text))
    assert header == ["a", "'=b"]
    assert hostile == ["\\x1b[31m=1+1\\n\\u202e[bold]", "'=1+1"]
    assert plain_row == ["2026-03-04T12:00:00Z", ""]


def test_parquet_keeps_kinds_and_nulls() -> None:
    out = io.BytesIO()
    columns: Sequence[tuple[str, Kind]] = (
        ("t", "time"),
        ("n", "integer"),
        ("x", "number"),
        ("b", "truth"),
        ("s", "text"),
    )
    parquet(
        columns,
        iter([(NOON, 1, 2, True, ["a", 1]), (None,) * 5, (NOON.replace(tzinfo=None), 2, 0.5, False, "\ud800")]),
        out,
    )
    table = pq.read_table(io.BytesIO(out.getvalue()))
    assert [str(field.type) for field in table.schema] == ["timestamp[us, tz=UTC]", "int64", "double", "bool", "string"]
    assert table.column("n").to_pylist() == [1, None, 2]
    assert table.column("s").to_pylist() == ["a, 1", None, "?"]
    assert next(str(one) for one in table.column("t")).startswith("2026-03-04 12:00:00")


def test_an_empty_answer_has_its_columns_in_every_form() -> None:
    assert "".join(csv_lines(["a"], [])) == '"a"\n'
    out = io.BytesIO()
    parquet([("a", "text")], [], out)
    assert pq.read_table(io.BytesIO(out.getvalue())).column_names == ["a"]


def test_a_table_shows_times_of_the_readers_zone_and_nothing_steers_the_terminal() -> None:
    text = shown(["time", "\x1b[1m"], [(NOON, HOSTILE), (None, "x" * 1_000)])
    assert "2026-03-04 14:00:00" in text
    assert "\\x1b[31m=1+1\\n\\u202e[bold]" in text
    assert "\x1b" not in text
    assert "…" in text


def test_what_happened_is_the_message_or_else_what_is_not_told_elsewhere() -> None:
    assert story({"process.name": "sshd", "message": "Failed", "user.name": "x"}, ("user.name",)) == "sshd: Failed"
    fields = {"winlog.event_id": 4625, "a.TargetUserName": "x", "user.name": "x", "b": "-", "c": None}
    assert story(fields, ("user.name",)) == "event_id=4625"


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_bars_are_as_long_as_their_share_and_what_there_is_is_seen(counts: list[int]) -> None:
    drawn = [line.split("  ") for line in bars([(NOON, count) for count in counts], list(map(str, counts)), False)]
    for count, (_, *rest) in zip(counts, drawn, strict=True):
        bar = rest[-1] if count else ""
        assert len(bar) <= BAR
        assert bool(bar) == bool(count)
    most = max(counts, default=0)
    if most:
        assert len(drawn[counts.index(most)][-1]) == BAR


@pytest.mark.parametrize(("day", "told"), [(True, "2026-03-04  1"), (False, "2026-03-04 12:00:00  1")])
def test_a_bucket_is_named_by_when_it_begins(day: bool, told: str) -> None:
    assert next(bars([(NOON, 1)], ["1"], day)).startswith(told)
