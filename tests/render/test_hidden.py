"""What filters hid, in every form of a scan's result."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kyber.finding import Hidden, ScanResult
from kyber.render.findings import FORMS
from kyber.text import LANGUAGES, words_for
from tests.render.results import CODE, finding, result, rule


def filtered(title: str = "The backup") -> ScanResult:
    hidden = (
        Hidden(filter=rule("backup", title), owner="ciso", expires=date(2026, 12, 31), rules={"a": 1200, "b": 34}),
        Hidden(filter=rule("idle", "Nothing to hide")),
    )
    return replace(result(finding()), hidden=hidden)


def shown(form: str, of: ScanResult, language: str = "en") -> str:
    return FORMS[form](of, words_for(language), False)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ["1,234 events hidden · owner: ciso · until 2026-12-31", "0 events hidden · no owner · no end date"]),
        ("fi", ["tapahtumaa piilotettu · vastuutaho: ciso · 2026-12-31 saakka", "ei vastuutahoa · ei päättymispäivää"]),
        ("sv", ["händelser dolda · ansvarig: ciso · till och med 2026-12-31", "ingen ansvarig · inget slutdatum"]),
    ],
)
@pytest.mark.parametrize("form", ["table", "html"])
def test_people_read_a_line_a_filter_with_owner_end_and_count_also_zero(
    form: str, language: str, told: list[str]
) -> None:
    assert {"en", "fi", "sv"} == set(LANGUAGES)
    text = shown(form, filtered(), language)
    assert [one for one in (*told, "The backup", "Nothing to hide") if one not in text] == []


def test_lines_end_with_one_a_filter() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in shown("jsonl", filtered()).splitlines()]
    assert [list(line) == ["hidden"] for line in lines] == [False, True, True]
    first, second = (line["hidden"] for line in lines[1:])
    assert first["filter"]["title"] == "The backup"
    assert (first["owner"], first["expires"], first["count"], first["rules"]) == (
        "ciso",
        "2026-12-31",
        1234,
        {"a": 1200, "b": 34},
    )
    assert (second["owner"], second["expires"], second["count"], second["rules"]) == ("", None, 0, {})


def test_sarif_tells_of_filters_as_notes_of_the_run() -> None:
    (run,) = json.loads(shown("sarif", filtered()))["runs"]
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert [(one["descriptor"]["id"], one["level"], one["properties"]["kyber/hidden"]) for one in told] == [
        ("id-backup", "note", 1234),
        ("id-idle", "note", 0),
    ]
    assert len(run["results"]) == 1


@pytest.mark.parametrize("form", ["csv", "ecs", "timesketch"])
def test_forms_of_findings_alone_say_nothing_of_filters(form: str) -> None:
    assert shown(form, filtered()) == shown(form, replace(filtered(), hidden=()))


@pytest.mark.parametrize("form", ["table", "html", "jsonl", "sarif"])
def test_a_result_without_filters_has_no_word_of_them(form: str) -> None:
    text = shown(form, result(finding()))
    assert [word for word in ("What filters hid", 'hidden"', "toolExecutionNotifications") if word in text] == []


@pytest.mark.parametrize("form", ["table", "html", "jsonl", "sarif"])
def test_the_title_of_a_filter_is_masked_and_made_plain(form: str) -> None:
    text = shown(form, filtered(f"Of {CODE} \x1b[2J<b>\u202e"))
    assert CODE not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "******-****" in text
    assert form != "html" or "<b>\u202e" not in text
