"""Drafting filters: the terms that tell events apart, and how values are written."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.finding import Family, RuleRef
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.predicate import Glob, Leaf
from kyber.logs.sigma.rule import Rule
from kyber.problem import Place
from kyber.tune import Seen, Term, TuneError, escaped, separating, terms_of
from tests.reference import pattern_of

RULE = Rule(
    ref=RuleRef("r", "", "R", "", ""),
    place=Place("r.yml"),
    level=Level.LOW,
    family=Family.SECURITY,
    tags=(),
    logsource=LogSource("test"),
    condition=Leaf("Own", Glob(("x",), False), "sel"),
)
FIELDS = ("Image", "User", "host.name", "Own")
values = st.sampled_from(["a", "B", "b", r"C:\One\run.exe", r"C:\One\two\run.exe", r"D:\One\run.exe", "", "-"])
events = st.dictionaries(st.sampled_from(FIELDS), values).map(Seen)


@given(st.text(alphabet="ab*?\\ [x]%", max_size=12))
def test_an_escaped_value_means_itself(value: str) -> None:
    assert pattern_of(escaped(value)) == tuple(value)


@given(false=st.lists(events, min_size=1, max_size=4), true=st.lists(events, max_size=4))
def test_terms_select_all_that_is_false_and_nothing_that_is_true_or_a_true_one_is_named(
    false: list[Seen], true: list[Seen]
) -> None:
    terms = terms_of(RULE, false)
    assert all(term.selects(one) for term in terms for one in false)
    guarded = {f"{number:08}": [one] for number, one in enumerate(true)}
    try:
        chosen = separating(terms, guarded, 1)
    except TuneError as error:
        named = [one for one in guarded if one in str(error)]
        assert all(all(term.selects(seen) for term in terms) for one in named for seen in guarded[one])
        assert named
    else:
        assert set(chosen) <= set(terms)
        assert not any(all(term.selects(one) for term in chosen) for one in true)
        alone = [term for term in terms if not any(term.selects(one) for one in true)]
        assert len(chosen) == 1 or not (true and alone)


@pytest.mark.parametrize(
    ("seen", "selected"),
    [
        ({"User": "EERO"}, True),
        ({"User": ("anna", "eero")}, True),
        ({"User": "eerola"}, False),
        ({"User": None}, False),
        ({}, False),
    ],
)
def test_a_term_is_asked_as_a_filter_asks(seen: Mapping[str, str], selected: bool) -> None:
    assert Term("User", "eero").selects(Seen(seen)) is selected
    assert Term("User", "eero").selects(Seen({}, whole=False)), "what is not known may be so"


def test_what_changes_with_each_event_is_no_term() -> None:
    condition = Leaf("LogonGuid", Glob(("x",), False), "sel")
    rule = Rule(
        ref=RULE.ref, place=RULE.place, level=Level.LOW, family=Family.SECURITY, tags=(), logsource=RULE.logsource,
        condition=condition,
    )  # fmt: skip
    seen = Seen({"LogonGuid": "same", "Image": "x\ny", "CommandLine": "a" * 2000, "User": ("a", "b")})
    assert terms_of(rule, [seen]) == []
