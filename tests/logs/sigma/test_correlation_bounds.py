"""What correlations hold is bounded, whatever the logs hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kyber.logs.sigma import occurrences
from kyber.logs.sigma.correlation import MAX_PATHS
from kyber.logs.sigma.occurrences import EACH, LONGEST, MAX_ALTERNATIVES, Occurrences, needs
from kyber.logs.sigma.rule import RuleSet
from tests.logs.sigma.correlating import batch_of, correlator, gathered, ruleset_of, when

RULE = {
    "title": "a",
    "id": "a",
    "name": "a",
    "logsource": {"product": "test"},
    "detection": {"sel": {"kind": "a"}, "condition": "sel"},
}


def counting(by: Sequence[str] = ("user", "host"), least: int = 1) -> RuleSet:
    body = {"type": "event_count", "rules": ["a"], "group-by": list(by), "timespan": "10s", "condition": {"gte": least}}
    return ruleset_of(RULE, {"title": "many", "id": "many", "name": "many", "correlation": body})


def event(at: float, **fields: Any) -> dict[str, Any]:
    return {"time": when(at), "kind": "a", **fields}


def left_out(ruleset: RuleSet, found: Occurrences) -> int:
    (count,) = [one.facts["count"] for one in correlator(ruleset, found).problems() if one.code == "R26"]
    assert isinstance(count, int)
    return count


def groups(ruleset: RuleSet, found: Occurrences) -> list[Mapping[str, str]]:
    by = correlator(ruleset, found)
    return [by.finding(one).group for one in by.bursts()]


def test_an_event_stands_in_so_many_groups_and_the_others_are_said() -> None:
    ruleset = counting()
    ten = [f"t{number}" for number in range(10)]
    found = gathered(ruleset, [batch_of([event(0, user=ten, host=ten)])])
    assert len(groups(ruleset, found)) == MAX_ALTERNATIVES
    assert left_out(ruleset, found) == 100 - MAX_ALTERNATIVES


def test_texts_within_the_bound_are_held_and_what_is_left_out_is_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "MAX_BYTES", 15 * 300 + EACH)
    ruleset = counting(["user"])
    events = [event(at * 100, user=f"{at:0100}") for at in range(40)]
    found = gathered(ruleset, [batch_of(events[at : at + 4]) for at in range(0, 40, 4)])
    kept = [f"{at:0100}" for at in range(25, 40)]  # of 300 bytes each, besides what stands for no fields at all
    assert sorted(one["user"] for one in groups(ruleset, found)) == kept
    assert found.size == occurrences.MAX_BYTES
    assert left_out(ruleset, found) == 25


def test_what_several_gathered_is_within_the_bound_once_it_is_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "MAX_BYTES", 15 * 300 + EACH)
    ruleset = counting(["user"])
    whole = Occurrences(needs(ruleset.correlations))
    for start in (20, 0, 10, 30):
        batch = batch_of([event(at * 100, user=f"{at:0100}") for at in range(start, start + 10)])
        whole.merge(gathered(ruleset, [batch]))
        assert whole.size <= occurrences.MAX_BYTES
    assert sorted(one["user"] for one in groups(ruleset, whole)) == [f"{at:0100}" for at in range(25, 40)]
    assert left_out(ruleset, whole) == 25


def test_a_gatherer_does_not_wait_for_many_occurrences_where_texts_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occurrences, "MAX_BYTES", 15 * 300 + EACH)
    ruleset = counting(["user"])
    largest = 0
    merged = Occurrences.prune

    def prune(self: Occurrences) -> None:
        nonlocal largest
        largest = max(largest, self.size)
        merged(self)

    monkeypatch.setattr(Occurrences, "prune", prune)
    gathered(ruleset, [batch_of([event(at, user=f"{at:0100}")]) for at in range(100)])
    assert occurrences.MAX_BYTES < largest <= 1.6 * occurrences.MAX_BYTES


def test_more_bytes_are_held_where_more_occurrences_are_asked_for() -> None:
    assert Occurrences({}, 2 * occurrences.LIMIT).room == 2 * occurrences.MAX_BYTES
    assert Occurrences({}, 1).room == occurrences.MAX_BYTES


def test_long_texts_are_told_apart_without_being_held_whole() -> None:
    ruleset = counting(["user"], least=2)
    start = "U" * 5_000
    events = [event(0, user=start + "a"), event(1, user=start + "B"), event(2, user=start.lower() + "A")]
    found = gathered(ruleset, [batch_of(events)])
    assert len(groups(ruleset, found)) == 1
    assert all(len(text) < LONGEST + 100 for entries in found.entries.values() for (one,) in entries for text in one)
    assert len(next(iter(found.entries))) == 1


def test_a_text_as_long_as_the_bound_is_held_as_it_is() -> None:
    ruleset = counting(["user"])
    found = gathered(ruleset, [batch_of([event(0, user="x" * LONGEST)])])
    assert (("x" * LONGEST,),) in found.entries["user",]


def test_correlations_that_many_ways_lead_down_from_are_refused() -> None:
    documents: list[dict[str, Any]] = [dict(RULE)]
    below = ["a"]
    for level in range(9):
        here = [f"c{level}{side}" for side in "lr"]
        for name in here:
            body = {"type": "event_count", "rules": below, "timespan": "1s", "condition": {"gte": 1}}
            documents.append({"title": name, "id": name, "name": name, "correlation": body})
        below = here
    ruleset = ruleset_of(*documents)
    assert MAX_PATHS < 2**7
    assert [one.code for one in ruleset.problems] == ["R21", "R21"]
    assert len(ruleset.correlations) == 2 * 7
