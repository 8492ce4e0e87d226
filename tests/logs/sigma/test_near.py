"""Near misses: the events that one more answer would have made a match of, against a slow search for that answer."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.finding import NearMiss
from kyber.logs.batch import EventBatch
from kyber.logs.sigma.evidence import Event
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.near import LONGEST, VALUES_SHOWN, NearMisses, near
from kyber.logs.sigma.plan import Question, plan
from kyber.logs.sigma.predicate import And, Leaf, Node, Not, leaves
from kyber.logs.sigma.rule import Rule
from tests.logs.sigma.strategies import cases
from tests.logs.sigma.test_match import batch_of, rule_of


def helpful(node: Node, negated: bool = False) -> Iterator[bool]:
    """For each leaf in order: whether it asks for something to be there, and stands under no `not`."""
    if isinstance(node, Leaf):
        yield not negated and not Question(node.field, node.predicate).absent
    elif isinstance(node, Not):
        yield from helpful(node.node, True)
    else:
        for inner in node.nodes:
            yield from helpful(inner, negated)


def holds(node: Node, answers: Iterator[bool]) -> bool:
    """A condition over given answers of its leaves, in order."""
    if isinstance(node, Leaf):
        return next(answers)
    if isinstance(node, Not):
        return not holds(node.node, answers)
    inner = [holds(one, answers) for one in node.nodes]
    return all(inner) if isinstance(node, And) else any(inner)


def is_near(rule: Rule, batch: EventBatch, row: int) -> bool:
    """Slowly: whether one leaf, and no leaf alone, would have made the rule match."""
    event = Event(batch, row)
    seen = [event.holds(leaf) for leaf in leaves(rule.condition)]
    helps = list(helpful(rule.condition))
    if holds(rule.condition, iter(seen)):
        return False
    for index in (index for index, one in enumerate(helps) if one and not seen[index]):
        with_it = [answer or at == index for at, answer in enumerate(seen)]
        alone = [at == index if one else answer for at, (one, answer) in enumerate(zip(helps, seen, strict=True))]
        if holds(rule.condition, iter(with_it)) and not holds(rule.condition, iter(alone)):
            return True
    return False


def near_rows(matcher: Matcher, batch: EventBatch) -> list[int]:
    found: list[int] = []
    for route in matcher.routes(batch):
        for planned in matcher.plan.routes[route.logsource]:
            for _, places, met in near(planned, route):
                assert (met > 0).all()
                found += route.rows[places].tolist()
    return sorted(set(found))


@settings(max_examples=150, deadline=None)
@given(case=cases(), json=st.booleans())
def test_the_near_misses_of_a_rule_are_those_of_the_slow_search(
    case: tuple[dict[str, Any], list[dict[str, Any]]], json: bool
) -> None:
    document, events = case
    rule = rule_of(document)
    batch = batch_of(events, json)
    expected = [row for row in range(batch.rows) if is_near(rule, batch, row)]
    assert near_rows(Matcher(plan([rule])), batch) == expected


def misses(detection: Mapping[str, Any], events: Sequence[Mapping[str, Any]], batches: int = 1) -> tuple[NearMiss, ...]:
    """The near misses of one rule over events, in one batch or dealt out to several."""
    matcher = Matcher(plan([rule_of({"detection": detection})]))
    found = NearMisses(matcher)
    for at in range(batches):
        if events[at::batches]:
            found.add(batch_of(events[at::batches]))
    return found.done()


TWO = {"sel": {"A": "x", "B": "y"}, "condition": "sel"}


def test_a_rule_is_near_where_one_of_two_leaves_holds() -> None:
    (miss,) = misses(TWO, [{"A": "x", "B": "z"}, {"A": "x"}, {"A": "x", "B": "z"}, {"A": "x", "B": "y"}, {"A": "w"}])
    assert [(one.part, one.field, one.pattern) for one in miss.asked] == [("sel", "B", "y")]
    assert (miss.count, miss.met, miss.alternatives) == (3, 1, 1)
    assert miss.values == (("B", "z", 2), ("B", None, 1))
    assert miss.sample.record == 1


def test_each_leaf_that_was_missing_is_told_apart() -> None:
    found = misses(TWO, [{"A": "x"}, {"B": "y"}, {"B": "y"}])
    assert [(one.asked[0].field, one.count) for one in found] == [("B", 1), ("A", 2)]


@pytest.mark.parametrize(
    "detection",
    [
        {"sel": {"A": "y"}, "condition": "sel"},
        {"sel": {"A": ["y", "z"]}, "condition": "sel"},
        {"words": ["y", "z"], "condition": "words"},
        {"sel": {"A": "y"}, "other": {"B": "y"}, "condition": "sel or other"},
    ],
)
def test_a_rule_that_one_leaf_makes_match_is_never_near(detection: Mapping[str, Any]) -> None:
    assert misses(detection, [{"A": "x", "B": "x"}, {}]) == ()


@pytest.mark.parametrize(
    "detection",
    [
        {"sel": {"A": "x"}, "filter": {"B": "y"}, "condition": "sel and not filter"},
        {"sel": {"A": "x", "B": None}, "condition": "sel"},
        {"sel": {"A": "x", "B|exists": False}, "condition": "sel"},
        {"sel": {"A": "x", "B|neq": "y"}, "condition": "sel"},
    ],
)
def test_what_a_rule_keeps_out_by_a_negation_or_by_absence_is_not_near(detection: Mapping[str, Any]) -> None:
    assert misses(detection, [{"A": "x", "B": "y"}]) == ()


def test_of_a_list_of_values_all_are_named_since_any_would_have_done() -> None:
    listed = [f"v{number}" for number in range(12)]
    (miss,) = misses({"sel": {"A": "x", "B": listed}, "condition": "sel"}, [{"A": "x", "B": "w"}])
    assert miss.alternatives == 12
    assert [one.pattern for one in miss.asked] == listed[:8]


def test_an_event_that_either_of_two_things_would_have_made_a_match_counts_for_both() -> None:
    detection = {"sel": {"A": "x"}, "or_b": {"B": "y"}, "or_c": {"C": "y"}, "condition": "sel and 1 of or_*"}
    found = misses(detection, [{"A": "x"}])
    assert [(one.asked[0].field, one.count, one.alternatives) for one in found] == [("B", 1, 1), ("C", 1, 1)]


def test_of_several_selections_the_one_is_named_that_lacks_one_leaf() -> None:
    detection = {"sel_a": {"A": "x", "B": "y"}, "sel_b": {"C": "x", "D": "y"}, "condition": "1 of sel_*"}
    (miss,) = misses(detection, [{"C": "x"}])
    assert [(one.part, one.field) for one in miss.asked] == [("sel_b", "D")]


def test_the_order_and_number_of_batches_make_no_difference() -> None:
    events = [{"A": "x", "B": f"z{number % 3}"} for number in range(20)] + [{"B": "y"}] * 5
    whole = misses(TWO, events)
    for batches in (2, 7, 25):
        found = misses(TWO, events, batches)
        assert [(one.asked, one.count, one.values, one.met) for one in found] == [
            (one.asked, one.count, one.values, one.met) for one in whole
        ]


def test_what_parts_of_a_scan_gathered_is_put_together_in_any_order() -> None:
    matcher = Matcher(plan([rule_of({"detection": TWO})]))
    parts = []
    for events in ([{"A": "x", "B": "z"}], [{"A": "x"}, {"B": "y"}], [{"A": "x", "B": "z"}] * 2):
        one = NearMisses(matcher)
        one.add(batch_of(events))
        parts.append(one)
    ends = []
    for order in (parts, parts[::-1]):
        both = NearMisses(matcher)
        for one in order:
            both.take(pickle.loads(pickle.dumps(one.gathered)))
        ends.append([(one.asked, one.count, one.values) for one in both.done()])
    assert ends[0] == ends[1]
    assert sorted(count for _, count, _ in ends[0]) == [1, 4]
    assert [sum(one.count for one in part.gathered.values()) for part in parts] == [1, 2, 2]


def test_few_values_are_told_and_none_of_them_whole_where_it_is_long() -> None:
    events = [{"A": "x", "B": f"{number:04}" + "z" * 10_000} for number in range(10)]
    (miss,) = misses(TWO, events)
    assert len(miss.values) == VALUES_SHOWN
    assert {len(value or "") for _, value, _ in miss.values} == {LONGEST}


def test_only_the_rows_that_count_are_counted() -> None:
    matcher = Matcher(plan([rule_of({"detection": TWO})]))
    found = NearMisses(matcher)
    batch = batch_of([{"A": "x"}, {"B": "y"}, {"A": "x"}])
    found.add(batch, batch.times.argsort()[:0])
    assert found.done() == ()
    found.add(batch, batch.times.argsort(kind="stable")[:1])
    assert [(one.asked[0].field, one.count) for one in found.done()] == [("B", 1)]


def test_the_most_telling_comes_first() -> None:
    detection = {"sel": {"A": "x", "B": "y", "C": "z"}, "other": {"D": "x", "E": "y"}, "condition": "1 of *"}
    found = misses(detection, [{"D": "x"}, {"A": "x", "B": "y"}, {"A": "x", "B": "y"}])
    assert [(one.asked[0].field, one.met) for one in found] == [("C", 2), ("E", 1)]
