import json
import re
from pathlib import Path

from kyber.logs.sigma.rule import read_rules
from kyber.logs.sigma.shipped import shipped_rules
from tests.cli.run import kyber


def test_check_shows_place_code_message_and_cure_and_ends_with_one(county: Path) -> None:
    source = county / "sources" / "backup.yaml"
    source.write_text(
        source.read_text(encoding="utf-8").replace("owner: it-operations", "owner: nobody"), encoding="utf-8"
    )
    result = kyber("check", county)
    assert result.exit_code == 1
    assert (
        result.output.splitlines()[0]
        == f"{source}:11: error K02 The field owner refers to the id nobody, which does not exist."
    )
    assert "Correct the id" in result.output
    (line,) = kyber("check", county, "--json").output.splitlines()
    assert json.loads(line)["code"] == "K02"
    assert kyber("check", county, "--format", "github").output.startswith(
        f"::error file={source},line=11,title=K02::The field"
    )


def test_a_warning_ends_with_one_only_when_strict(county: Path) -> None:
    with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
        stream.write("organization: x\n")
    assert kyber("check", county).exit_code == 0
    assert kyber("check", county, "--strict").exit_code == 1


def test_filters_are_held_against_the_rules_people_and_days_of_the_workspace(county: Path) -> None:
    head = "logsource: {product: linux}\nfilter: {rules: %s, sel: {A: 1}, condition: sel}\n"
    shipped = next(one for one in read_rules([str(shipped_rules())], {}).rules if one.logsource.product == "linux")
    for name, rules, own in (
        ("fine", shipped.ref.id, "owner: security-officer, expires: 2999-12-31"),
        ("nowhere", "nothing-such", "owner: eero.malli"),
        ("old", shipped.ref.id, "owner: security-officer, expires: 2026-01-01"),
        ("whose", shipped.ref.id, "owner: nobody-here"),
        ("hides", shipped.ref.id, "must_fire: [{A: 1}]"),
    ):
        text = f"title: {name}\nid: {name}\n{head % rules}kyber: {{{own}}}\n"
        (county / "rules" / f"{name}.yml").write_text(text, encoding="utf-8")
    found = [json.loads(line) for line in kyber("check", county, "--json").output.splitlines()]
    assert {(Path(one["file"]).stem, one["code"]) for one in found} == {
        ("nowhere", "R30"),
        ("old", "R32"),
        ("whose", "K02"),
        ("hides", "R33"),
    }


def test_hostile_text_in_a_register_does_not_reach_the_terminal(county: Path) -> None:
    with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
        stream.write('"\\e]0;x\\a[red]\\u202e": 1\n')
    output = kyber("check", county).output
    assert "[red]" in output
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", output)


def test_outside_a_workspace_check_ends_with_two_and_the_cure(tmp_path: Path) -> None:
    result = kyber("check", tmp_path)
    assert result.exit_code == 2
    assert "kyber init" in result.stderr
    assert "Traceback" not in result.output


def test_broken_rules_and_missing_watch_lists_are_found_by_the_check(county: Path) -> None:
    rule = (
        "title: {0}\nid: {0}\nlogsource: {{product: linux}}\ndetection:\n"
        "  login:\n    a|expand: '%{1}%'\n  condition: {2}\n"
    )
    (county / "rules" / "broken.yml").write_text(rule.format("Broken", "admin_accounts", "logn"), encoding="utf-8")
    (county / "rules" / "waits.yml").write_text(rule.format("Waits", "no_such_list", "login"), encoding="utf-8")
    found = kyber("check", county, "--json")
    assert found.exit_code == 1
    codes = {Path(one["file"]).name: one["code"] for one in map(json.loads, found.output.splitlines())}
    assert codes == {"broken.yml": "R04", "waits.yml": "R20"}
