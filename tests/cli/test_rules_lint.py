import json
import re
from pathlib import Path

import pytest

from kyber.logs.sigma import pysigma
from tests.cli.run import kyber

DOUBTFUL = """\
title: Doubtful # as its author wrote it
id: 11111111-2222-4333-8444-555555555555
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 4625
  filter:
    TargetUserName|contains: '*svc*'
  condition: selection
level: High
"""
MENDED = DOUBTFUL.replace("'*svc*'", "'svc'").replace("High", "high")
BROKEN = DOUBTFUL.replace("|contains", "|contained").replace("11111111-", "22222222-")


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one doubtful rule, outside any workspace."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "doubtful.yml").write_text(DOUBTFUL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


def codes(output: str) -> list[str]:
    return [json.loads(line)["code"] for line in output.splitlines()]


def test_lint_shows_place_code_message_and_cure_and_how_many_there_are(rules: Path) -> None:
    result = kyber("rules", "lint", rules, "--validators", "own")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0] == f"{rules}/doubtful.yml:7: warning R72 No condition uses the selection filter."
    assert lines[-1] == "1 warning, 2 notes"


def test_a_warning_ends_with_one_only_when_strict_and_an_error_always(rules: Path) -> None:
    assert kyber("rules", "lint", rules, "--strict", "--validators", "own").exit_code == 1
    (rules / "broken.yml").write_text(BROKEN, encoding="utf-8")
    result = kyber("rules", "lint", rules, "--json", "--validators", "own")
    assert result.exit_code == 1
    assert "R05" in codes(result.output)


def test_what_is_less_severe_is_left_out_and_counted(rules: Path) -> None:
    result = kyber("rules", "lint", rules, "--least", "warning", "--validators", "own")
    assert "R76" not in result.output
    assert result.output.splitlines()[-2:] == ["1 warning", "2 less severe problems are not shown."]


def test_other_forms_are_json_lines_annotations_and_sarif(rules: Path) -> None:
    found = codes(kyber("rules", "lint", rules, "--json", "--validators", "own").output)
    assert sorted(found) == ["R63", "R72", "R76"]
    github = kyber("rules", "lint", rules, "--format", "github", "--validators", "own").output.splitlines()
    assert github[0].startswith(f"::warning file={rules}/doubtful.yml,line=7,title=R72::")
    run = json.loads(kyber("rules", "lint", rules, "--format", "sarif", "--validators", "own").output)["runs"][0]
    assert [one["ruleId"] for one in run["results"]] == found
    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == found
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}
    assert len({json.dumps(one["partialFingerprints"]) for one in run["results"]}) == 3


def test_fix_changes_what_is_safe_and_says_what_is_left(rules: Path) -> None:
    file = rules / "doubtful.yml"
    file.chmod(0o640)
    result = kyber("rules", "lint", rules, "--fix", "--json", "--validators", "own")
    assert file.read_text(encoding="utf-8") == MENDED
    assert file.stat().st_mode & 0o777 == 0o640
    assert codes(result.stdout) == ["R72"]
    assert result.stderr == "1 file was changed.\n"
    assert list(rules.iterdir()) == [file]


def test_diff_shows_what_fix_would_change_and_changes_nothing(rules: Path) -> None:
    result = kyber("rules", "lint", rules, "--diff", "--validators", "own")
    assert (rules / "doubtful.yml").read_text(encoding="utf-8") == DOUBTFUL
    changed = [line for line in result.output.splitlines() if re.match(r"[-+](?![-+])", line)]
    assert changed == [
        "-    TargetUserName|contains: '*svc*'",
        "+    TargetUserName|contains: 'svc'",
        "-level: High",
        "+level: high",
    ]
    assert kyber("rules", "lint", rules, "--diff", "--fix", "--validators", "own").stdout == result.stdout
    assert (rules / "doubtful.yml").read_text(encoding="utf-8") == MENDED


def test_fix_writes_nothing_outside_the_given_paths(rules: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yml"
    outside.write_text(DOUBTFUL.replace("11111111-", "33333333-"), encoding="utf-8")
    (rules / "link.yml").symlink_to(outside)
    before = outside.read_bytes()
    kyber("rules", "lint", rules, "--fix", "--validators", "own")
    assert outside.read_bytes() == before
    assert (rules / "link.yml").is_symlink()


def test_without_paths_the_rules_of_the_workspace_are_looked_over(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (county / "rules" / "doubtful.yml").write_text(DOUBTFUL, encoding="utf-8")
    monkeypatch.chdir(county)
    found = kyber("rules", "lint", "--json", "--validators", "own")
    assert [json.loads(line)["file"] for line in found.output.splitlines()] == ["rules/doubtful.yml"] * 3
    assert len(kyber("rules", "lint", "-w", county, "--json", "--validators", "own").output.splitlines()) == 3


def test_a_filter_of_a_shipped_rule_is_no_filter_of_an_unknown_one(county: Path) -> None:
    shipped = re.search(r"^id: (\S+)$", Path("rules/security/windows_event_log_cleared.yml").read_text(), re.MULTILINE)
    assert shipped is not None
    text = f"""\
title: Cleared by the backup
id: 44444444-2222-4333-8444-555555555555
logsource: {{product: windows}}
filter:
  rules: [{shipped[1]}]
  selection: {{SubjectUserName: backup}}
  condition: not selection
"""
    (county / "rules" / "filter.yml").write_text(text, encoding="utf-8")
    assert "R30" not in kyber("rules", "lint", county / "rules", "--validators", "own").output


def test_a_source_of_the_workspace_makes_its_logsource_known(county: Path) -> None:
    file = county / "rules" / "ours.yml"
    file.write_text(DOUBTFUL.replace("product: windows, service: security", "product: ambulance"), encoding="utf-8")
    assert "R74" in kyber("rules", "lint", file, "-w", county, "--validators", "own").output
    (county / "sources" / "ambulance.yaml").write_text(
        "id: ambulance\nname: Ambulances\nlogsource: {product: ambulance}\n", encoding="utf-8"
    )
    assert "R74" not in kyber("rules", "lint", file, "-w", county, "--validators", "own").output


def test_where_there_is_nothing_to_look_over_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert kyber("rules", "lint").exit_code == 2
    assert kyber("rules", "lint", tmp_path).exit_code == 3
    missing = kyber("rules", "lint", "nowhere", "--json")
    assert missing.exit_code == 1
    assert codes(missing.stdout) == ["R13"]


def test_without_pysigma_own_checks_run_and_the_extra_is_named(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pysigma, "is_installed", lambda: False)
    result = kyber("rules", "lint", rules)
    assert result.exit_code == 0
    assert "kyber[sigma]" in result.stderr
    wanted = kyber("rules", "lint", rules, "--validators", "all")
    assert wanted.exit_code == 2
    assert "pip install 'kyber[sigma]'" in wanted.stderr


def test_pysigmas_validators_run_where_they_are_installed(rules: Path) -> None:
    pytest.importorskip("sigma", reason="pySigma is not installed")
    file = rules / "doubtful.yml"
    file.write_text(DOUBTFUL.replace("'*svc*'", "'a**b'"), encoding="utf-8")
    assert "R57" in codes(kyber("rules", "lint", rules, "--json").stdout)
    assert set(codes(kyber("rules", "lint", rules, "--json", "--validators", "pysigma").stdout)) == {"R57"}
    assert "R57" not in codes(kyber("rules", "lint", rules, "--json", "--validators", "own").stdout)


def test_hostile_text_in_a_rule_does_not_reach_the_terminal(rules: Path) -> None:
    text = DOUBTFUL.replace("filter:", '"sel\\e]0;x\\a[red]\\u202e":', 1)
    (rules / "doubtful.yml").write_text(text, encoding="utf-8")
    output = kyber("rules", "lint", rules).output
    assert "[red]" in output
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", output)


def test_nothing_in_an_annotation_steers_the_terminal(rules: Path) -> None:
    text = DOUBTFUL.replace("filter:", '"sel\\e]0;x\\a\\n::error::\\u202e%":', 1)
    (rules / "doubtful.yml").write_text(text, encoding="utf-8")
    output = kyber("rules", "lint", rules, "--format", "github", "--validators", "own").output
    assert "sel\\x1b]0;x\\x07\\n::error::\\u202e%25" in output
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", output)
    assert all(line.startswith("::") and not line.startswith("::error::") for line in output.splitlines())


def test_an_identity_code_in_a_rule_is_not_shown(rules: Path) -> None:
    text = DOUBTFUL.replace("'*svc*'", "['131052-308T', '131052-308T']")
    (rules / "doubtful.yml").write_text(text, encoding="utf-8")
    output = kyber("rules", "lint", rules, "--validators", "own").output
    assert "R56" in output
    assert "308T" not in output
