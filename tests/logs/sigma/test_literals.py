"""What is said to stand in all that a pattern matches stands there."""

import re
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.sigma.literals import MAX_TEXTS, SHORTEST, literals
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.predicate import Regex, searcher
from kyber.logs.sigma.rule import read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.values import fold

SHIPPED: Final = sorted(
    {
        (one.predicate.source, one.predicate.flags)
        for one in plan(read_rules([str(shipped_rules())], {}).rules).questions
        if isinstance(one.predicate, Regex)
    }
)
ATOMS = [
    "ab",
    "A",
    "k",
    "é",
    "É",
    "[ab]",
    "[^a]",
    "[a-c]",
    r"\.",
    r"\x41",
    r"\d",
    r"\b",
    r"\t",
    ".",
    "x",
    "{",
    "^",
    "$",
    "(?=a)",
]
REPEATED = ["", "", "", "*", "+", "?", "{2}", "{0}", "{0,2}", "{,2}", "{1,}", "+?", "{1}"]
pieces = st.builds(lambda one, times: one + times, st.sampled_from(ATOMS), st.sampled_from(REPEATED))
patterns = st.recursive(
    st.lists(pieces, max_size=4).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda one: f"({'|'.join(one)})"),
        st.builds("(?:{}){}{}".format, inner, st.sampled_from(REPEATED), inner),
    ),
    max_leaves=4,
)
texts = st.lists(
    st.sampled_from(["ab", "a", "b", "A", "B", "c", "\u212a", "K", "é", "É", ".", "1", "x", "\t", " "]), max_size=9
).map("".join)


def stands(source: str, flags: str, text: str) -> bool:
    found = literals(source, flags)
    return found is None or any(one in fold(text) for one in found)


@settings(max_examples=300, deadline=None)
@given(source=patterns, flags=st.sampled_from(["", "i", "im", "s"]), text=texts)
def test_one_of_the_texts_stands_in_whatever_a_pattern_is_found_in(source: str, flags: str, text: str) -> None:
    try:
        found = searcher(source, flags)(text)
    except ValueError:
        return
    assert not found or stands(source, flags, text)


@settings(max_examples=75, deadline=None)
@given(data=st.data(), case=st.sampled_from(SHIPPED))
def test_one_of_the_texts_stands_in_whatever_matches_a_shipped_pattern(
    data: st.DataObject, case: tuple[str, str]
) -> None:
    source, flags = case
    letters = 0
    for flag in flags:
        letters |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag]
    text = data.draw(st.from_regex(re.compile(source, letters | re.ASCII)))
    assert not searcher(source, flags)(text) or stands(source, flags, text)


@pytest.mark.parametrize(
    ("source", "flags", "wanted"),
    [
        ("abc", "", {"abc"}),
        ("ABC", "i", {"abc"}),
        ("^a+bcd$", "", {"bcd"}),
        (r"\b(whoami(\.exe)?|nltest)\s+/(all|priv)", "i", {"whoami", "whoami.exe", "nltest"}),
        ("(foo|bar)?bazz", "", {"bazz", "foobazz", "barbazz"}),
        ("[cC]url.*http", "", {"curl"}),
        ("abc(?:de){2,}", "", {"abc"}),
        ("long.*evenlonger", "", {"evenlonger"}),
        (r"\\\\server\\c\$", "", {r"\\server\c$"}),
        ("ab", "", None),
        (".*", "", None),
        ("abc|.", "", None),
        ("(?:abc)?", "", None),
        ("(?=abc)abc", "", None),
        (r"(abc)\1", "", None),
        ("(?i)abc", "", None),
        ("abc{e}", "", None),
        ("éàè", "i", None),
        ("éàè", "", {"éàè"}),
        ("abc)", "", None),
        ("(abc", "", None),
        ("[[:alpha:]]abc", "", None),
        ("a" * 9_000, "", None),
        ("(" * 60 + "abc" + ")" * 60, "", None),
    ],
)
def test_the_texts_are_those_that_say_most(source: str, flags: str, wanted: set[str] | None) -> None:
    assert literals(source, flags) == wanted


def test_of_most_shipped_patterns_something_is_known_and_it_is_little() -> None:
    found = [literals(*one) for one in SHIPPED]
    known = [one for one in found if one is not None]
    assert len(known) > 2 * len(found) // 3
    assert max(map(len, known)) <= MAX_TEXTS
    assert min(len(text) for one in known for text in one) >= SHORTEST
