"""SARIF and Timesketch: what their readers need is there, and nothing in a log makes them do more than show it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kyber.finding import Judgement, ScanResult, Status
from kyber.level import Level
from kyber.render.findings import FORMS
from kyber.text import words_for

from .results import CODE, START, finding, hostile, result, rule, whole

DECIDED = Judgement(status=Status.CLOSED, why=f"Agreed with {CODE}", by="eero.malli", on=START, until=date(2026, 4, 1))


def text_of(form: str, scan: ScanResult, language: str = "en") -> str:
    return FORMS[form](scan, words_for(language), False)


def run_of(scan: ScanResult, language: str = "en") -> dict[str, Any]:
    log = json.loads(text_of("sarif", scan, language))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    return dict(run)


def events_of(scan: ScanResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text_of("timesketch", scan).splitlines()]


def judged(status: Status, **changes: Any) -> ScanResult:
    return replace(result(finding(1)), judged={finding(1).id: replace(DECIDED, status=status, **changes)})


# SARIF: what the specification requires of a log, a run, a rule and a result (section 3.13 and after)


def test_a_log_holds_what_the_specification_requires() -> None:
    run = run_of(whole())
    driver = run["tool"]["driver"]
    assert driver["name"] == "kyber"
    assert run["invocations"] == [{"executionSuccessful": True, "startTimeUtc": "2026-03-05T06:00:00Z"}]
    for one in driver["rules"]:
        assert isinstance(one["id"], str)
        assert all(one[name]["text"] for name in ("shortDescription", "fullDescription", "help"))
        assert one["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        assert 0 <= float(one["properties"]["security-severity"]) <= 10
    for one in run["results"]:
        assert one["message"]["text"]
        assert driver["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["level"] in {"none", "note", "warning", "error"}
        assert 0 <= one["rank"] <= 100
        assert one["occurrenceCount"] >= 1
        (place,) = one["locations"]
        assert place["physicalLocation"]["region"]["startLine"] >= 1


def test_a_rule_stands_once_in_the_order_of_the_findings_and_says_what_it_is_about() -> None:
    told = replace(finding(2), next={"en": "Ask\n  the user.", "fi": "Kysy käyttäjältä."})
    of = replace(rule("backup", "Backup failed"), titles={"fi": "Varmuuskopio puuttuu"})
    scan = result(told, finding(3), finding(4, of=of, level=Level.LOW))
    first, second = run_of(scan)["tool"]["driver"]["rules"]
    assert (first["id"], first["name"], second["id"]) == ("id-encoded", "encoded", "id-backup")
    assert first["defaultConfiguration"] == {"level": "error"}
    assert second["defaultConfiguration"] == {"level": "note"}
    assert first["helpUri"] == "https://example.org/encoded"
    assert first["properties"]["tags"] == ["security", "attack.execution", "attack.t1059.001"]
    assert "May also be: Software deployment" in first["help"]["text"]
    finnish = run_of(scan, "fi")["tool"]["driver"]["rules"]
    assert finnish[1]["shortDescription"] == {"text": "Varmuuskopio puuttuu"}


@pytest.mark.parametrize(
    ("level", "expected"),
    list(zip(sorted(Level), ["note", "note", "warning", "error", "error"], strict=True)),
)
def test_levels_are_said_in_the_words_of_sarif(level: Level, expected: str) -> None:
    assert run_of(result(finding(level=level)))["results"][0]["level"] == expected


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("logs/Security.evtx", "logs/Security.evtx"),
        ("/var/log/a b.log", "file:///var/log/a%20b.log"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("<stdin>", "%3Cstdin%3E"),
        ("lokit/käyttö.log", "lokit/k%C3%A4ytt%C3%B6.log"),
    ],
)
def test_a_file_is_named_by_a_reference_that_leads_nowhere_else(file: str, uri: str) -> None:
    one = finding(1)
    (found,) = run_of(result(replace(one, sample=replace(one.sample, file=file))))["results"]
    place = found["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": uri}, "region": {"startLine": 17}}


def test_brackets_and_braces_in_a_message_are_neither_links_nor_places_for_arguments() -> None:
    (one,) = run_of(hostile("[x](http://evil.example) {0}"))["results"]
    assert "\\[x\\](http://evil.example) {{0}}" in one["message"]["text"]
    assert "[x](" not in one["message"]["text"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.CLOSED, "accepted"),
        (Status.FALSE_POSITIVE, "accepted"),
        (Status.ACKNOWLEDGED, "underReview"),
        (Status.OPEN, None),
        (Status.REOPENED, None),
    ],
)
def test_what_people_decided_suppresses_a_result(status: Status, expected: str | None) -> None:
    (one,) = run_of(judged(status))["results"]
    assert one["properties"]["kyber/status"] == status.value
    if expected is None:
        assert "suppressions" not in one
    else:
        (suppression,) = one["suppressions"]
        assert suppression == {"kind": "external", "status": expected, "justification": "Agreed with ******-****"}


def test_nothing_is_said_of_decisions_where_none_are_known() -> None:
    (one,) = run_of(result(finding(1)))["results"]
    assert "suppressions" not in one
    assert "kyber/status" not in one["properties"]


# Timesketch


def test_an_event_has_the_fields_that_timesketch_needs() -> None:
    (event,) = events_of(result(finding(1)))
    assert event["message"] == "Title of encoded: host.name=WS-1, user.name=anna, source.ip=10.1.2.3"
    assert event["datetime"] == "2026-03-02T08:15:30Z"
    assert datetime.fromtimestamp(event["timestamp"] / 1_000_000, UTC) == START
    assert event["timestamp_desc"] == "First event of a finding"
    assert event["tag"] == ["kyber", "level.high", "family.security", "attack.execution", "attack.t1059.001"]
    assert (event["hostname"], event["username"], event["source_ip"]) == ("WS-1", "anna", "10.1.2.3")
    assert isinstance(event["timestamp"], int)


def test_a_finding_without_a_time_is_stamped_with_the_scans_and_says_so() -> None:
    one = finding(1, first=None)
    (event,) = events_of(result(replace(one, sample=replace(one.sample, time=None))))
    assert event["datetime"] == "2026-03-05T06:00:00Z"
    assert event["timestamp_desc"] == "Scan that found events without a time"


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_times_far_away_are_exact(year: int) -> None:
    time = datetime(year, 6, 1, 1, 2, 3, 456_789, tzinfo=UTC)
    (event,) = events_of(result(replace(finding(1), first=time)))
    assert event["timestamp"] % 1_000_000 == 456_789
    assert event["datetime"] == f"{year:04}-06-01T01:02:03.456789Z"


# Sources and decisions in the other forms


def test_the_sources_of_a_finding_show_where_there_are_any() -> None:
    scan = result(replace(finding(1), sources=("ad", "mail")), finding(2))
    lines = [json.loads(line) for line in text_of("jsonl", scan).splitlines()]
    assert lines[0]["sources"] == ["ad", "mail"]
    assert "sources" not in lines[1]
    documents = [json.loads(line) for line in text_of("ecs", scan).splitlines()]
    assert documents[0]["kyber"]["sources"] == ["ad", "mail"]
    assert "sources" not in documents[1]["kyber"]
    assert '"ad, mail"' in text_of("csv", scan)
    assert text_of("html", scan).count("Log source") == 1
    assert [one["properties"].get("kyber/sources") for one in run_of(scan)["results"]] == [["ad", "mail"], None]
    assert events_of(scan)[0]["log_sources"] == ["ad", "mail"]


def test_what_was_decided_shows_in_every_form_without_identity_codes() -> None:
    scan = judged(Status.CLOSED)
    (line,) = [json.loads(line) for line in text_of("jsonl", scan).splitlines()]
    assert line["judged"] == {
        "status": "closed",
        "why": "Agreed with ******-****",
        "by": "eero.malli",
        "on": "2026-03-02T08:15:30Z",
        "until": "2026-04-01",
    }
    (document,) = [json.loads(line) for line in text_of("ecs", scan).splitlines()]
    assert document["kyber"]["judged"]["status"] == "closed"
    assert text_of("csv", scan).splitlines()[1].endswith(',"closed"')
    page = text_of("html", scan)
    assert "Closed, eero.malli" in page
    assert events_of(scan)[0]["status"] == "closed"
    for form in FORMS:
        assert CODE not in text_of(form, scan)


def test_a_page_of_kept_findings_says_nothing_of_a_scan() -> None:
    kept = replace(result(finding(1), inputs=()), rules=0, fired=0)
    page = text_of("html", kept)
    assert "As of" in page
    for told in ("What was read", "What could not be seen", "Rules ran", "Took", "read as"):
        assert told in text_of("html", whole())
        assert told not in page
