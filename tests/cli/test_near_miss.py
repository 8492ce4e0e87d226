"""`kyber scan --near-miss`: what rules were one comparison short of, of files and of what is stored."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from kyber.privacy import MASK
from tests.cli.run import kyber
from tests.cli.test_search import keep

CODE: Final = "010190-901R"
"""A personal identity code that nobody has."""
RULE: Final = """\
title: {title}
name: {name}
level: {level}
logsource: {{product: linux}}
detection:
  said: {{message|contains: {word}, process.name: app}}
  filter: {{message|contains: joke}}
  condition: said and not filter
"""
CORRELATION: Final = """\
title: Many bad things
name: many_bad
level: high
correlation: {type: event_count, rules: [bad], group-by: [host.name], timespan: 10m, condition: {gte: 5}}
"""
LINE: Final = "2026-03-02T10:14:07+02:00 www1 app[1]: {}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside any workspace with two rules and a log, to stand in."""
    here = tmp_path / "here"
    (here / "rules").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "100")
    for name, level, word in (("bad", "medium", "bad"), ("worse", "critical", "worse")):
        rule = RULE.format(title=f"A {name} thing", name=name, level=level, word=word)
        (here / "rules" / f"{name}.yml").write_text(rule, encoding="utf-8")
    lines = ("a bad thing", "a good thing", "a good thing", "a bad joke")
    (here / "app.log").write_text("".join(map(LINE.format, lines)), encoding="utf-8")
    return here


def misses(*arguments: object) -> list[dict[str, Any]]:
    result = kyber("scan", *arguments, "--near-miss", "--json")
    assert result.exit_code == 0, result.output
    return [line["near_miss"] for line in map(json.loads, result.stdout.splitlines()) if "near_miss" in line]


def test_the_rules_that_lacked_one_comparison_are_told_with_what_stood_there(folder: Path) -> None:
    worse, bad = misses("app.log", "-r", "rules")
    assert (worse["rule"]["name"], worse["level"], worse["count"], worse["met"]) == ("worse", "critical", 3, 1)
    assert worse["lacked"] == [{"part": "said", "field": "message", "pattern": "*worse*"}]
    assert worse["values"] == [
        {"field": "message", "value": "a good thing", "count": 2},
        {"field": "message", "value": "a bad thing", "count": 1},
    ]
    assert (worse["sample"]["file"], worse["sample"]["record"]) == ("app.log", 1)
    assert worse["sample"]["time"] == "2026-03-02T08:14:07Z"
    assert (bad["rule"]["name"], bad["count"]) == ("bad", 2)


def test_the_table_shows_them_and_says_where_none_are(folder: Path) -> None:
    shown = kyber("scan", "app.log", "-r", "rules", "--near-miss").stdout
    section = shown[shown.index("Near misses") :]
    assert "A worse thing" in section
    assert "lacked said: message ← *worse*" in section
    assert "seen a good thing × 2, a bad thing × 1" in section
    assert "example app.log:1, 2026-03-02 08:14:07 UTC" in section
    (folder / "app.log").write_text(LINE.format("a bad and worse thing"), encoding="utf-8")
    assert "No rule was one comparison short" in kyber("scan", "app.log", "-r", "rules", "--near-miss").stdout


def test_nobody_is_told_who_did_not_ask(folder: Path) -> None:
    assert "Near misses" not in kyber("scan", "app.log", "-r", "rules").stdout
    assert "near_miss" not in kyber("scan", "app.log", "-r", "rules", "--json").stdout


def test_the_table_shows_twenty_and_json_all(folder: Path) -> None:
    for number in range(25):
        rule = RULE.format(title=f"Rule {number}", name=f"rule_{number}", level="low", word=f"word{number}")
        (folder / "rules" / f"{number}.yml").write_text(rule, encoding="utf-8")
    assert len(misses("app.log", "-r", "rules")) == 27
    shown = kyber("scan", "app.log", "-r", "rules", "--near-miss").stdout
    assert shown.count("lacked said") == 20
    assert "and 7 more near misses" in shown
    assert kyber("scan", "app.log", "-r", "rules", "--near-miss", "-v").stdout.count("lacked said") == 27


@pytest.mark.parametrize("form", ["csv", "ecs", "html", "sarif", "timesketch"])
def test_a_form_that_has_no_place_for_them_is_refused(form: str, folder: Path) -> None:
    result = kyber("scan", "app.log", "-r", "rules", "--near-miss", "-f", form)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--near-miss" in result.stderr


def test_what_is_stored_has_the_same_near_misses_however_it_is_scanned(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(county)
    first = misses()
    assert len(first) > 2
    again = misses("--between", "2020-01-01", "2030-01-01")
    assert sorted(map(json.dumps, again)) == sorted(map(json.dumps, first))
    assert misses("--between", "2020-01-01", "2020-01-02") == []


def test_identity_codes_are_masked_and_nothing_steers_the_terminal(folder: Path) -> None:
    (folder / "app.log").write_text(LINE.format(f"{CODE} \x1b[31mred [bold]"), encoding="utf-8")
    for shown in (
        kyber("scan", "app.log", "-r", "rules", "--near-miss").stdout,
        kyber("scan", "app.log", "-r", "rules", "--near-miss", "--json").stdout,
    ):
        assert CODE not in shown
        assert MASK in shown
        assert "\x1b" not in shown


def test_a_window_of_a_correlation_that_came_near_is_told(folder: Path) -> None:
    (folder / "rules" / "many.yml").write_text(CORRELATION, encoding="utf-8")
    (folder / "app.log").write_text(LINE.format("a bad thing") * 4, encoding="utf-8")
    result = kyber("scan", "app.log", "-r", "rules", "--near-miss", "--json")
    (window,) = (line["near_window"] for line in map(json.loads, result.stdout.splitlines()) if "near_window" in line)
    assert (window["rule"]["name"], window["type"], window["condition"]) == ("many_bad", "event_count", "gte 5")
    assert (window["value"], window["timespan"], window["groups"]) == ("4", "10m", 1)
    assert window["group"] == {"host.name": "www1"}
    shown = kyber("scan", "app.log", "-r", "rules", "--near-miss").stdout
    assert "event_count 4 within 10m, where the condition is: gte 5" in shown
    assert "near_window" not in kyber("scan", "app.log", "-r", "rules", "--json").stdout


def test_a_window_among_what_is_stored_is_told_where_its_day_was_asked_for(county: Path, folder: Path) -> None:
    (folder / "rules" / "many.yml").write_text(CORRELATION, encoding="utf-8")
    (folder / "app.log").write_text(LINE.format("a bad thing") * 4, encoding="utf-8")
    keep(county, "here", folder / "app.log")

    def windows(*period: str) -> list[str]:
        command = ("scan", "-r", "rules", "--near-miss", "--json", "--workspace", county, "--between", *period)
        lines = map(json.loads, kyber(*command).stdout.splitlines())
        return [line["near_window"]["value"] for line in lines if "near_window" in line]

    assert windows("2026-03-02", "2026-03-02") == ["4"]
    assert windows("2026-03-05", "2026-03-05") == []
