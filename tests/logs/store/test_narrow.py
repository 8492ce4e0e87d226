"""What a store is asked for: the query says what the narrow says, or holds more, and stays within its bounds."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import table
from kyber.logs.store import Period, narrow
from kyber.logs.store.document import LONGEST_TERM
from kyber.logs.store.narrow import (
    ANY,
    ONE,
    All,
    Either,
    Has,
    Narrow,
    Nature,
    Numeral,
    Piece,
    Term,
    Wild,
    both,
    cost,
    either,
    fitting,
    query,
)
from kyber.logs.values import Value, fold, number, parts, texts
from tests.logs.store.slow_query import documents_of, holds

Event = Mapping[str, Value]
COLUMNS = ("a", "b", "c=d", "ß", "x" * 600, ".a", "b.a", "c.b.a", "a.", "..a", "a..a")
SIGNS = ["a", "b", "*", "?", "\\", ".", "|", "(", "[", '"', "=", "\n", "\0", "σ", "ß", "\U0001f600", "\ud800", "0", "5"]
texts_ = st.lists(st.sampled_from(SIGNS), max_size=4).map("".join)
pieces: st.SearchStrategy[Piece] = st.one_of(texts_.map(fold), st.sampled_from([ANY, ANY, ONE]))
patterns = st.lists(pieces, max_size=5).map(tuple)
values: st.SearchStrategy[Value] = st.one_of(
    texts_,
    texts_.map(lambda one: one * 300),
    st.sampled_from([5, 5.0, -5, 0, 1e22, "5", "+5", "05", "5.0", "5e0", "50e-1", "-5", "0.5", "1_0", "٥"]),
    st.booleans(),
    st.none(),
)
events: st.SearchStrategy[Event] = st.dictionaries(
    st.sampled_from(COLUMNS), st.one_of(values, st.lists(values, max_size=2).map(tuple)), max_size=3
)
columns = st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4).map(tuple)
natures = st.builds(
    Nature, st.sampled_from(["table", "product"]), st.lists(st.sampled_from("tu"), max_size=2).map(tuple)
)
leaves: st.SearchStrategy[Narrow] = st.one_of(
    st.builds(Term, st.one_of(columns, st.just(())), patterns),
    st.builds(Numeral, columns),
    st.builds(Has, columns),
    natures,
)
narrows: st.SearchStrategy[Narrow] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple).map(All), st.lists(inner, max_size=6).map(tuple).map(Either)
    ),
    max_leaves=8,
)


def document(event: Event, **nature: str) -> dict[str, Any]:
    """What the store writes of an event."""
    given: dict[str, Any] = {name: list(one) if isinstance(one, tuple) else one for name, one in event.items()}
    parsed = Parsed(events=[given], raw=[b""], numbers=[1], offsets=[0])
    batch = EventBatch(parsed, Origin("s", "f", b"", UTC), LogSource(), table("json"))
    (made,) = documents_of(batch)
    return {"kyber": {**made["kyber"], **nature}}


def means(asked: Narrow, event: Event, **nature: str) -> bool:
    """What a narrow says of an event, read from its docstrings."""
    match asked:
        case All(parts_):
            return all(means(one, event, **nature) for one in parts_)
        case Either(parts_):
            return any(means(one, event, **nature) for one in parts_)
        case Nature(key, wanted):
            return nature.get(key) in wanted
        case Term(fields, tokens):
            made = "".join(".*" if one is ANY else "." if one is ONE else re.escape(str(one)) for one in tokens)
            return any(re.fullmatch(made, fold(one), re.DOTALL) for one in of(event, fields) for one in texts(one))
        case Numeral(fields):
            elements = [one for value in of(event, fields) for one in texts(value)]
            return any(number(one) is not None and not re.fullmatch("0|[1-9][0-9]*", one) for one in elements)
        case Has(fields):
            return any(one is not None for value in of(event, fields) for one in parts(value))


def of(event: Event, fields: tuple[str, ...]) -> list[Value]:
    return [value for name, value in event.items() if not fields or fold(name) in fields]


@settings(max_examples=150, deadline=None)
@given(asked=narrows, event=events, kind=st.sampled_from("tu"))
@example(asked=All(()), event={"a": "\ud800" * 300}, kind="t")
def test_a_query_finds_at_least_what_the_narrow_says(asked: Narrow, event: Event, kind: str) -> None:
    if means(asked, event, table=kind):
        assert holds(query(asked), document(event, table=kind))


@settings(max_examples=75, deadline=None)
@given(ways=st.lists(st.tuples(narrows, narrows), min_size=1, max_size=4), event=events, most=st.integers(1, 12))
def test_what_is_too_much_is_asked_in_a_wider_way_and_never_in_a_narrower_one(
    ways: list[tuple[Narrow, Narrow]], event: Event, most: int
) -> None:
    choices = [(one, either((one, other))) for one, other in ways]
    with patch.object(narrow, "MAX_CLAUSES", most):
        found = fitting(choices)
        assert cost(found).fits
        if any(means(one, event) for one, _ in ways):
            assert holds(query(found), document(event))


@settings(max_examples=75, deadline=None)
@given(parts_=st.lists(st.one_of(narrows, st.none()), max_size=4), event=events)
def test_everything_is_told_apart_from_nothing(parts_: list[Narrow | None], event: Event) -> None:
    said = [one is None or means(one, event) for one in parts_]
    every, some = both(parts_), either(parts_)
    assert (every is None or means(every, event)) == all(said)
    assert (some is None or means(some, event)) == any(said)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (Term(("a", "b"), ("x",)), [{"terms": {"kyber.terms": ["a=x", "b=x"]}}]),
        (Term(("a",), ()), [{"terms": {"kyber.terms": ["a="]}}]),
        (Term(("a",), ("x", ANY)), [{"prefix": {"kyber.terms": {"value": "a=x"}}}]),
        (Has(("a",)), [{"prefix": {"kyber.terms": {"value": "a="}}}]),
        (Term(("a",), ("*?\\", ONE, "x", ANY, "y")), [{"wildcard": {"kyber.terms": {"value": r"a=\*\?\\?x*y"}}}]),
        (
            Term(("a.b", "c"), ("x+", ANY, "y")),
            [{"regexp": {"kyber.terms": {"value": r"(a\.b|c)=x\+.*y", "flags": "NONE"}}}],
        ),
        (Nature("table", ("t",)), [{"terms": {"kyber.table": ["t"]}}]),
    ],
)
def test_a_pattern_is_asked_in_the_cheapest_way(asked: Narrow, wanted: list[dict[str, Any]]) -> None:
    partial = [] if isinstance(asked, Nature) else [{"terms": {"kyber.partial": list(asked.fields)}}]  # type: ignore[union-attr]
    clauses = [*wanted, *partial]
    (found,) = query(asked)["bool"]["filter"]  # type: ignore[index]
    assert found == (clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}})


def test_what_any_value_may_hold_is_looked_for_behind_every_name() -> None:
    found = query(Term((), (ANY, "x", ANY)))["bool"]["filter"][0]["bool"]["should"]  # type: ignore[index]
    assert found == [{"wildcard": {"kyber.terms": {"value": "*=*x*"}}}, {"exists": {"field": "kyber.partial"}}]


def test_what_no_term_can_be_is_only_looked_for_where_a_value_was_no_term() -> None:
    partial = [{"terms": {"kyber.partial": ["a"]}}]
    for text in ("x" * LONGEST_TERM, "\ud800", "ä" * (LONGEST_TERM // 2)):
        for pattern in ((text,), (ANY, text, ANY)):
            assert query(Term(("a",), pattern))["bool"]["filter"] == partial  # type: ignore[index]
    assert query(Term(("a",), ("x" * (LONGEST_TERM - 2),)))["bool"]["filter"] != partial  # type: ignore[index]


def test_patterns_that_would_take_long_to_prepare_are_shortened() -> None:
    hostile = (ANY, *(piece for _ in range(50) for piece in ("a" * 15, ONE, "b", ANY)))
    (asked, _) = query(Term(("a",), hostile))["bool"]["filter"][0]["bool"]["should"]  # type: ignore[index]
    pattern = asked["wildcard"]["kyber.terms"]["value"]
    assert len(pattern) < narrow.MAX_LOOSE + 2 * narrow.MAX_PIECES + 4
    assert "?" not in pattern
    assert pattern.endswith("*")


def test_a_query_says_when_and_whence() -> None:
    assert query(None) == {"match_all": {}}
    assert query(None, Period(5, None), ["s"], ["2024-03-01", "undated"]) == {
        "bool": {
            "filter": [
                {"terms": {"kyber.source": ["s"]}},
                {"terms": {"kyber.day": ["2024-03-01", "undated"]}},
                {"range": {"kyber.time": {"gte": 5}}},
            ]
        }
    }
    assert query(Nature("table", ("t",)), Period(1, 2)) == {
        "bool": {"filter": [{"range": {"kyber.time": {"gte": 1, "lt": 2}}}, {"terms": {"kyber.table": ["t"]}}]}
    }


def test_nothing_is_found_where_nothing_is_asked_for() -> None:
    assert query(Either(())) == {"bool": {"filter": [{"match_none": {}}]}}
    assert query(None, sources=[]) == {"bool": {"filter": [{"terms": {"kyber.source": []}}]}}


@pytest.mark.parametrize(
    "asked",
    [
        Either(tuple(Term(("a",), (ANY, str(one), ANY, "x")) for one in range(narrow.MAX_CLAUSES))),
        Either(tuple(Term((), (ANY, str(one), ANY, "x")) for one in range(narrow.MAX_COSTLY + 1))),
        Either(tuple(Term(("a",), (f"{one:04}" * 250,)) for one in range(3_000))),
    ],
)
def test_a_narrow_that_is_too_much_is_left_out(asked: Narrow) -> None:
    assert query(asked, days=["d"]) == query(None, days=["d"])


def test_parts_too_deep_within_one_another_are_left_out() -> None:
    asked: Narrow = Has(("a",))
    for depth in range(narrow.MAX_DEPTH):
        asked = All((Either((asked, Has((str(depth),)))), Has(("b",))))
    assert query(asked) == {"match_all": {}}


def test_ten_thousand_texts_are_one_clause() -> None:
    asked = Either(tuple(Term(("a",), (str(one),)) for one in range(10_000)))
    assert cost(asked).clauses == 2
    assert query(asked) != {"match_all": {}}


def test_many_columns_are_as_few_clauses_as_an_expression_may_be_long() -> None:
    names = tuple(f"column.number.{one}" for one in range(100))
    found = query(Term(names, (ANY, "x")))["bool"]["filter"][0]["bool"]["should"]  # type: ignore[index]
    expressions = [one["regexp"]["kyber.terms"]["value"] for one in found if "regexp" in one]
    assert len(expressions) == 2
    assert max(map(len, expressions)) <= narrow.MAX_REGULAR
    assert all(re.escape(name) in "".join(expressions) for name in names)


def test_the_narrowest_ways_that_fit_are_taken_and_the_largest_is_widened_first() -> None:
    def ways(name: str, size: int) -> Sequence[Narrow | None]:
        return [Either(tuple(Term((name,), (ANY, str(one), ANY, "x")) for one in range(size))), Has((name,))]

    small, large = ways("a", 10), ways("b", 1_500)
    assert fitting([small, large]) == either((small[0], Has(("b",))))
    assert fitting([small, [large[0], None]]) is None
    assert fitting([[large[0], Has(("b",)), None], small]) == either((Has(("b",)), small[0]))
    assert fitting([]) == Either(())


def test_what_the_names_of_columns_end_in_stands_once() -> None:
    names = ("url.path", "winlog.url.path", "a.b.url.path", "path", "c")
    found = query(Term(names, (ANY, "x", ONE)))["bool"]["filter"][0]["bool"]["should"]  # type: ignore[index]
    assert found[0]["regexp"]["kyber.terms"]["value"] == r"((((winlog|a\.b)\.)?url\.)?path|c)=.*x.*"


def test_texts_that_may_stand_anywhere_in_the_same_columns_are_looked_for_together() -> None:
    words = Either(tuple(Term(("a", "b"), (ANY, one, ANY)) for one in ("x.y", "z", "w" * 100, "v" * 95, "u")))
    found = query(words)["bool"]["filter"][0]["bool"]["should"]  # type: ignore[index]
    assert [one["regexp"]["kyber.terms"]["value"] for one in found if "regexp" in one] == [
        f"(a|b)=.*{'w' * narrow.MAX_LOOSE}.*",
        r"(a|b)=.*(x\.y|z).*",
        f"(a|b)=.*({'v' * 95}|u).*",
    ]
    keywords = Either(tuple(Term((), (ANY, one, ANY)) for one in ("xy", "z")))
    assert query(keywords)["bool"]["filter"][0]["bool"]["should"] == [  # type: ignore[index]
        {"regexp": {"kyber.terms": {"value": "(.*)=.*(xy|z).*", "flags": "NONE"}}},
        {"exists": {"field": "kyber.partial"}},
    ]
    assert cost(keywords).costly == 1


def test_wildcards_are_two() -> None:
    assert set(Wild) == {ANY, ONE}
