"""What a rule says of one event: the engine's answer, and why, leaf by leaf."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import table
from kyber.logs.sigma.evidence import evidence
from kyber.logs.sigma.explain import Answer, Branch, Explanation, Reach, Told, Why, explanation
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.route import routed
from tests.logs.sigma.strategies import cases
from tests.logs.sigma.test_match import ZONE, batch_of, rows, rule_of


def told(answer: Answer) -> Iterator[Told]:
    """The leaves of an explained condition, in order."""
    if isinstance(answer, Told):
        yield answer
    else:
        for inner in answer.nodes:
            yield from told(inner)


def explained(detection: Mapping[str, Any], event: Mapping[str, Any]) -> Explanation:
    """A rule with one selection over one event."""
    rule = rule_of({"detection": {"sel": detection, "condition": "sel"}})
    return explanation(rule, batch_of([event]), 0)


def only(detection: Mapping[str, Any], event: Mapping[str, Any]) -> Told:
    (leaf,) = told(explained(detection, event).condition)
    return leaf


@settings(max_examples=150, deadline=None)
@given(case=cases(), json=st.booleans())
def test_an_explanation_matches_exactly_the_rows_that_the_matcher_does(
    case: tuple[dict[str, Any], list[dict[str, Any]]], json: bool
) -> None:
    document, events = case
    rule = rule_of(document)
    batch = batch_of(events, json)
    answers = [explanation(rule, batch, row) for row in range(batch.rows)]
    assert [row for row, one in enumerate(answers) if one.matches] == rows(Matcher(plan([rule])), batch)
    for row, one in enumerate(answers):
        for leaf in told(one.condition):
            assert leaf.holds == (leaf.why in (Why.HOLDS, Why.ABSENCE))
            assert (leaf.value is None) == (not leaf.column)
        if one.matches:
            held = {(leaf.part, leaf.field, leaf.column, leaf.value) for leaf in told(one.condition) if leaf.holds}
            named = {
                (found.part, found.field, found.column, found.value) for found in evidence(rule.condition, batch, row)
            }
            assert {one for one in named if one[1]} <= held


@pytest.mark.parametrize(
    ("detection", "event", "why"),
    [
        ({"User": "root"}, {"User": "ROOT"}, Why.HOLDS),
        ({"User": "root"}, {}, Why.ABSENT),
        ({"User": "root"}, {"User": None}, Why.NULL),
        ({"User": "root"}, {"User": []}, Why.NULL),
        ({"User": "root"}, {"User": "alice"}, Why.DIFFERS),
        ({"User|cased": "root"}, {"User": "Root"}, Why.CASE),
        ({"User": "root"}, {"User": "user root logged in"}, Why.WITHIN),
        ({"User|startswith": "root"}, {"User": "the root"}, Why.WITHIN),
        ({"User": ""}, {"User": "root"}, Why.DIFFERS),
        ({"Line|re": "failed"}, {"Line": "Failed"}, Why.CASE),
        ({"Line|re|i": "failed"}, {"Line": "passed"}, Why.DIFFERS),
        ({"Port": 22}, {"Port": "ssh"}, Why.NO_NUMBER),
        ({"Port": 22}, {"Port": "2222"}, Why.DIFFERS),
        ({"Port|gt": 22}, {"Port": "many"}, Why.NO_NUMBER),
        ({"Port|gt": 22}, {"Port": 1}, Why.DIFFERS),
        ({"From|cidr": "10.0.0.0/8"}, {"From": "localhost"}, Why.NO_ADDRESS),
        ({"From|cidr": "10.0.0.0/8"}, {"From": "11.0.0.1"}, Why.DIFFERS),
        ({"At|hour": 3}, {"At": "noon"}, Why.NO_TIME),
        ({"At|hour": 3}, {"At": "2026-03-02T14:00:00Z"}, Why.DIFFERS),
        ({"User": None}, {}, Why.ABSENCE),
        ({"User": None}, {"User": "root"}, Why.PRESENT),
        ({"User|exists": False}, {"User": "root"}, Why.PRESENT),
        ({"User|exists": True}, {}, Why.ABSENT),
        ({"User|fieldref": "Owner"}, {"User": "root"}, Why.OTHER_ABSENT),
        ({"User|fieldref": "Owner"}, {"User": "root", "Owner": "alice"}, Why.DIFFERS),
        ({"User|fieldref|cased": "Owner"}, {"User": "root", "Owner": "Root"}, Why.CASE),
        ({"User|fieldref": "Owner"}, {"User": "the root", "Owner": "root"}, Why.WITHIN),
        ({"|contains": "root"}, {"User": "alice"}, Why.NOWHERE),
        ({"|contains|cased": "root"}, {"User": "the Root"}, Why.CASE),
        ({"|contains": "root"}, {"User": "the Root"}, Why.HOLDS),
        ({"Line|re": "(a+)+(?=b)$"}, {"Line": "a" * 5000}, Why.TOO_LONG),
    ],
)
def test_a_leaf_says_why(
    detection: Mapping[str, Any], event: Mapping[str, Any], why: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kyber.logs.sigma.predicate.REGEX_SECONDS", 0.02)
    assert only(detection, event).why is why


def test_no_leaf_is_left_out_because_the_answer_was_clear() -> None:
    rule = rule_of(
        {
            "detection": {
                "one": {"A": "x", "B": ["y", "z"]},
                "filter": {"C": "w"},
                "condition": "one and not filter",
            }
        }
    )
    found = explanation(rule, batch_of([{"A": "no", "B": "z", "C": "w"}]), 0)
    assert [(one.part, one.field, one.pattern, one.holds) for one in told(found.condition)] == [
        ("one", "A", "x", False),
        ("one", "B", "y", False),
        ("one", "B", "z", True),
        ("filter", "C", "w", True),
    ]
    assert isinstance(found.condition, Branch)
    negated = found.condition.nodes[-1]
    assert isinstance(negated, Branch)
    assert (negated.join, negated.holds) == ("not", False)


def test_of_an_array_the_element_is_shown_that_matched_and_all_of_them_where_none_did() -> None:
    assert only({"A": "b"}, {"A": ["a", "b"]}).value == "b"
    assert only({"A": "c"}, {"A": ["a", "b"]}).value == "a, b"


def windows(event: Mapping[str, Any], logsource: LogSource) -> EventBatch:
    parsed = Parsed(events=[dict(event)], raw=[orjson.dumps(event)], numbers=[1], offsets=[0])
    return EventBatch(parsed, Origin("", "test", b"", ZONE), logsource, table("windows"))


@pytest.mark.parametrize(
    ("logsource", "reach"),
    [
        ({}, []),
        ({"product": "windows"}, [Reach.DECLARED]),
        ({"product": "linux"}, [Reach.OTHER]),
        ({"product": "windows", "service": "security"}, [Reach.DECLARED, Reach.FOUND]),
        ({"product": "windows", "service": "system"}, [Reach.DECLARED, Reach.NOT_FOUND]),
        ({"product": "windows", "service": "nothing-like-it"}, [Reach.DECLARED, Reach.UNKNOWN]),
        ({"category": "given"}, [Reach.DECLARED]),
    ],
)
def test_it_says_whether_the_logsource_lets_the_rule_see_the_event_as_the_matcher_decides(
    logsource: Mapping[str, str], reach: list[Reach]
) -> None:
    rule = rule_of({"logsource": logsource, "detection": {"sel": {"EventID": 4624}, "condition": "sel"}})
    batch = windows({"winlog.channel": "Security", "winlog.event_id": 4624}, LogSource("windows", category="given"))
    found = explanation(rule, batch, 0)
    held = routed(rule.logsource, batch)
    assert [one.reach for one in found.logsource] == reach
    assert found.seen == (held is not None and bool(held[0]))
    assert found.condition.holds


def test_where_the_events_decide_the_columns_are_named_that_were_looked_at() -> None:
    rule = rule_of({"logsource": {"service": "system"}, "detection": {"sel": {"A": 1}, "condition": "sel"}})
    found = explanation(rule, windows({"winlog.channel": "Security"}, LogSource("windows")), 0)
    (seen,) = found.logsource
    terms = [(term.column, term.value, term.holds) for one in seen.terms for term in one]
    assert ("winlog.channel", "Security", False) in terms
    assert not found.matches
