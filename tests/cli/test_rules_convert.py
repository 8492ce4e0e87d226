import json
import re
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from kyber.cli import app
from kyber.cli.rules_convert import _known_pipelines, _known_targets
from kyber.logs.sigma import pysigma
from tests.cli.run import kyber

RULE = """\
title: Failed logons
id: 11111111-2222-4333-8444-555555555555
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 4625
  condition: selection
level: low
"""


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "rule.yml"
    file.write_text(RULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return file


@pytest.fixture
def backend() -> None:
    pytest.importorskip("sigma.backends.elasticsearch", reason="pySigma's backend for Elasticsearch is not installed")


def test_without_pysigma_the_extra_is_named(rule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pysigma, "is_installed", lambda: False)
    pysigma._plugins.cache_clear()
    result = kyber("rules", "convert", rule, "--to", "lucene")
    assert result.exit_code == 2
    assert "pip install 'kyber[sigma]'" in result.stderr
    assert _known_targets("") == []


def test_a_rule_becomes_a_query(rule: Path, backend: None) -> None:
    result = kyber("rules", "convert", rule, "--to", "lucene", "-p", "ecs_windows")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "winlog.channel:Security AND event.code:4625\n",
        "",
    )
    assert "EventID:4625" in kyber("rules", "convert", rule, "--to", "lucene", "-p", "none").stdout


def test_as_json_each_rule_is_a_line_that_names_it(rule: Path, backend: None) -> None:
    result = kyber("rules", "convert", rule, "--to", "eql", "-p", "ecs_windows", "--json")
    (line,) = result.stdout.splitlines()
    record = json.loads(line)
    assert (record["id"], record["title"]) == ("11111111-2222-4333-8444-555555555555", "Failed logons")
    assert (record["file"], record["line"], record["to"]) == (str(rule), 1, "eql")
    assert len(record["queries"]) == 1


def test_a_language_whose_fields_have_several_names_asks_for_a_choice(rule: Path, backend: None) -> None:
    result = kyber("rules", "convert", rule, "--to", "lucene")
    assert result.exit_code == 2
    assert "ecs_windows" in result.stderr
    assert "none" in result.stderr


def test_output_goes_to_a_file_but_not_over_a_rule(rule: Path, backend: None) -> None:
    asked = ("rules", "convert", rule, "--to", "lucene", "-p", "ecs_windows", "-o")
    result = kyber(*asked, rule.with_name("query.txt"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert rule.with_name("query.txt").read_text() == "winlog.channel:Security AND event.code:4625\n"
    assert kyber(*asked, rule).exit_code == 2
    assert rule.read_text(encoding="utf-8") == RULE


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_on_a_terminal_nothing_steers_and_no_identity_code_is_shown(
    form: tuple[str, ...], rule: Path, backend: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule.write_text(RULE.replace("EventID: 4625", 'A: ["\\e]0;x\\a\\u202e", 131052-308T]'), encoding="utf-8")
    asked = ("rules", "convert", rule, "--to", "lucene", "-p", "none", *form)
    exact = kyber(*asked).stdout
    assert "131052" in exact
    assert ("\u202e" in exact) is not bool(form)
    monkeypatch.setattr("kyber.cli.rules_convert.is_terminal", lambda: True)
    shown = kyber(*asked).stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", shown)
    assert "308T" not in shown
    assert shown.endswith("\n")
    kyber(*asked, "-o", rule.with_name("query.txt"))
    assert rule.with_name("query.txt").read_bytes().decode() == exact


def test_a_rule_that_cannot_be_converted_is_told_and_ends_with_one(rule: Path, backend: None) -> None:
    (rule.parent / "broken.yml").write_text(RULE.replace("condition: selection", "condition: nothing"))
    result = kyber("rules", "convert", rule.parent, "--to", "lucene", "-p", "ecs_windows")
    assert result.exit_code == 1
    assert result.stdout == "winlog.channel:Security AND event.code:4625\n"
    assert "R80" in result.stderr


def test_languages_and_pipelines_are_completed(backend: None) -> None:
    assert "esql" in _known_targets("es")
    assert "lucene" not in _known_targets("es")

    context = typer.Context(get_command(app))
    context.params["to"] = "lucene"
    assert "ecs_windows" in _known_pipelines(context, "ecs_w")
    assert _known_pipelines(context, "nothing") == []


def test_where_no_rule_could_be_read_it_ends_with_three(rule: Path, backend: None) -> None:
    rule.write_text("a: [", encoding="utf-8")
    assert kyber("rules", "convert", rule, "--to", "lucene", "-p", "none").exit_code == 3
