"""What rules and searches need is held by what a store is asked for, whatever they ask and whatever the events are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.enrich import enriched
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.pushdown import superset, superset_of_rules
from kyber.logs.rule_tests import read_tests
from kyber.logs.scan import NOTHING_KNOWN
from kyber.logs.schema import table
from kyber.logs.search.meaning import read
from kyber.logs.search.query import QueryError, Syntax, written
from kyber.logs.search.run import Searcher
from kyber.logs.search.when import Clock
from kyber.logs.sigma.asking import sourced
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, RuleSet, read_rule, read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.store import narrow
from kyber.logs.store.narrow import Narrow, cost, query
from kyber.logs.stream import Stream
from kyber.logs.trial import _batches, only
from tests.data import outside, unpacked
from tests.logs.search.strategies import cases as searches
from tests.logs.sigma.strategies import PLACEHOLDERS, cases
from tests.logs.sigma.test_match import ZONE, rule_of
from tests.logs.store.slow_query import documents_of, meaning

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CLOCK = Clock(datetime(2024, 3, 2, 10, 30, tzinfo=UTC), ZONE)

ASKED = {"A": "User", "B": "EventID", "C": "process.command_line", "D.E": "user.name", "missing": "user.domain"}
"""What rules call the fields of the strategies in events of Windows; of some, only a part of a native column."""
NATIVE = {
    "A": "winlog.event_data.User",
    "B": "winlog.event_id",
    "C": "winlog.event_data.CommandLine",
    "D.E": "winlog.event_data.TargetUserName",
}


def ruleset(*rules: Rule) -> RuleSet:
    return RuleSet(rules, (), ())


def held(asked: Narrow | None, batch: EventBatch) -> set[int]:
    """The rows of a batch that a store would give."""
    holds = meaning(query(asked))
    return {row for row, one in enumerate(documents_of(batch)) if holds(one)}


def matched(rules: Sequence[Rule], batch: EventBatch) -> set[int]:
    """The rows that some rule matches."""
    return {int(row) for match in Matcher(plan(rules)).matches(batch) for row in match.rows}


def batch_of(events: Sequence[Mapping[str, Any]], json: bool = False) -> EventBatch:
    """Events under their own names."""
    raw = [orjson.dumps(event) for event in events]
    numbers = list(range(1, len(events) + 1))
    parsed = Parsed(events=[dict(event) for event in events], raw=raw, numbers=numbers, offsets=numbers)
    return EventBatch(parsed, Origin("s", "test", b"", ZONE), LogSource("test"), table("json"), json=json)


def windows(events: Sequence[Mapping[str, Any]], declared: LogSource = LogSource("windows")) -> EventBatch:  # noqa: B008
    """Events under the native names of Windows."""
    numbers = list(range(len(events)))
    parsed = Parsed(events=[dict(one) for one in events], raw=[b""] * len(events), numbers=numbers, offsets=numbers)
    return EventBatch(parsed, Origin("dc1", "security.evtx", b"", ZONE), declared, table("windows"))


# --- rules -----------------------------------------------------------------------------------------------------------


@settings(max_examples=75, deadline=None)
@given(case=cases(), json=st.booleans())
def test_what_a_rule_matches_is_held(case: tuple[dict[str, Any], list[dict[str, Any]]], json: bool) -> None:
    document, events = case
    rule, batch = rule_of(document), batch_of(events, json)
    assert matched([rule], batch) <= held(superset_of_rules(ruleset(rule)), batch)


def renamed(detection: Mapping[str, Any]) -> dict[str, Any]:
    """A detection that asks for the fields of Windows events."""

    def selection(body: Any) -> Any:
        if isinstance(body, list):
            return list(map(selection, body))
        if not isinstance(body, dict):
            return body
        found = {}
        for key, value in body.items():
            field, *modifiers = key.split("|")
            if "fieldref" in modifiers:
                value = [ASKED[one] for one in (value if isinstance(value, list) else [value])]
            found["|".join((ASKED.get(field, field), *modifiers))] = value
        return found

    return {name: body if name == "condition" else selection(body) for name, body in detection.items()}


DECLARED = (
    LogSource("windows"),
    LogSource("windows", "process_creation"),
    LogSource("windows", None, "security"),
    LogSource("linux"),
    LogSource(),
)
WANTED = [
    {"product": "windows"},
    {"product": "windows", "category": "process_creation"},
    {"product": "windows", "service": "security"},
    {"product": "windows", "service": "nowhere"},
    {"category": "process_creation"},
    {"product": "linux"},
    {},
]


@settings(max_examples=75, deadline=None)
@given(
    first=cases(),
    second=cases(),
    logsources=st.tuples(st.sampled_from(WANTED), st.sampled_from(WANTED)),
    declared=st.sampled_from(DECLARED),
    kinds=st.lists(
        st.sampled_from([("Security", 4688), ("Microsoft-Windows-Sysmon/Operational", 1), ("security", "1"), None]),
        min_size=12,
        max_size=12,
    ),
    most=st.sampled_from([4, 20, narrow.MAX_CLAUSES]),
    sign=st.sampled_from(["", "A\\", "\\"]),
)
def test_what_rules_of_several_logsources_match_is_held_through_field_tables_and_within_any_bound(
    first: tuple[dict[str, Any], list[dict[str, Any]]],
    second: tuple[dict[str, Any], list[dict[str, Any]]],
    logsources: tuple[dict[str, str], dict[str, str]],
    declared: LogSource,
    kinds: list[tuple[str, int] | None],
    most: int,
    sign: str,
) -> None:
    rules = [
        read_rule(
            {"title": "t", "id": str(at), "logsource": logsource, "detection": renamed(case[0]["detection"])},
            f"{at}.yml",
            PLACEHOLDERS,
            [],
        )
        for at, (case, logsource) in enumerate(zip((first, second), logsources, strict=True))
    ]
    assume(all(isinstance(one, Rule) for one in rules))
    events: list[dict[str, Any]] = []
    for event, kind in zip((*first[1], *second[1]), kinds, strict=False):
        made = {NATIVE[name]: value for name, value in event.items()}
        if isinstance(user := made.get(NATIVE["A"]), str):
            made[NATIVE["A"]] = sign + user
        if kind is not None:
            made |= {"winlog.channel": kind[0], "winlog.event_id": kind[1]}
        events.append(made)
    batch = windows(events, declared)
    with patch.object(narrow, "MAX_CLAUSES", most):
        found = superset_of_rules(ruleset(*rules))  # type: ignore[arg-type]
        assert matched(rules, sourced(enriched(batch, NOTHING_KNOWN))) <= held(found, batch)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "value", "other"),
    [
        ({"B": 5}, "5", "55"),
        ({"B": 5}, 5.0, "5.1x"),
        ({"B": 5}, "+5", "5-"),
        ({"B": 5}, "05", "50"),
        ({"B": 5}, "50e-1", "e5"),
        ({"B": 5}, "4.99999999999999999999999", "a.5"),
        ({"B": 0}, "-0.0", "o"),
        ({"B": -3}, "-3", "3"),
        ({"B": 0.5}, "0.50", "5"),
        ({"B|cidr": "10.1.2.0/23"}, "10.1.3.255", "10.1.4.0"),
        ({"B|cidr": "10.0.0.0/8"}, "10.255.0.1", "100.1.1.1"),
        ({"B|cidr": "10.1.2.3/32"}, "10.1.2.3", "10.1.2.30"),
        ({"B": "KİSΣß"}, "\u212ai\u017f", "x"),
        ({"B": "kiσß"}, "\u212aİςß", "kiσss"),
        ({"B|contains": "x"}, ["a", "xyz", None], ["a"]),
        ({"B": True}, True, False),
        ({"B": ""}, "", "x"),
        ({"B|contains": "a*b?c"}, "zaxxbyc", "zaxxcb"),
        ({"B": r"a\*b"}, "a*b", "axb"),
        ({"B|contains": "="}, "a=b", "ab"),
        ({"B|endswith": r"\cmd.exe"}, "C:\\CMD.EXE", "cmd.exe"),
        ({"B|contains": "x"}, "y" * 5_000 + "x", "y" * 500),
    ],
)
def test_values_are_held_that_a_rule_asks_for_and_most_others_are_not(
    wanted: dict[str, Any], value: Any, other: Any
) -> None:
    rule = rule_of({"detection": {"selection": wanted, "condition": "selection"}})
    batch = batch_of([{"B": value}, {"B": other}, {"C": value}])
    found = held(superset_of_rules(ruleset(rule)), batch)
    assert matched([rule], batch) <= found
    assert found <= {0}


@pytest.mark.parametrize(
    "detection",
    [
        {"selection": {"B|exists": True}, "condition": "selection"},
        {"selection": {"B": None}, "condition": "selection"},
        {"selection": {"B": "x"}, "condition": "not selection"},
        {"selection": {"host.owner": "x"}, "condition": "selection"},
        {"selection": {"kyber.source": "x"}, "condition": "selection"},
        {"selection": {"|re": "x"}, "condition": "selection"},
    ],
)
def test_where_nothing_can_be_said_for_sure_every_event_of_the_logsource_is_held(detection: dict[str, Any]) -> None:
    rule = rule_of({"detection": detection})
    assert held(superset_of_rules(ruleset(rule)), batch_of([{"B": "x"}, {"C": "y"}, {}])) == {0, 1, 2}


def test_of_many_rules_those_that_ask_most_are_asked_for_less_exactly() -> None:
    def asking(rules: int, **fields: str) -> list[Rule]:
        """Rules about a word each, and about something that all of them ask for."""
        detections = ({"s": {"B|contains": f"word{one}", **fields}, "condition": "s"} for one in range(rules))
        return [rule_of({"id": f"r{one}", "detection": detection}) for one, detection in enumerate(detections)]

    batch = batch_of([{"B": "word5", "C": "value" * 10}, {"B": "word5"}, {"B": "x", "C": "value"}, {"C": "word5"}])
    for rules, wanted in (
        (asking(10, **{"C|contains": "value" * 10}), {0}),
        (asking(400, **{"C|contains": "value" * 10}), {0, 1}),
        (asking(2_000), {0, 1, 2}),
    ):
        found = superset_of_rules(ruleset(*rules))
        assert held(found, batch) == wanted
        assert cost(found).fits


def test_where_a_rule_waits_for_silence_every_event_is_held_unless_another_listens() -> None:
    every = read_rules([str(shipped_rules())], {})
    backup = next(one for one in every.correlations if one.ref.name == "backup_missing")
    rules = only(every, backup)
    assert superset_of_rules(rules) is None
    assert query(superset_of_rules(rules, silence=False)) == {"bool": {"filter": [{"match_none": {}}]}}


def test_rules_of_a_product_hold_events_that_are_declared_to_be_of_it_whatever_they_look_like() -> None:
    rule = read_rule(
        {"title": "t", "logsource": {"product": "windows"}, "detection": {"s": {"B": "x"}, "condition": "s"}},
        "r.yml",
        {},
        [],
    )
    assert isinstance(rule, Rule)
    found = superset_of_rules(ruleset(rule))
    as_json = batch_of([{"B": "x"}, {"C": "y"}])
    as_json.logsource = LogSource("windows")
    assert held(found, as_json) == {0, 1}
    assert held(found, windows([{"B": "x"}, {"C": "y"}, {"winlog.event_data.B": "X"}])) == {0, 2}
    assert held(found, windows([{"B": "x"}], LogSource("linux"))) == set()


# --- rules and logs as they are --------------------------------------------------------------------------------------

RULES = sorted(one for one in shipped_rules().rglob("*.yml"))


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_what_a_shipped_rule_matches_in_its_samples_is_held(file: Path) -> None:
    rules = read_rules([str(file)], {})
    tests = file.with_suffix(".tests.yaml")
    if not rules.rules or not tests.exists():
        return
    found = superset_of_rules(rules)
    for test in read_tests(tests.read_bytes(), str(tests))[0]:
        for batch in _batches(test, rules, NOW):
            assert matched(rules.rules, sourced(enriched(batch, NOTHING_KNOWN))) <= held(found, batch), test.name


def read_batches(path: Path, most: int) -> Iterator[EventBatch]:
    """The batches of a file, until there are so many events."""
    found, problems = inputs([str(path)], NOW)
    assert not problems
    job = Job(source="s", inputs=found, zone=UTC)
    with closing(Stream(found[0])) as stream:
        tally = Tally()
        for batch in batches(stream, job.form(stream.sample), job, tally):
            yield batch
            if tally.events >= most:
                break


def assert_held(rules: RuleSet, path: Path, most: int) -> None:
    """What rules match in a log is held by what is asked for all of them, and for each of them alone."""
    every = meaning(query(superset_of_rules(rules, silence=False)))
    listening = {rule for one in rules.correlations if one.of_absence for rule in one.rules}
    awake = [one for one in rules.rules if one.ref.id not in listening]
    alone: dict[str, Callable[[Mapping[str, Any]], bool]] = {}
    for batch in read_batches(path, most):
        documents = documents_of(batch)
        for match in Matcher(plan(awake)).matches(sourced(enriched(batch, NOTHING_KNOWN))):
            rule = match.rule
            if rule.ref.id not in alone:
                alone[rule.ref.id] = meaning(query(superset_of_rules(ruleset(rule))))
            for row in match.rows.tolist()[:: max(1, len(match.rows) // 20)]:
                assert alone[rule.ref.id](documents[row]), rule.place
                assert every(documents[row]), rule.place


@pytest.mark.parametrize("name", ["linux/Linux_2k.log", "linux/OpenSSH_2k.log", "linux/Apache_2k.log"])
def test_what_shipped_rules_match_in_linux_logs_is_held(name: str) -> None:
    assert_held(read_rules([str(shipped_rules())], {}), outside(name), 2_000)


def test_what_shipped_and_other_rules_match_in_windows_logs_is_held() -> None:
    folder = unpacked("sigma-rules.tar.gz")
    rules = read_rules([str(shipped_rules()), str(folder / "rules" / "windows")], {})
    assert_held(rules, outside("windows-events.jsonl.zst"), 2_000)


# --- searches --------------------------------------------------------------------------------------------------------


@settings(max_examples=75, deadline=None)
@given(case=searches, most=st.sampled_from([1, 3, narrow.MAX_CLAUSES]))
def test_what_a_search_finds_is_held(case: tuple[Syntax, list[dict[str, Any]]], most: int) -> None:
    tree, events = case
    try:
        asked = read(written(tree), CLOCK)
    except QueryError:
        assume(False)
    batch = batch_of(events)
    with patch.object(narrow, "MAX_CLAUSES", most):
        assert set(Searcher(asked).rows(batch).tolist()) <= held(superset(asked), batch)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("user.name:anna", {0, 1}),
        ("USER.NAME:ANNA", {0, 1}),
        ("User:*anna", {0}),
        ("commandline:*evil*", {2}),
        ("winlog.event_data.commandline:*EVIL*", {2}),
        ("EventID:4688", {1, 2}),
        ("4688 evil", {2}),
        ("evil OR anna", {0, 1, 2}),
        ("anna NOT event.code:4688", {0, 1}),
        ("NOT anna", {0, 1, 2, 3}),
        ("source.ip:10.0.0.0/8", {3}),
        ("source:dc1", {0, 1, 2, 3}),
        ("time:2024-03-01", {0, 1, 2, 3}),
        ("kyber.id:abc", {0, 1, 2, 3}),
        ("nowhere:*", set()),
        ("host.owner:x", {0, 1, 2, 3}),
        ("event.code:>4000", {1, 2}),
        ("", {0, 1, 2, 3}),
    ],
)
def test_searches_hold_what_they_ask_for_by_any_name(asked: str, wanted: set[int]) -> None:
    batch = windows(
        [
            {"winlog.event_data.User": "CORP\\Anna"},
            {"winlog.event_data.TargetUserName": "anna", "winlog.event_id": 4688},
            {"winlog.event_data.CommandLine": "x evil y", "winlog.event_id": "4688"},
            {"winlog.event_data.IpAddress": "10.1.2.3"},
        ]
    )
    asks = read(asked, CLOCK)
    found = held(superset(asks), batch)
    assert set(Searcher(asks).rows(batch).tolist()) <= found
    assert found == wanted


@pytest.mark.parametrize("name", ["\u0130d", "i\u0307d", "ΑΣ", "ας", "ß", "a=b", "=", "\u212aelvin"])
def test_names_that_fold_in_odd_ways_are_found_as_the_engine_finds_them(name: str) -> None:
    batch = batch_of([{name: "x"}, {name.upper(): "x"}, {name.lower(): "x"}, {"b": "x"}])
    for asked in (name, name.upper(), name.lower()):
        asks = read(f'"{asked}":x', CLOCK)
        assert set(Searcher(asks).rows(batch).tolist()) <= held(superset(asks), batch)
