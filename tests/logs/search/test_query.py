"""The query language: what is written reads back, what cannot be read is named by its column, nothing else happens."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kyber.logs.search import query as language
from kyber.logs.search.query import (
    EVERYTHING,
    And,
    Ask,
    Not,
    Or,
    Pattern,
    QueryError,
    Range,
    Syntax,
    Text,
    asks,
    parse,
    written,
)
from kyber.logs.sigma.predicate import Wild
from tests.logs.search.strategies import trees

ANY, ONE = Wild.ANY, Wild.ONE


def word(text: str, field: str = "") -> Ask:
    return Ask(field, Text((text,)))


@settings(max_examples=100)
@given(trees)
def test_a_tree_that_is_written_reads_back_the_same(tree: Syntax) -> None:
    assert parse(written(tree)) == tree


SOUP = st.lists(
    st.sampled_from(
        [*'abAB*?\\"()[]{}<>:/-! \t\n.,=', "AND", "or", "NOT ", " TO ", "user.name:", "[1 TO 5]", '"a b"', "/x/i"]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=250)
@given(st.one_of(SOUP, st.text(max_size=60)))
@example("a:" * 100)
@example("\ud800:\ud800")
def test_any_text_reads_as_a_query_or_is_refused_with_a_column_in_it(query: str) -> None:
    refused = None
    try:
        tree = parse(query)
    except QueryError as error:
        refused = error
    if refused is None:
        assert parse(written(tree)) == tree
    else:
        assert 1 <= refused.column <= len(query) + 1
        assert refused.why in str(refused)


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("", EVERYTHING),
        ("  \n ", EVERYTHING),
        ("a b", And((word("a"), word("b")))),
        ("a and b or c", Or((And((word("a"), word("b"))), word("c")))),
        ("a (b OR c)", And((word("a"), Or((word("b"), word("c")))))),
        ("NOT a b", And((Not(word("a")), word("b")))),
        ("a -b", And((word("a"), Not(word("b"))))),
        ("NOT -a", word("a")),
        ("a-b", word("a-b")),
        ("notable android", And((word("notable"), word("android")))),
        ('"and"', Ask("", Text(("and",), True))),
        ('f:""', Ask("f", Text((), True))),
        ("f:and", word("and", "f")),
        ("f: x", word("x", "f")),
        ("f:a*b?", Ask("f", Text(("a", ANY, "b", ONE)))),
        (r"f:a\*b\\*", Ask("f", Text(("a*b\\", ANY)))),
        (r"C\:\Windows\temp", word("C:\\Windows\\temp")),
        (r"f:C:\Users", word("C:\\Users", "f")),
        (r'"C:\\a \"b\" *"', Ask("", Text(('C:\\a "b" *',), True))),
        (r"\(a\)\ b", word("(a) b")),
        ("f:(a OR b -c)", Or((word("a", "f"), And((word("b", "f"), Not(word("c", "f"))))))),
        ("f:(x:y)", word("x:y", "f")),
        ('"my field":a', word("a", "my field")),
        ("f:/a\\/b[/]x", None),
        ("f:/a\\/b\\d/mi", Ask("f", Pattern("a/b\\d", "im"))),
        ("ip:fe80::/10", word("fe80::/10", "ip")),
        ("f:[1 TO 5]", Ask("f", Range("1", "5"))),
        ("f:{1 to 5]", Ask("f", Range("1", "5", with_low=False))),
        ('f:["2024-03-01 10:00" TO *]', Ask("f", Range("2024-03-01 10:00", None))),
        ("f:>=5", Ask("f", Range("5", None))),
        ("f:< 5", Ask("f", Range(None, "5", with_high=False))),
        ("f:(>1 <5)", And((Ask("f", Range("1", None, with_low=False)), Ask("f", Range(None, "5", with_high=False))))),
        ("sshd[123]", word("sshd[123]")),
        ("<script>", word("<script>")),
    ],
)
def test_queries_read_as_their_writers_mean_them(query: str, tree: Syntax | None) -> None:
    if tree is None:
        with pytest.raises(QueryError):
            parse(query)
    else:
        assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "column", "why"),
    [
        ('user:"adm', 6, "not closed"),
        ("a (b", 3, "not closed"),
        ("a) b", 2, "never opened"),
        ("a AND", 6, "missing at the end"),
        ("OR a", 1, "OR has nothing before it"),
        ("a AND OR b", 7, "nothing before it"),
        ("()", 2, "missing before the parenthesis"),
        ("user:", 6, "a value is missing after user:"),
        (":x", 1, "name is missing"),
        ("us*r:x", 1, "no wildcards"),
        ("a - b", 3, "a minus stands right before"),
        ("f:[1 5]", 3, "[low TO high]"),
        ("f:[1 TO 5", 3, "ends with ] or }"),
        ("f:>", 3, "a bound is missing"),
        ("f:>*", 3, "needs a number"),
        ("[1 TO 5]", 1, "needs its field"),
        ("/etc/passwd", 1, "quote a path"),
        ("f:/etc", 3, "does not end"),
        ("a foo(bar", 6, "within a word"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_column_and_what_to_do(query: str, column: int, why: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(query)
    assert refused.value.column == column
    assert why in str(refused.value)
    shown, arrow = str(refused.value).splitlines()[1:]
    assert shown == query
    assert arrow.index("^") == column - 1


def test_the_place_in_a_long_query_is_shown_with_what_is_near_it() -> None:
    with pytest.raises(QueryError) as refused:
        parse("word " * 100 + '"x')
    shown, arrow = str(refused.value).splitlines()[1:]
    assert shown[arrow.index("^") :] == '"x'
    assert len(shown) <= 60


def test_places_are_those_in_the_query() -> None:
    assert [one.at for one in asks(parse('a (user:b OR -"c d") f:(x y)'))] == [1, 4, 15, 25, 27]


def test_the_size_of_a_query_is_bounded() -> None:
    assert parse("(" * language.MAX_DEPTH + "a" + ")" * language.MAX_DEPTH) == word("a")
    for query in (
        "(" * (language.MAX_DEPTH + 1) + "a" + ")" * (language.MAX_DEPTH + 1),
        "a " * (language.MAX_TERMS + 1),
        "a" * (language.MAX_LENGTH + 1),
    ):
        with pytest.raises(QueryError):
            parse(query)
    assert parse("NOT " * 4_000 + "a") == word("a")
