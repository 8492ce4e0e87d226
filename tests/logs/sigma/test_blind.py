"""A rule that could not have fired says so: finding nothing is not the same as being unable to look."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from kyber.finding import Blind
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import table
from kyber.logs.sigma import predicate
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan

from .test_match import ZONE, batch_of, rule_of

Event = Mapping[str, Any]


def blind(detection: Mapping[str, Any], *batches: Sequence[Event]) -> list[Blind]:
    """What is blind of one rule after these batches of events."""
    matcher = Matcher(plan([rule_of({"detection": detection})]))
    for events in batches:
        list(matcher.matches(batch_of(events)))
    return list(matcher.blind())


def reasons(found: Iterable[Blind]) -> list[tuple[str, Mapping[str, object]]]:
    return [(one.reason, one.facts) for one in found]


def of(selection: object, condition: str = "sel", **others: object) -> dict[str, Any]:
    return {"sel": selection, **others, "condition": condition}


NO_FIELD: Mapping[str, tuple[dict[str, Any], list[Event], str]] = {
    "a field that no event has": (of({"a": 1}), [{"b": 1}], "a"),
    "one of two fields that are both needed": (of({"a": 1, "b": 1}), [{"b": 1}, {"b": 2}], "a"),
    "all fields of alternatives": (of([{"a": 1}, {"b": 1}]), [{"c": 1}], "a, b"),
    "all alternatives of a condition": (of({"a": 1}, "1 of *", more={"b": 1}), [{"c": 1}], "a, b"),
    "a field beside what is negated": (of({"a": 1}, "sel and not more", more={"b": 1}), [{"b": 1}], "a"),
    "a field that has to be there": (of({"a|exists": True}), [{"b": 1}], "a"),
    "a field that is compared": (of({"a|gt": 1}), [{"b": 1}], "a"),
    "a field that refers to another": (of({"a|fieldref": "b"}), [{"b": 1}], "a"),
    "a field of a time": (of({"a|hour": 3}), [{"b": 1}], "a"),
    "a field that is negated twice": (of({"a": 1}, "not not sel"), [{"b": 1}], "a"),
}

SEEING: Mapping[str, tuple[dict[str, Any], list[Event]]] = {
    "every field is there": (of({"a": 1}), [{"a": 2}]),
    "each field is in some event": (of({"a": 1, "b": 1}), [{"a": 1}, {"b": 1}]),
    "the field is there and null": (of({"a": 1}), [{"a": None}]),
    "the field is there and an empty text": (of({"a": 1}), [{"a": ""}]),
    "one field of alternatives is there": (of([{"a": 1}, {"b": 1}]), [{"b": 2}]),
    "one alternative of a condition is there": (of({"a": 1}, "sel or more", more={"b": 1}), [{"b": 2}]),
    "null is asked for": (of({"a": None}), [{"b": 1}]),
    "null or a value is asked for": (of({"a": [None, "x"]}), [{"b": 1}]),
    "the field must not be there": (of({"a|exists": False}), [{"b": 1}]),
    "the field is negated": (of({"a": 1}, "not sel"), [{"b": 1}]),
    "the field must not have a value": (of({"a|neq": 1}), [{"b": 1}]),
    "only the filter lacks its field": (of({"b": 1}, "sel and not filter", filter={"a": 1}), [{"b": 2}]),
    "only an unused selection lacks its field": (of({"b": 1}, more={"a": 1}), [{"b": 2}]),
    "keywords look at every field": (of(["word"]), [{"b": 2}]),
    "a field is there under part of the name of an object": (of({"a.b": 1}), [{"a": {"b": 2}}]),
}


@pytest.mark.parametrize("case", NO_FIELD)
def test_a_rule_is_blind_that_cannot_hold_for_want_of(case: str) -> None:
    detection, events, field = NO_FIELD[case]
    assert reasons(blind(detection, events)) == [("no-field", {"field": field})]


@pytest.mark.parametrize("case", SEEING)
def test_a_rule_sees_where(case: str) -> None:
    detection, events = SEEING[case]
    assert blind(detection, events) == []


def test_a_rule_is_blind_where_no_event_is_of_its_logsource() -> None:
    other = rule_of({"logsource": {"product": "windows", "service": "sysmon"}, "detection": of({"a": 1})})
    matcher = Matcher(plan([other]))
    list(matcher.matches(batch_of([{"a": 1}])))
    assert reasons(matcher.blind()) == [("no-events", {"logsource": "product:windows,service:sysmon"})]


def test_a_rule_is_blind_where_there_is_no_event_at_all() -> None:
    assert reasons(blind(of({"a": 1}))) == [("no-events", {"logsource": "product:test"})]
    assert reasons(blind(of({"a": 1}), [])) == [("no-events", {"logsource": "product:test"})]


def test_blindness_is_judged_over_the_whole_scan() -> None:
    without, having = [{"b": 1}], [{"a": 2}]
    assert blind(of({"a": 1, "b": 1}), without, having) == []
    assert blind(of({"a": 1, "b": 1}), having, without) == []
    assert reasons(blind(of({"a": 1, "b": 1}), without, without)) == [("no-field", {"field": "a"})]


def test_a_field_counts_only_where_an_event_of_the_rules_own_logsource_has_it() -> None:
    windows = table("windows")
    events: list[dict[str, Any]] = [
        {"Channel": "Security", "EventID": 4624, "LogonType": 3},
        {"Channel": "System", "EventID": 7045, "ImagePath": "x"},
    ]
    raw = [orjson.dumps(event) for event in events]
    parsed = Parsed(
        events=[{"winlog.channel": one["Channel"], "winlog.event_id": one["EventID"]} for one in events],
        raw=raw,
        numbers=[1, 2],
        offsets=[0, 1],
    )
    parsed.events[0]["winlog.event_data.LogonType"] = 3
    parsed.events[1]["winlog.event_data.ImagePath"] = "x"
    made = EventBatch(parsed, Origin("", "test", b"", ZONE), LogSource("windows"), windows)
    rules = [
        rule_of({"id": f"{service} {field}", "logsource": logsource, "detection": of({field: "x"})})
        for service in ("security", "system")
        for field in ("LogonType", "ImagePath")
        for logsource in [{"product": "windows", "service": service}]
    ]
    matcher = Matcher(plan(rules))
    assert [match.rule.ref.id for match in matcher.matches(made)] == ["system ImagePath"]
    assert {one.rule.id: one.facts["field"] for one in matcher.blind()} == {
        "security ImagePath": "ImagePath",
        "system LogonType": "LogonType",
    }


def test_a_blind_rule_says_which_it_is_and_how_serious(tmp_path: Path) -> None:
    rule = rule_of({"id": "x", "level": "high", "detection": of({"a": 1})})
    (one,) = Matcher(plan([rule])).blind()
    assert (one.rule, str(one.level)) == (rule.ref, "high")


def test_a_rule_whose_pattern_took_too_long_is_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicate, "REGEX_SECONDS", 0.01)
    slow = of({"a|re": r"^(?=(a|aa)+$)"})
    assert reasons(blind(slow, [{"a": "a" * 60 + "!"}])) == [("regex-time", {"pattern": r"/^(?=(a|aa)+$)/"})]
    assert blind(slow, [{"a": "aa"}]) == []
