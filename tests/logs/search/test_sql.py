"""SQL over events: what it says is what it finds, and it reaches nothing but the events."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kyber.logs.search import sql
from kyber.logs.search.query import QueryError
from kyber.logs.search.sql import quoted, select
from tests.logs.search.test_hits import cut
from tests.logs.search.test_run import windows
from tests.logs.sigma.test_match import batch_of

pytest.importorskip("duckdb")
EVENTS: list[dict[str, Any]] = [
    {"@timestamp": "2026-03-04T10:00:00Z", "user": {"name": "anna"}, "host": {"name": "h1"}, "port": 22},
    {"@timestamp": "2026-03-04T11:00:00Z", "user": {"name": "anna"}, "host": {"name": "h2"}, "tags": ["a", "b"]},
    {"user": {"name": "Bo"}, "Odd": "x", "port": None},
]


def rows(statement: str, *events: dict[str, Any], size: int = 2) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in select(statement, cut(events or EVENTS, size)).rows]


def test_fields_with_dots_are_columns_with_or_without_quotes() -> None:
    wanted = [("anna", 2), ("Bo", 1)]
    assert rows("SELECT user.name, count(*) n FROM events GROUP BY 1 ORDER BY n DESC") == wanted
    assert rows('SELECT e."user.name", count(*) n FROM events e GROUP BY ALL ORDER BY n DESC') == wanted
    assert rows("SELECT e.user.name, count(*) FROM events AS e GROUP BY e.USER.name ORDER BY 2 DESC") == wanted


def test_events_can_be_joined_with_themselves() -> None:
    joined = "SELECT count(*) FROM events a JOIN events b ON a.user.name = b.user.name"
    assert rows(joined) == [(5,)]


def test_values_are_text_but_for_times_and_what_is_absent_or_null_is_null() -> None:
    assert rows("SELECT port, tags, odd FROM events") == [("22", None, None), (None, "a, b", None), (None, None, "x")]
    assert rows("SELECT hour(time), typeof(time) FROM events WHERE time IS NOT NULL ORDER BY time") == [
        (10, "TIMESTAMP"),
        (11, "TIMESTAMP"),
    ]
    assert rows("SELECT sum(TRY_CAST(port AS INT)) FROM events") == [(22,)]


def test_a_known_field_that_no_event_has_is_a_column_of_nulls() -> None:
    assert rows("SELECT source.ip, process.name FROM events LIMIT 1") == [(None, None)]


def test_what_is_named_after_its_product_is_found_under_every_name() -> None:
    batch = windows({"winlog": {"event_id": 4624, "event_data": {"TargetUserName": "anna", "LogonType": 3}}})
    statement = (
        "SELECT EventID, user.name, winlog.event_data.LogonType, source, file, kyber.record, kyber.raw FROM events"
    )
    (row,) = select(statement, [(batch, np.arange(1))]).rows
    assert row == ("4624", "anna", "3", "dc1", "security.evtx", 0, "")


def test_the_columns_of_an_answer_have_names_of_their_own_and_kinds() -> None:
    answer = select("SELECT 1 a, 2.5 a, true b, time, 'x' FROM events LIMIT 1", cut(EVENTS, 3))
    assert answer.columns == (("a", "integer"), ("a_2", "number"), ("b", "truth"), ("time", "time"), ("'x'", "text"))


def test_values_that_json_does_not_know_come_as_text() -> None:
    (row,) = rows("SELECT 170141183460469231731687303715884105727, 1.5::DECIMAL(9,2), INTERVAL 1 DAY, [1], {'a': 1}")
    assert row == ("170141183460469231731687303715884105727", 1.5, "1 day, 0:00:00", [1], {"a": 1})


def test_texts_are_changed_before_they_are_asked_and_again_in_the_answer() -> None:
    masked = select(
        "SELECT substr(user.name, 1, 1), kyber.raw FROM events", cut(EVENTS[:1], 1), lambda text: "#" + text
    )
    assert [row[0] for row in masked.rows] == ["##"]


def test_no_events_make_an_empty_table() -> None:
    assert rows("SELECT user.name FROM events WHERE false") == []
    assert list(select("SELECT count(*) FROM events", []).rows) == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM EVENTS_HELD_BY_PYTHON",
        "SELECT getenv('HOME')",
        "COPY events TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/new.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2",
        "EXPORT DATABASE '{folder}/x'",
        "SELEC 1",
        "",
        "\0",
    ],
)
def test_nothing_but_one_select_over_the_events_is_run(statement: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nsecret\n")
    EVENTS_HELD_BY_PYTHON = batch_of(EVENTS)  # noqa: N806, F841
    with pytest.raises(QueryError):
        rows(statement.format(file=secret, folder=tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["secret.csv"]


def test_a_field_that_no_event_has_is_named_with_one_that_may_have_been_meant() -> None:
    with pytest.raises(QueryError, match=r"no event has field 'usr\.name'; did you mean user\.name"):
        rows('SELECT "usr.name" FROM events')
    with pytest.raises(QueryError, match="the SQL cannot be run"):
        rows("SELECT nonsense FROM events")


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("SELECT a.b FROM events", 'SELECT "a.b" FROM events'),
        ("SELECT e.A.B, e.x", 'SELECT e."a.b", e.x'),
        ("SELECT 'a.b', \"a.b\", $$a.b$$, $t$a.b$t$ -- a.b", "SELECT 'a.b', \"a.b\", $$a.b$$, $t$a.b$t$ -- a.b"),
        ("SELECT /* a.b */ 'it''s a.b'", "SELECT /* a.b */ 'it''s a.b'"),
        ("SELECT @timestamp, @x, b", 'SELECT "@timestamp", @x, b'),
        ("SELECT a.bc", "SELECT a.bc"),
    ],
)
def test_only_bare_names_of_columns_are_quoted(told: str, wanted: str) -> None:
    assert quoted(told, ["a.b", "@timestamp", "b"]) == wanted


def test_the_size_of_events_and_of_statements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueryError, match="longer than"):
        rows("SELECT " + " " * sql.MAX_SQL)
    monkeypatch.setattr(sql, "MAX_BYTES", 10)
    with pytest.raises(QueryError, match="too many for SQL"):
        rows("SELECT 1 FROM events")
