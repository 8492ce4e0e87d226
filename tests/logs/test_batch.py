"""EventBatch: columns hold what a slow and obvious walk through each event finds, whatever the events look like."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta, timezone
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kyber.logs import flattened as flattening
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.column import Column
from kyber.logs.schema import Clock, Drawn, Table
from kyber.logs.values import NO_TIME

ORIGIN = Origin("source", "file.log", b"fingerprint", UTC)
EMPTY = Table(
    name="none", title="", columns={}, fields={}, native=(), time=(Clock("t"),), services={}, categories={}, shown=()
)


def batch(*events: dict[str, Any], table: Table = EMPTY, **named: Any) -> EventBatch:
    parsed = Parsed(
        events=list(events),
        raw=[orjson.dumps(event) for event in events] if named.pop("raw", False) else [b""] * len(events),
        numbers=list(range(1, len(events) + 1)),
        offsets=list(range(len(events))),
    )
    return EventBatch(parsed, named.pop("origin", ORIGIN), LogSource(), table, **named)


def table(time: tuple[str, ...] = ("t",), **columns: tuple[Drawn | str, ...]) -> Table:
    drawn = {key: tuple(Drawn(one) if isinstance(one, str) else one for one in ones) for key, ones in columns.items()}
    return Table(
        name="x", title="", columns=drawn, fields={}, native=(), time=time, services={}, categories={}, shown=()
    )


def typed(value: Any) -> Any:
    """A value that equals only what is of its kind too: 1, 1.0 and True are three."""
    if isinstance(value, tuple):
        return ("array", tuple(map(typed, value)))
    return (type(value).__name__, value)


def at(column: Column | None, rows: int) -> list[Any]:
    """A column written out: what each row holds, `...` where it lacks the field."""
    if column is None:
        return [...] * rows
    return [column.at(row) if column.codes[row] >= 0 else ... for row in range(rows)]


# --- the obvious way -------------------------------------------------------------------------------------------------


def walk(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Each path of a value with what it holds; a name that two paths share comes twice."""
    if isinstance(value, dict) and depth < flattening.MAX_DEPTH:
        for key, inner in value.items():
            yield from walk(f"{path}.{key}", inner, depth + 1)
    elif isinstance(value, list):
        if not any(isinstance(one, dict | list) for one in value):
            yield path, tuple(value)
            return
        found: dict[str, list[Any]] = {}
        for below, leaf in leaves(path, value, depth, outermost=True):
            found.setdefault(below, []).append(leaf)
        yield from ((below, tuple(ones)) for below, ones in (found or {path: []}).items())
    else:
        yield path, orjson.dumps(value).decode() if isinstance(value, dict) else value


def leaves(path: str, value: Any, level: int, outermost: bool = False) -> Iterator[tuple[str, Any]]:
    """Each value within an array, in order, under its path; arrays in arrays add nothing to a path."""
    if isinstance(value, list) and (outermost or level < flattening.MAX_DEPTH):
        for one in value:
            yield from leaves(path, one, level if outermost else level + 1)
    elif isinstance(value, dict) and level < flattening.MAX_DEPTH:
        for key, one in value.items():
            yield from leaves(f"{path}.{key}", one, level + 1)
    else:
        yield path, orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def flattened(event: Mapping[str, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for key, value in event.items():
        for path, held in walk(key, value, 0):
            found.setdefault(path, []).append(held)
    return found


def holds(value: Any, expected: Sequence[Any]) -> bool:
    if len(expected) == 1:
        return bool(typed(value) == typed(expected[0]))
    joined = [part for one in expected for part in (one if isinstance(one, tuple) else (one,))]
    return isinstance(value, tuple) and Counter(map(typed, value)) == Counter(map(typed, joined))


KEYS = st.sampled_from(["a", "b", "c", "a.b", "b.c", "", "."])
SCALARS = st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 0.0, 2, 2.5, 10**15, "", "1", "a", "true"])
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
EVENTS = st.lists(st.dictionaries(KEYS, NESTED, max_size=4), max_size=8)


@given(EVENTS, st.sampled_from([1, 2, 64]))
@example([{"a": [{"b": []}], "a.b": None}, {}, {"a": [[]]}, {"a": {}}, {"": [{"": [1, {}]}]}], 64)
def test_columns_hold_what_an_obvious_walk_finds(events: list[dict[str, Any]], depth: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flattening, "MAX_DEPTH", depth)
        made = batch(*events)
        expected = [flattened(event) for event in events]
    assert set(made.names) == {name for one in expected for name in one}
    for name in made.names:
        for value, one in zip(at(made.column(name), made.rows), expected, strict=True):
            assert (value is ...) == (name not in one)
            assert value is ... or holds(value, one[name])
    assert made.unindexed == 0


@given(EVENTS, st.data(), st.sampled_from((-1, 1, flattening.FEW)))
def test_the_cells_of_some_rows_are_what_the_columns_hold_there(
    events: list[dict[str, Any]], data: st.DataObject, few: int
) -> None:
    with patch.object(flattening, "FEW", few):
        cells_are_columns(events, data)


def cells_are_columns(events: list[dict[str, Any]], data: st.DataObject) -> None:
    made = batch(*events)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(events) - 1)))) if events else []
    expected = [
        (row, typed(one[row]))
        for one in (at(made.column(name), made.rows) for name in made.names)
        for row in chosen
        if one[row] is not ...
    ]
    found = [
        (row, typed(column.values[code]))
        for _, places, column in made.cells(np.array(chosen, dtype=np.int64))
        for row, code in zip(places.tolist(), column.codes.tolist(), strict=True)
    ]
    # A value that stands under one name twice is one array in a column and two cells here.
    assert {row for row, _ in found} == {row for row, _ in expected}
    assert len(found) >= len(expected)
    if len(found) == len(expected):
        assert Counter(found) == Counter(expected)


@given(EVENTS, st.data(), st.sampled_from((-1, 1, flattening.FEW)))
def test_a_column_drawn_for_some_rows_is_that_column_there_and_absent_elsewhere(
    events: list[dict[str, Any]], data: st.DataObject, few: int
) -> None:
    with patch.object(flattening, "FEW", few):
        drawn_is_whole(events, data)


def drawn_is_whole(events: list[dict[str, Any]], data: st.DataObject) -> None:
    held = np.array(data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events))), dtype=bool)
    names = ("a", "b", "a.b")
    single = batch(*events)
    for name in names:
        cells = [single.at(name, row) for row in range(len(events))]
        expected = at(batch(*events).column(name), len(events))
        assert [... if one is None else typed(one[0]) for one in cells] == [
            one if one is ... else typed(one) for one in expected
        ]
    fresh, drawn_before = batch(*events), batch(*events)
    whole = at(drawn_before.first_of(names), len(events))
    expected = [typed(value) if keep else None for value, keep in zip(whole, held, strict=True)]
    for made in (fresh, drawn_before):
        found = at(made.first_of(names, held), len(events))
        assert [typed(value) if keep else None for value, keep in zip(found, held, strict=True)] == expected


# --- what a column says ----------------------------------------------------------------------------------------------


def test_an_array_of_objects_is_one_array_for_each_path() -> None:
    made = batch({"a": [{"b": 1, "c": {"d": "x"}}, {"b": 2}, 7, [8, {"b": [3]}]]})
    assert {name: made.column(name).at(0) for name in made.names} == {  # type: ignore[union-attr]
        "a.b": (1, 2, 3),
        "a.c.d": ("x",),
        "a": (7, 8),
    }


def test_null_is_there_and_absent_is_not() -> None:
    assert at(batch({"a": None}, {}, {"a": []}, {"a": [None]}).column("a"), 4) == [None, ..., (), (None,)]


def test_values_that_are_equal_for_python_stay_apart() -> None:
    values = [1, 1.0, True, "1", 0, 0.0, False, [1], [1.0], [True], [[1]], None, [None]]
    made = batch(*({"a": value} for value in values))
    column = made.column("a")
    assert column is not None
    assert len(column.values) == len(values) - 1  # [1] and [[1]] are one array
    expected = [tuple(value) if isinstance(value, list) else value for value in values]
    expected[10] = (1,)
    assert [typed(one) for one in at(column, len(values))] == [typed(one) for one in expected]


def test_values_are_held_once_each() -> None:
    column = batch(*({"a": str(number % 3)} for number in range(1_000))).column("a")
    assert column is not None
    assert list(column.values) == ["0", "1", "2"]
    assert column.codes.dtype == np.int32


def test_one_name_under_two_paths_of_an_event_holds_both_values() -> None:
    made = batch({"X": 1, "x": 2}, {"x": 3}, {"X": [4, 5], "x": {"y": 6}}, {"X": None, "x": []}, named=str.lower)
    assert at(made.column("x"), 4) == [(1, 2), 3, (4, 5), (None,)]
    assert at(made.column("x.y"), 4) == [..., ..., 6, ...]


def test_a_name_twice_in_every_event_costs_no_more_than_the_events() -> None:
    made = batch(*({"X": f"{number} a", "x": f"{number} b"} for number in range(30_000)), named=str.lower)
    column = made.column("x")
    assert column is not None
    assert column.at(29_999) == ("29999 a", "29999 b")


def test_the_first_name_that_an_event_has_wins() -> None:
    made = batch({"a": 1, "b": 2}, {"b": 3}, {"a": None, "b": 4}, {"c": 5})
    assert at(made.first_of(("a", "b")), 4) == [1, 3, None, ...]
    assert at(made.first_of(("b", "a")), 4) == [2, 3, 4, ...]
    assert made.first_of(("x", "y")) is None
    assert made.column("x") is None


def test_a_canonical_column_is_drawn_as_the_table_says_and_last_from_its_own_name() -> None:
    drawn = table(name=(Drawn("special", (("id", frozenset(("7",))),)), "plain"), id=("native_id",))
    made = batch(
        {"native_id": 7, "special": "s", "plain": "p"},
        {"native_id": 8, "special": "s", "plain": "p"},
        {"native_id": 8, "special": "s", "name": "own"},
        {"native_id": "7", "plain": "p"},
        table=drawn,
    )
    assert at(made.column("name"), 4) == ["s", "p", "own", "p"]
    assert at(batch({"native_id": 8, "special": "s"}, table=drawn).column("name"), 1) == [...]


def test_a_condition_holds_where_all_its_columns_have_one_of_the_values() -> None:
    made = batch({"a": 1, "b": "X"}, {"a": [3, 1], "b": "x"}, {"a": "1"}, {"a": True, "b": "x"}, {"b": "x"})
    wanted = (("a", frozenset(("1", "2"))), ("b", frozenset(("x",))))
    assert made.where(wanted).tolist() == [True, True, False, False, False]
    assert made.where(()).tolist() == [True] * 5
    assert made.where((("none", frozenset(("x",))),)).tolist() == [False] * 5
    assert made.where((("b", frozenset(("x", ""))),)).tolist() == [True] * 5


def test_the_time_of_an_event_is_the_first_that_it_names() -> None:
    zone = timezone(timedelta(hours=2))
    made = batch(
        {"t": "1970-01-01T00:00:01Z", "u": 5},
        {"u": "1970-01-01 02:00:02"},
        {"t": "yesterday"},
        {},
        table=table(time=(Clock("t"), Clock("u"))),
        origin=Origin("s", "f", b"", zone),
    )
    assert made.times.tolist() == [1_000_000, 2_000_000, NO_TIME, NO_TIME]
    assert batch({}, {}).times.tolist() == [NO_TIME, NO_TIME]


# --- bounds ----------------------------------------------------------------------------------------------------------


def nested(depth: int, end: Any, by: str = "object") -> Any:
    for _ in range(depth):
        end = {"k": end} if by == "object" else [end]
    return end


@pytest.mark.parametrize("by", ["object", "array"])
@pytest.mark.parametrize("depth", [63, 64, 65, 300, 318, 319, 900])
def test_what_is_nested_too_deep_is_text_in_which_its_values_stand(by: str, depth: int) -> None:
    made = batch({"a": nested(depth, "needle", by), "b": 10**30}, {"a": [nested(depth, "needle", by), {}]})
    assert len(list(made.names)) <= 4
    for row in range(2):
        found = [str(column.at(row)) for name in made.names if (column := made.column(name)) and name != "b"]
        assert any("needle" in one for one in found)


def test_fields_beyond_the_limit_are_counted_and_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flattening, "MAX_COLUMNS", 100)
    made = batch(*({f"key{number}": number, "same": 1} for number in range(150)))
    assert len(list(made.names)) == 101
    assert flattening.OTHERS in made.names
    own = [name for name in made.names if name != flattening.OTHERS]
    assert made.unindexed == 150 + 150 - sum(int((made.column(name).codes >= 0).sum()) for name in own)  # type: ignore[union-attr]
    assert "same" in own


def test_a_field_that_a_rule_asks_for_is_kept_however_many_others_there_are() -> None:
    events = [{f"key{number}": number for number in range(flattening.MAX_COLUMNS + 1)}, {"cmd": "run mimikatz"}]
    parsed = Parsed(events=events, raw=[b"", b""], numbers=[1, 2], offsets=[0, 1])
    made = EventBatch(parsed, ORIGIN, LogSource(), EMPTY, wanted=frozenset(("cmd",)))
    assert at(made.column("cmd"), 2) == [..., "run mimikatz"]


def test_twenty_thousand_fields_are_bounded() -> None:
    made = batch({f"key{number}": number for number in range(20_000)})
    assert len(list(made.names)) == flattening.MAX_COLUMNS + 1
    assert made.unindexed == 10_000


def test_no_events_make_no_columns() -> None:
    made = batch()
    assert (made.rows, list(made.names), made.column("a"), list(made.cells(np.array([], dtype=np.int64)))) == (
        0,
        [],
        None,
        [],
    )
    assert len(made.times) == len(made.where(())) == 0


# --- identity --------------------------------------------------------------------------------------------------------


def test_an_event_is_known_again_by_its_source_file_place_and_record() -> None:
    events = [{"a": 1}, {"a": 1}, {"a": 2}]
    first, second = batch(*events, raw=True), batch(*events, raw=True)
    identities = [first.event_id(row) for row in range(3)]
    assert identities == [second.event_id(row) for row in range(3)]
    assert len(set(identities)) == 3
    assert all(len(one) == 32 for one in identities)
    others = (
        Origin("other", "file.log", b"fingerprint", UTC),
        Origin("source", "file.log", b"other", UTC),
    )
    assert all(batch(*events, raw=True, origin=one).event_id(0) not in identities for one in others)
    moved = Origin("source", "moved.log", b"fingerprint", UTC)
    assert batch(*events, raw=True, origin=moved).event_id(0) == identities[0]


def test_records_are_counted_with_those_that_events_hold() -> None:
    parsed = Parsed(events=[{}, {}], held=[3, 1], blank=2)
    assert parsed.records == 6
    assert Parsed(events=[{}, {}], blank=2).records == 4


def test_a_logsource_is_written_as_sigma_names_its_parts() -> None:
    assert str(LogSource("windows", None, "security")) == "product:windows,service:security"
    assert str(LogSource()) == "any"
