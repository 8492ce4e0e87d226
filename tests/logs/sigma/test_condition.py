"""Conditions: what binds tighter, which names a pattern means, and what is refused."""

from collections.abc import Callable, Mapping
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.sigma.condition import MAX_DEPTH, MAX_LENGTH, ConditionError, parse
from kyber.logs.sigma.predicate import And, Exists, Leaf, Node, Not, Or

Truth = Mapping[str, bool]


def named(*names: str) -> Mapping[str, Node]:
    """Selections of one leaf each, whose field is the selection's name."""
    return {name: Leaf(name, Exists(True), name) for name in names}


def holds(node: Node, truth: Truth) -> bool:
    """A condition's answer where each selection's is given."""
    match node:
        case Leaf(field, _, _):
            return truth[field]
        case And(nodes):
            return all(holds(one, truth) for one in nodes)
        case Or(nodes):
            return any(holds(one, truth) for one in nodes)
        case Not(one):
            return not holds(one, truth)


ABC = ("a", "b", "c")
SAME: Mapping[str, Callable[[bool, bool, bool], bool]] = {
    "a": lambda a, b, c: a,
    "a or b and c": lambda a, b, c: a or (b and c),
    "a and b or c": lambda a, b, c: (a and b) or c,
    "(a or b) and c": lambda a, b, c: (a or b) and c,
    "not a and b": lambda a, b, c: (not a) and b,
    "not (a and b)": lambda a, b, c: not (a and b),
    "not not a": lambda a, b, c: a,
    "not not not a": lambda a, b, c: not a,
    "a AND NOT b OR c": lambda a, b, c: (a and not b) or c,
    "a\n  and\tb": lambda a, b, c: a and b,
    "(a)and(b)": lambda a, b, c: a and b,
    "1 of them": lambda a, b, c: a or b or c,
    "any of them": lambda a, b, c: a or b or c,
    "all of them": lambda a, b, c: a and b and c,
    "ALL OF THEM": lambda a, b, c: a and b and c,
    "not 1 of them": lambda a, b, c: not (a or b or c),
    "not all of them and a": lambda a, b, c: not (a and b and c) and a,
    "((((((a))))))": lambda a, b, c: a,
}


@pytest.mark.parametrize("condition", SAME)
def test_or_binds_less_than_and_less_than_not_less_than_of_less_than_parentheses(condition: str) -> None:
    tree = parse(condition, named(*ABC))
    for values in product((False, True), repeat=3):
        assert holds(tree, dict(zip(ABC, values, strict=True))) == SAME[condition](*values), values


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("1 of sel*", {"sel", "sel_a", "selection"}),
        ("1 of sel_*", {"sel_a"}),
        ("1 of *_a", {"sel_a", "filter_a"}),
        ("1 of *", {"sel", "sel_a", "selection", "filter_a"}),
        ("1 of them", {"sel", "sel_a", "selection", "filter_a"}),
        ("1 of _*", {"_hidden", "_other"}),
        ("1 of _h*", {"_hidden"}),
        ("1 of filter_a", {"filter_a"}),
        ("_hidden", {"_hidden"}),
    ],
)
def test_a_pattern_means_the_names_that_match_and_an_underscore_has_to_be_asked_for(
    condition: str, meant: set[str]
) -> None:
    names = ("sel", "sel_a", "selection", "filter_a", "_hidden", "_other")
    tree = parse(condition, named(*names))
    alone = {name for name in names if holds(tree, {one: one == name for one in names})}
    assert alone == meant


def test_selections_may_be_named_like_words_of_the_language() -> None:
    selections = named("1", "all", "them", "of", "or_not")
    assert parse("all", selections) == selections["all"]
    assert parse("or_not and 1", selections) == And((selections["or_not"], selections["1"]))


def test_a_bracket_in_a_pattern_is_itself() -> None:
    selections = named("a[1]x", "a1x")
    assert parse("1 of a[1]*", selections) == selections["a[1]x"]


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("x", "'x'"),
        ("A", "'A'"),
        ("a b", "'b'"),
        ("a and", "too early"),
        ("not", "too early"),
        ("and a", "'and'"),
        ("a or or b", "'or'"),
        ("()", "')'"),
        ("(a", "not closed"),
        ("a)", "')'"),
        ("1 of", "too early"),
        ("1 of x*", "'x*'"),
        ("2 of a*", "'2 of'"),
        ("none of them", "'none of'"),
        ("a | count() > 3", "correlation"),
        ("a | near b", "correlation"),
        ("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), "deeper"),
        ("a or " * (MAX_LENGTH // 5 + 1) + "a", "longer"),
    ],
)
def test_what_is_not_a_condition_is_refused_and_says_why(condition: str, why: str) -> None:
    with pytest.raises(ConditionError, match=why.replace("'", "").replace("*", r"\*").replace(")", r"\)")):
        parse(condition, named(*ABC))


def test_them_without_a_selection_to_mean_is_refused() -> None:
    with pytest.raises(ConditionError, match="them"):
        parse("all of them", named("_hidden"))


def test_the_deepest_and_the_longest_condition_allowed_are_read() -> None:
    assert parse("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH, named("a")) == named("a")["a"]
    assert isinstance(parse("not " * (MAX_LENGTH // 4 - 1) + "a", named("a")), Not | Leaf)


WORDS = ["a", "b", "_c", "and", "or", "not", "(", ")", "1", "all", "of", "them", "a*", "*", "|", "AND", "2", "x"]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_words_are_either_a_condition_or_refused(condition: str) -> None:
    selections = named("a", "b", "_c")
    try:
        tree = parse(condition, selections)
    except ConditionError:
        return
    assert holds(tree, dict.fromkeys(selections, True)) in (True, False)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_condition_written_out_with_every_parenthesis_reads_as_it_was_built(data: st.DataObject) -> None:
    leaf = st.sampled_from(ABC).map(lambda name: (name, lambda truth: truth[name]))
    trees = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(
                lambda two: (f"({two[0][0]} and {two[1][0]})", lambda t: two[0][1](t) and two[1][1](t))
            ),
            st.tuples(inner, inner).map(
                lambda two: (f"({two[0][0]} or {two[1][0]})", lambda t: two[0][1](t) or two[1][1](t))
            ),
            inner.map(lambda one: (f"not {one[0]}", lambda t: not one[1](t))),
        ),
        max_leaves=8,
    )
    text, expected = data.draw(trees)
    tree = parse(text, named(*ABC))
    for values in product((False, True), repeat=3):
        truth = dict(zip(ABC, values, strict=True))
        assert holds(tree, truth) == expected(truth)
