"""The columnar matcher gives exactly the rows of the row-by-row evaluator, whatever the rules and the events."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import Clock, Table
from kyber.logs.sigma.evidence import holds
from kyber.logs.sigma.filters import Filter
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, read_rule
from tests import reference
from tests.logs.sigma.strategies import PLACEHOLDERS, cases, filtered_cases

ZONE = ZoneInfo("Europe/Helsinki")
BARE = Table(
    name="bare",
    title="Fields under their own names",
    columns={},
    fields={},
    native=(),
    time=(Clock("@timestamp"),),
    services={},
    categories={},
    shown=(),
)


def batch_of(events: Sequence[Mapping[str, Any]], json: bool = False) -> EventBatch:
    """Events as one batch without any mapping of names."""
    raw = [orjson.dumps(event) for event in events]
    numbers = list(range(1, len(events) + 1))
    parsed = Parsed(events=[dict(event) for event in events], raw=raw, numbers=numbers, offsets=numbers)
    return EventBatch(parsed, Origin("", "test", b"", ZONE), LogSource("test"), BARE, json=json)


def rule_of(document: Mapping[str, Any]) -> Rule:
    """A rule that kyber can run, or the test fails."""
    rule = read_rule({"title": "t", "logsource": {"product": "test"}, **document}, "rule.yml", PLACEHOLDERS, [])
    assert isinstance(rule, Rule), rule
    return rule


def filter_of(document: Mapping[str, Any]) -> Filter:
    """A filter that kyber can use, or the test fails."""
    found = read_rule(document, "filter.yml", PLACEHOLDERS, [])
    assert isinstance(found, Filter), found
    return found


def rows(matcher: Matcher, batch: EventBatch) -> list[int]:
    """The rows that the one rule of a matcher matches in a batch."""
    return [int(row) for match in matcher.matches(batch) for row in match.rows]


@settings(max_examples=200, deadline=None)
@given(case=cases(), json=st.booleans())
def test_the_columnar_matcher_returns_exactly_the_rows_of_the_row_by_row_one(
    case: tuple[dict[str, Any], list[dict[str, Any]]], json: bool
) -> None:
    document, events = case
    rule = rule_of(document)
    expected = [
        index
        for index, event in enumerate(events)
        if reference.matches(document, event, placeholders=PLACEHOLDERS, zone=ZONE)
    ]
    batch = batch_of(events, json)
    assert rows(Matcher(plan([rule])), batch) == expected
    assert [row for row in range(batch.rows) if holds(rule.condition, batch, row)] == expected


@settings(max_examples=50, deadline=None)
@given(first=cases(), second=cases(), cut=st.integers(0, 20))
def test_rules_planned_together_and_events_in_several_batches_match_as_they_do_alone(
    first: tuple[dict[str, Any], list[dict[str, Any]]], second: tuple[dict[str, Any], list[dict[str, Any]]], cut: int
) -> None:
    rules = [rule_of({**first[0], "id": "first"}), rule_of({**second[0], "id": "second"})]
    events = [*first[1], *second[1]]
    alone = {rule.ref.id: rows(Matcher(plan([rule])), batch_of(events)) for rule in rules}
    together = Matcher(plan(rules))
    found: dict[str, list[int]] = {"first": [], "second": []}
    for start, part in ((0, events[:cut]), (cut, events[cut:])):
        if part:
            for match in together.matches(batch_of(part)):
                found[match.rule.ref.id] += [start + int(row) for row in match.rows]
    assert found == alone


@settings(max_examples=100, deadline=None)
@given(case=filtered_cases(), json=st.booleans(), cut=st.integers(0, 6))
def test_filters_take_out_exactly_the_rows_that_they_do_row_by_row(
    case: tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]], json: bool, cut: int
) -> None:
    rules, filters, events = case
    expected: dict[str, tuple[list[int], dict[str, list[int]]]] = {}
    for rule in rules:
        applied = [one for one in filters if one["filter"]["rules"] == "any" or rule["id"] in one["filter"]["rules"]]
        matched = reference.read(rule, placeholders=PLACEHOLDERS, zone=ZONE)
        takes = {one["id"]: reference.takes_out(one, placeholders=PLACEHOLDERS, zone=ZONE) for one in applied}
        rows = [row for row, event in enumerate(events) if matched(event)]
        hidden = {name: [row for row in rows if taken(events[row])] for name, taken in takes.items()}
        left = [row for row in rows if not any(row in one for one in hidden.values())]
        expected[rule["id"]] = (left, {name: taken for name, taken in hidden.items() if taken})
    found: dict[str, tuple[list[int], dict[str, list[int]]]] = {rule["id"]: ([], {}) for rule in rules}
    matcher = Matcher(plan(list(map(rule_of, rules)), list(map(filter_of, filters))))
    for start, part in ((0, events[:cut]), (cut, events[cut:])):
        for match in matcher.matches(batch_of(part, json)) if part else ():
            left, hidden = found[match.rule.ref.id]
            left += [start + int(row) for row in match.rows]
            for name, taken in match.hidden.items():
                hidden.setdefault(name, []).extend(start + int(row) for row in taken)
    assert found == expected


ESCAPED = {'"': ['\\"'], "\\": ["\\\\"], "/": ["/", "\\/"]}


@given(
    text=st.text(st.sampled_from('aAkKsS/\\".: i1-'), min_size=3, max_size=8),
    around=st.text(st.sampled_from("xyz /"), max_size=3),
    data=st.data(),
)
def test_a_keyword_is_found_however_json_writes_its_letters(text: str, around: str, data: st.DataObject) -> None:
    written = ""
    for letter in around + text + around:
        forms = [*ESCAPED.get(letter, [letter]), f"\\u{ord(letter):04x}", f"\\u{ord(letter):04X}"]
        written += data.draw(st.sampled_from(forms))
    raw = b'{"x": "' + written.encode() + b'"}'
    rule = rule_of({"detection": {"words": [text.replace("\\", "\\\\").upper()], "condition": "words"}})
    parsed = Parsed(events=[orjson.loads(raw)], raw=[raw], numbers=[1], offsets=[0])
    batch = EventBatch(parsed, Origin("", "test", b"", ZONE), LogSource("test"), BARE, json=True)
    assert rows(Matcher(plan([rule])), batch) == [0]
