"""`kyber rules list` and `kyber rules coverage`: what they say of a workspace before and after a scan."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run import kyber

ADMINISTRATOR = "windows_administrator_added"


@pytest.fixture
def here(county: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(county)
    monkeypatch.setenv("COLUMNS", "160")  # so that no title is broken
    return county


def listed(*arguments: object) -> dict[str, dict[str, Any]]:
    """The rules by name (or id), as JSON lines tell of them."""
    result = kyber("rules", "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return {one["name"] or one["id"]: one for one in found}


def test_before_a_scan_only_what_has_no_source_is_known_to_be_blind(here: Path) -> None:
    found = listed()
    assert (found[ADMINISTRATOR]["status"], found[ADMINISTRATOR]["fired"]) == ("unknown", None)
    assert found[ADMINISTRATOR]["sources"] == ["ad-domain-controllers"]
    audit = found["linux_audit_weakened"]
    assert (audit["status"], audit["reason"], audit["sources"]) == ("blind", "no-source", [])
    assert "service:auditd" in audit["why"]
    assert "not known until a scan" in kyber("rules", "list").stdout
    assert "not known until a scan" not in kyber("rules", "list", "linux_audit_weakened").stdout


@pytest.mark.parametrize(("language", "words"), [("fi", "on sokeita."), ("sv", "är blinda."), ("en", "blind.")])
def test_where_no_source_is_registered_every_rule_is_blind_and_nothing_is_left_to_know(
    tmp_path: Path, language: str, words: str
) -> None:
    folder = tmp_path / "empty"
    assert kyber("init", folder, "--empty", "--language", language).exit_code == 0
    shown = kyber("rules", "list", "--product", "linux", "--workspace", folder).stdout
    last = shown.splitlines()[-1]
    many = len(kyber("rules", "list", "--product", "linux", "--json", "--workspace", folder).stdout.splitlines())
    assert last.startswith(f"{many} ")
    assert last.endswith(f": {many} {words}")


def test_a_blind_correlation_names_its_rule_in_the_language_of_the_workspace(here: Path) -> None:
    settings = here / "kyber.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("language: en", "language: fi"), encoding="utf-8")
    correlation = listed("--status", "blind")["m365_many_mailboxes_granted"]
    assert correlation["reason"] == "rule-blind"
    assert "säännön Postilaatikkoon annettu täydet oikeudet varaan" in correlation["why"]
    shown = kyber("rules", "list", "m365_many_mailboxes_granted").stdout
    assert "Postilaatikkoon annettu täydet oikeudet" in " ".join(shown.split())


def test_after_a_scan_it_says_what_runs_why_others_do_not_and_when_they_last_fired(here: Path) -> None:
    scanned = kyber("scan", "--json")
    assert scanned.exit_code == 0
    kept = [json.loads(line) for line in kyber("findings", "list", "--json", "--status", "all").stdout.splitlines()]
    last = max(one["last"] for one in kept if one["rule"]["name"] == ADMINISTRATOR)
    found = listed()
    assert (found[ADMINISTRATOR]["status"], found[ADMINISTRATOR]["fired"]) == ("runs", last)
    fired = {name for name, one in found.items() if one["findings"]}
    assert fired == {one["rule"]["name"] for one in kept}
    memory = found["windows_lsass_memory_read"]
    assert (memory["status"], memory["reason"], memory["findings"]) == ("blind", "no-events", 0)
    table = kyber("rules", "list").stdout
    assert "New member in a Windows administrators group" in table
    assert "Judged by what is stored of" in table


def test_filters_narrow_the_list(here: Path) -> None:
    every = listed()
    assert set(listed("--family", "access")) == {name for name, one in every.items() if one["family"] == "access"}
    assert set(listed("--level", "critical")) == {name for name, one in every.items() if one["level"] == "critical"}
    assert {one["product"] for one in listed("--product", "Windows").values()} - {None} == {"windows"}
    assert {one["status"] for one in listed("--status", "blind").values()} == {"blind"}
    assert set(listed("administrators", "windows")) >= {ADMINISTRATOR}
    assert all("attack.t1110" in " ".join(one["tags"]) for one in listed("--technique", "T1110").values())
    assert set(listed("--tag", "attack.t1098.*")) >= {ADMINISTRATOR}
    assert listed("no such words") == {}
    assert "No rule fits." in kyber("rules", "list", "no such words").stdout


def test_a_site_rule_takes_the_place_of_a_shipped_one_and_both_are_listed(here: Path) -> None:
    shipped = Path(listed(ADMINISTRATOR)[ADMINISTRATOR]["file"])
    text = shipped.read_text(encoding="utf-8").replace("level: high", "level: low")
    (here / "rules" / "own.yml").write_text(text, encoding="utf-8")
    found = [json.loads(line) for line in kyber("rules", "list", "--json", ADMINISTRATOR).stdout.splitlines()]
    places = {one["file"]: (one["status"], one["level"]) for one in found}
    assert places == {"rules/own.yml": ("unknown", "low"), str(shipped): ("overridden", "high")}
    assert "The rule with this id in rules/own.yml takes its place." in kyber("rules", "list", ADMINISTRATOR).stdout


def test_a_rule_that_cannot_run_or_be_read_is_listed_with_the_reason(here: Path) -> None:
    text = "title: {0}\nid: 5a3c1f0e-6c1a-4b0e-9d55-0c6f3b0f1d1{1}\nlogsource: {{product: linux}}\n"
    waits = "detection: {selection: {user|expand: '%nobody%'}, condition: selection}\n"
    broken = "detection: {selection: {user|contians: x}, condition: selection}\n"
    (here / "rules" / "waits.yml").write_text(text.format("Waits", 1) + waits, encoding="utf-8")
    (here / "rules" / "broken.yml").write_text(text.format("Broken", 2) + broken, encoding="utf-8")
    result = kyber("rules", "list", "--json", "--status", "unable")
    reasons = {one["title"]: one["reason"] for one in map(json.loads, result.stdout.splitlines())}
    assert reasons == {"Waits": "placeholder", "Broken": "unreadable"}
    assert "rules/broken.yml:4" in result.stderr
    assert "R05" in result.stderr


def test_the_filters_over_a_rule_are_named(here: Path) -> None:
    text = """
title: The backup's account
logsource: {product: windows, service: security}
filter: {rules: [windows_administrator_added], selection: {SubjectUserName: backup}, condition: selection}
kyber: {owner: ciso}
"""
    (here / "rules" / "filter.yml").write_text(text, encoding="utf-8")
    found = listed()
    assert found[ADMINISTRATOR]["filters"] == ["The backup's account"]
    assert "The backup's account" not in {one["title"] for one in found.values()}


def test_the_list_as_csv_is_one_row_a_rule_and_no_formula(here: Path, tmp_path: Path) -> None:
    rule = "title: '=1+1'\nlogsource: {product: linux}\ndetection: {a: {user: x}, condition: a}\n"
    (tmp_path / "rules.yml").write_text(rule, encoding="utf-8")
    assert kyber("rules", "list", "-r", tmp_path / "rules.yml", "-o", tmp_path / "out.csv").exit_code == 0
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8")))
    assert (row["title"], row["product"], row["alone"]) == ("'=1+1", "linux", "true")


def test_the_list_does_not_take_the_place_of_a_rule(here: Path) -> None:
    file = next((here / "rules").glob("*.yml"))
    result = kyber("rules", "list", "--format", "csv", "-o", file)
    assert result.exit_code == 2
    assert "would be lost" in result.stderr


def test_outside_a_workspace_rules_are_listed_and_nothing_is_known_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = listed()
    assert {one["reason"] for one in found.values() if one["status"] != "unknown"} <= {"no-register", "rule-blind"}
    assert found[ADMINISTRATOR]["status"] == "unknown"
    assert {one["sources"] is None for one in found.values()} == {True}
    assert kyber("rules", "list", "-r", tmp_path).exit_code == 3


# --- coverage --------------------------------------------------------------------------------------------------------


def covered(*arguments: object) -> dict[str, Any]:
    result = kyber("rules", "coverage", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_coverage_counts_the_rules_of_the_list_by_tactic_and_technique(here: Path) -> None:
    assert kyber("scan").exit_code == 0
    rules = [one for one in listed().values() if one["alone"] and one["status"] != "overridden"]
    found = {one["tactic"]: one for one in covered()["tactics"]}
    for status in ("runs", "blind"):
        wanted = [one for one in rules if one["status"] == status and "attack.credential-access" in one["tags"]]
        assert found["credential-access"][status] == len(wanted) > 0
    (guessing,) = (one for one in found["credential-access"]["techniques"] if one["id"] == "T1110.001")
    assert guessing["runs"] == sum("attack.t1110.001" in one["tags"] and one["status"] == "runs" for one in rules)


def test_coverage_says_which_source_rules_need_and_that_it_is_not_there(here: Path) -> None:
    reads = {(one["product"], one["category"], one["service"]): one for one in covered()["logsources"]}
    assert reads["linux", None, "auditd"]["sources"] == []
    assert reads["linux", None, "auditd"]["maybe"] == []
    assert reads["windows", None, "security"]["sources"] == ["ad-domain-controllers"]
    web = reads[None, "webserver", None]
    assert (web["sources"], web["maybe"]) == ([], ["backup", "linux-jump-host", "mail-gateway"])
    assert "maybe: backup, linux-jump-host, mail-gateway" in kyber("rules", "coverage").stdout
    assert "none: nothing registered has it" in kyber("rules", "coverage").stdout


def test_a_layer_for_the_navigator_scores_techniques_by_the_rules_that_run(here: Path, tmp_path: Path) -> None:
    assert kyber("scan").exit_code == 0
    result = kyber("rules", "coverage", "--navigator", tmp_path / "layer.json", "--json")
    assert result.exit_code == 0, result.output
    made = json.loads((tmp_path / "layer.json").read_text(encoding="utf-8"))
    assert (made["domain"], made["versions"]["layer"]) == ("enterprise-attack", "4.5")
    scores = {one["techniqueID"]: one["score"] for one in made["techniques"]}
    runs = {one["id"]: one["runs"] for tactic in json.loads(result.stdout)["tactics"] for one in tactic["techniques"]}
    assert scores.keys() == runs.keys()
    assert all(scores[id_] >= count for id_, count in runs.items())
    assert max(scores.values()) == made["gradient"]["maxValue"] > 0


def test_the_tactics_are_told_in_the_language_of_the_workspace(tmp_path: Path) -> None:
    for language, word in (("fi", "Tunnistetietojen hankinta"), ("sv", "Åtkomst till inloggningsuppgifter")):
        assert kyber("init", tmp_path / language, "--empty", "--language", language).exit_code == 0
        assert word in kyber("rules", "coverage", "--workspace", tmp_path / language).stdout
