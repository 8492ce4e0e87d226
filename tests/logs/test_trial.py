"""Rules tried on samples: what passes, what fails and why, and what is to be said of tests that show nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, Final

import pytest

from kyber.logs.rule_tests import Provenance, read_tests
from kyber.logs.sigma.explain import Why
from kyber.logs.sigma.rule import RuleFile, checked, read_all
from kyber.logs.trial import BUDGET, Result, Trial, run_test, try_rules
from kyber.problem import Severity
from kyber.register import text_of

NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)
RULE: Final[Mapping[str, Any]] = {
    "title": "A door was opened",
    "id": "11111111-1111-4111-8111-111111111111",
    "name": "door",
    "level": "high",
    "logsource": {"product": "linux"},
    "detection": {
        "said": {"message|contains": "door opened", "host.name": "www1"},
        "guard": {"message|contains": "by the guard"},
        "condition": "said and not guard",
    },
}
COUNTED: Final[Mapping[str, Any]] = {
    "title": "Many doors",
    "id": "22222222-2222-4222-8222-222222222222",
    "name": "doors",
    "level": "high",
    "correlation": {
        "type": "event_count",
        "rules": ["door"],
        "group-by": ["host.name"],
        "timespan": "10m",
        "condition": {"gte": 3},
    },
}
LINE: Final = "2026-03-02T10:{:02}:07+02:00 {} app[1]: {}"
OPENED: Final = LINE.format(14, "www1", "door opened by a boy")


def case(name: str, expect: object, *lines: str, **more: Any) -> dict[str, Any]:
    records = {} if "events" in more else {"lines": list(lines)}
    given = {"input": {"format": "syslog"}} if lines else {}
    return {"name": name, "origin": "constructed", "source": "invented", **given, **records, "expect": expect, **more}


ENOUGH: Final = (
    case("opened", "match", OPENED),
    case("by the guard", "miss", LINE.format(14, "www1", "door opened by the guard")),
    case("elsewhere", "miss", LINE.format(14, "www2", "door opened by a boy")),
)


def tried(
    documents: Mapping[str, Any] | tuple[Mapping[str, Any], ...],
    *tests: Mapping[str, Any],
    others: tuple[Mapping[str, Any], ...] = (),
    lists: Mapping[str, tuple[str, ...]] | None = None,
    language: str = "en",
) -> Result:
    """What tests beside a file of rules come to, among other rules."""
    own = documents if isinstance(documents, tuple) else (documents,)
    files = {"x.yml": own, **{f"other{place}.yml": (one,) for place, one in enumerate(others)}}
    read = [RuleFile(".", name, "---\n".join(map(text_of, held)).encode()) for name, held in files.items()]
    rules = checked(read_all(read, lists or {}))
    texts = {"x.tests.yaml": text_of({"tests": list(tests)}).encode()} if tests else {}
    return try_rules(rules, ["x.yml"], texts, NOW, language=language)


def codes(result: Result) -> list[str]:
    return [one.code for one in result.problems]


def failed(result: Result) -> Trial:
    (one,) = [trial for rule in result.tried for trial in rule.trials if not trial.passed]
    return one


def test_tests_that_hold_are_counted_as_hits_and_misses() -> None:
    result = tried(RULE, *ENOUGH, case("twice", 2, OPENED, OPENED))
    (rule,) = result.tried
    assert (rule.rule.name, rule.file, rule.hits, rule.misses, rule.failed) == ("door", "x.tests.yaml", 2, 2, 0)
    assert result.problems == ()
    assert result.provenance == {Provenance.REAL: 0, Provenance.DOCUMENTED: 0, Provenance.CONSTRUCTED: 4}


@pytest.mark.parametrize(
    ("expect", "lines", "seen"),
    [("match", (), 0), ("match", (OPENED, OPENED), 2), ("miss", (OPENED,), 1), (3, (OPENED, OPENED), 2)],
)
def test_a_test_fails_where_another_number_of_events_is_seen(expect: object, lines: tuple[str, ...], seen: int) -> None:
    lines = lines or (LINE.format(1, "www1", "quiet"),)
    result = tried(RULE, *ENOUGH, case("wrong", expect, *lines))
    assert codes(result) == ["R96"]
    assert result.problems[0].facts == {"name": "wrong", "expected": expect, "seen": seen}
    assert result.problems[0].place == failed(result).test.place


def test_a_missed_hit_says_which_comparisons_said_no_those_of_the_nearest_event_first() -> None:
    far, near = LINE.format(1, "www2", "window opened"), LINE.format(2, "www1", "window opened")
    first, second = failed(tried(RULE, *ENOUGH, case("missed", "match", far, near))).refusals
    assert (first.record, second.record) == (2, 1)
    assert [(one.field, one.pattern, one.value, one.why) for one in first.lacking] == [
        ("message", "*door opened*", "window opened", Why.DIFFERS)
    ]
    assert [one.field for one in second.lacking] == ["message", "host.name"]
    assert (first.against, first.unseen) == ((), ())


def test_what_a_negated_selection_takes_out_is_named() -> None:
    guarded = LINE.format(1, "www1", "door opened by the guard")
    (refusal,) = failed(tried(RULE, *ENOUGH, case("missed", "match", guarded))).refusals
    assert [(one.part, one.holds) for one in refusal.against] == [("guard", True)]
    assert refusal.lacking == ()


def test_an_event_of_another_logsource_is_said_not_to_be_seen() -> None:
    rule = {**RULE, "logsource": {"product": "windows"}}
    result = tried(rule, case("missed", "match", OPENED))
    (refusal,) = failed(result).refusals
    assert [(one.key, one.wanted, one.given) for one in refusal.unseen] == [("product", "windows", "linux")]
    assert failed(result).blind == "no-events: product:windows"


def test_a_filter_that_hides_a_hit_is_named() -> None:
    hiding = {
        "title": "Boys",
        "id": "33333333-3333-4333-8333-333333333333",
        "logsource": {"product": "linux"},
        "filter": {"rules": ["door"], "boys": {"message|contains": "boy"}, "condition": "not boys"},
    }
    (refusal,) = failed(tried(RULE, *ENOUGH, others=(hiding,))).refusals
    assert [one.title for one in refusal.filters] == ["Boys"]


def test_a_miss_that_is_hit_says_which_record_and_why() -> None:
    quiet = LINE.format(1, "www1", "quiet")
    ((record, evidence),) = failed(tried(RULE, *ENOUGH, case("wrong", "miss", quiet, OPENED))).hits
    assert record == 2
    assert [(one.part, one.field) for one in evidence] == [("said", "message"), ("said", "host.name")]


def test_a_correlation_is_tested_with_the_rules_that_it_names_and_by_its_findings() -> None:
    opened = [LINE.format(minute, "www1", "door opened") for minute in range(4)]
    result = tried(
        COUNTED,
        case("three", "match", *opened[:3]),
        case("four events", 4, *opened),
        case("two", "miss", *opened[:2]),
        case("two hosts", "miss", *opened[:2], LINE.format(3, "www2", "door opened")),
        others=(RULE,),
    )
    assert codes(result) == []
    assert [one.rule.name for one in result.tried] == ["doors"]


def test_a_correlation_that_is_missed_says_how_many_events_its_rules_matched_and_what_came_near() -> None:
    opened = [LINE.format(minute, "www1", "door opened") for minute in range(9)]
    many = {**COUNTED, "correlation": {**COUNTED["correlation"], "condition": {"gte": 10}}}
    trial = failed(tried(many, case("nine", "match", *opened), others=(RULE,)))
    assert trial.counted == {"door": 9}
    assert [(one.value, one.asked) for one in trial.windows] == [("9", "gte 10")]
    quiet = failed(tried(many, case("none", "match", LINE.format(1, "www1", "quiet")), others=(RULE,)))
    assert quiet.counted == {"door": 0}
    assert [one.rule.name for one in quiet.refusals] == ["door"]


def test_a_rule_and_its_correlation_in_one_file_need_a_test_to_say_which_is_meant() -> None:
    both = (RULE, COUNTED)
    result = tried(both, case("whose", "match", OPENED), case("its", "match", OPENED, rule="door"))
    assert codes(result) == ["R95", "R95", "R91"]
    assert [(one.rule.name, len(one.trials)) for one in result.tried] == [("door", 1), ("doors", 0)]
    assert "R93" in codes(tried(both, case("no such", "match", OPENED, rule="gate")))


def test_a_rule_that_never_alerts_on_its_own_needs_no_tests_of_its_own() -> None:
    assert codes(tried(RULE, others=(COUNTED,))) == []
    assert codes(tried(RULE)) == ["R94"]


def test_absence_is_judged_as_of_a_time_and_for_sources_that_are_awaited() -> None:
    silent = {
        **COUNTED,
        "correlation": {
            "type": "event_count",
            "rules": ["door"],
            "group-by": ["kyber.source"],
            "timespan": "1d",
            "condition": {"lt": 1},
        },
    }
    web = {"input": {"format": "syslog", "source": "web"}, "awaited": ["web"]}
    result = tried(
        silent,
        case("silent", "match", OPENED, as_of="2026-03-04T12:00:00+02:00", **web),
        case("never heard", "match", as_of="2026-03-04T12:00:00+02:00", awaited=["mail"]),
        case("heard", "miss", OPENED, as_of="2026-03-02T12:00:00+02:00", **web),
        case("heard at the latest event", "miss", OPENED, **web),
        others=(RULE,),
    )
    assert codes(result) == []


def test_events_are_by_the_names_of_the_rule_and_are_what_it_is_about_unless_said_otherwise() -> None:
    rule = {
        **RULE,
        "logsource": {"product": "windows", "service": "security"},
        "detection": {"made": {"EventID": 4720, "SubjectUserName|endswith": "$"}, "condition": "made"},
    }
    made = {"EventID": 4720, "SubjectUserName": "DC1$", "nested": {"deep": [1, 2]}}
    result = tried(
        rule,
        case("a machine made it", "match", events=[made]),
        case("as kyber has it", "match", events=[{"winlog.event_id": 4720, "winlog.event_data.SubjectUserName": "A$"}]),
        case("a person made it", "miss", events=[{**made, "SubjectUserName": "anna"}]),
        case("in another log", "miss", events=[made], input={"product": "windows", "service": "system"}),
    )
    assert codes(result) == []


def test_events_have_their_time_where_it_is_given() -> None:
    opened = {"message": "door opened", "host.name": "www1"}
    times = [f"2026-03-02T10:{minute:02}:00Z" for minute in (0, 5, 9, 25)]
    events = [{"@timestamp": time, **opened} for time in times]
    result = tried(
        COUNTED,
        case("within", "match", events=events[:3]),
        case("apart", "miss", events=[events[0], *events[2:]]),
        case("two", "miss", events=events[:2]),
        others=(RULE,),
    )
    assert codes(result) == []


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        (ENOUGH[:2], ["R95"]),
        (ENOUGH[1:], ["R95"]),
        ((ENOUGH[0], *(case(name, "miss", '{"a": 1}', input={"format": "json"}) for name in "ab")), ["R98"]),
        ((*ENOUGH, case("broken", "miss", '{"a":', input={"format": "json"})), ["R97"]),
        ((*ENOUGH, case("blank", "miss", "", input={"format": "syslog"})), ["R97"]),
    ],
)
def test_tests_that_show_too_little_are_told_of(tests: tuple[Mapping[str, Any], ...], expected: list[str]) -> None:
    assert codes(tried(RULE, *tests)) == expected


def test_a_rule_is_named_by_its_title_in_the_language_of_the_reader() -> None:
    named = {**RULE, "kyber": {"title": {"fi": "Ovi avattiin"}}}
    waiting = {**named, "detection": {"said": {"user.name|expand": "%admins%"}, "condition": "said"}}
    for language, title in (("fi", "Ovi avattiin"), ("sv", "A door was opened")):
        for rule, tests, code in ((named, (), "R94"), (named, ENOUGH[:1], "R95"), (waiting, ENOUGH, "R99")):
            (problem,) = tried(rule, *tests, language=language).problems
            assert (problem.code, problem.facts["title"]) == (code, title)


def test_files_that_were_not_tested_are_counted_and_failed_tests_are_not_among_them() -> None:
    assert tried(RULE, *ENOUGH).unread == 0
    assert tried(RULE, case("shut", "match", LINE.format(14, "www1", "door shut"))).unread == 0
    assert tried({**RULE, "detection": {}}, *ENOUGH).unread == 1
    assert tried(RULE, *ENOUGH, {"nme": "x"}, {"nme": "y"}).unread == 1


def test_a_rule_that_does_not_run_cannot_be_tested_and_says_why() -> None:
    rule = {**RULE, "detection": {"said": {"user.name|expand": "%admins%"}, "condition": "said"}}
    hit = case("an administrator", "match", events=[{"user.name": "anna"}])
    result = tried(rule, hit)
    assert codes(result) == ["R99"]
    assert result.problems[0].facts["why"] == "placeholder: admins"
    assert codes(tried(rule, hit, lists={"admins": ("anna",)})) == ["R95"]


def test_tests_of_no_rule_are_told_of_and_those_of_a_broken_rule_are_not() -> None:
    assert codes(try_rules(checked(read_all([], {})), [], {"y.tests.yaml": b"tests: []"}, NOW)) == ["R93"]
    assert codes(tried({**RULE, "detection": {}}, *ENOUGH)) == ["R03"]


def test_a_rule_whose_place_another_has_taken_is_not_tested() -> None:
    own = RuleFile("mine", "mine.yml", text_of(RULE).encode())
    base = RuleFile("base", "base.yml", text_of({**RULE, "level": "low"}).encode())
    texts = {"base.tests.yaml": text_of({"tests": list(ENOUGH)}).encode()}
    result = try_rules(checked(read_all([own, base], {})), ["base.yml"], texts, NOW)
    assert (result.tried, codes(result)) == ((), ["R09"])


@pytest.mark.parametrize("form", [{}, {"input": {"format": "evtx"}}])
def test_records_that_cannot_be_read_at_all_are_told_of_and_the_other_tests_are_run(form: dict[str, Any]) -> None:
    binary = {**case("binary", "match", "ElfFile\0 and no more"), "input": {}, **form}
    result = tried(RULE, binary, *ENOUGH)
    assert codes(result) == (["R91"] if form else ["R97"])
    assert [trial.passed for trial in result.tried[0].trials[-3:]] == [True, True, True]


def test_what_one_test_cannot_be_run_with_takes_no_other_with_it() -> None:
    wrong = (
        case("too large", "match", events=[{"message": "x"}, {"port": 10**30}]),
        {**case("unfit", "match", "one"), "input": {"format": "text", "starts": "("}},
    )
    result = tried(RULE, *wrong, *ENOUGH)
    assert codes(result) == ["R91", "R91"]
    assert [(one.trials[0].test.name, one.failed, len(one.trials)) for one in result.tried] == [("opened", 0, 3)]


def test_the_tests_of_one_file_have_a_budget_and_those_beyond_it_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    two = ({**RULE, "name": "gate", "id": "33333333-3333-4333-8333-333333333333"}, RULE)
    tests = [{**one, "name": f"{one['name']}, {name}", "rule": name} for name in ("gate", "door") for one in ENOUGH]
    spent = [0.0]
    monkeypatch.setattr("kyber.logs.trial.monotonic", lambda: spent[0])

    def slow(*given: Any) -> Trial:
        spent[0] += BUDGET / 2
        return run_test(*given)

    monkeypatch.setattr("kyber.logs.trial.run_test", slow)
    result = tried(two, *tests)
    assert [(one.code, one.facts) for one in result.problems] == [("R89", {"limit": round(BUDGET), "count": 4})]
    assert result.problems[0].severity is Severity.ERROR
    assert [len(one.trials) for one in result.tried] == [2, 0]
    assert (result.problems[0].place.line, result.unread) == (20, 1)


def test_why_a_test_failed_is_not_sought_beyond_the_budget() -> None:
    rules = checked(read_all([RuleFile(".", "x.yml", text_of(RULE).encode())], {}))
    missed = case("missed", "match", LINE.format(1, "www1", "window opened"))
    (test,), _ = read_tests(text_of({"tests": [missed]}).encode(), "x.tests.yaml")
    reasons = [run_test(test, rules.rules[0], rules, NOW, deadline=end).refusals for end in (inf, -inf)]
    assert [len(one) for one in reasons] == [1, 0]
