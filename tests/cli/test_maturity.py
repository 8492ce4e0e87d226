import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kyber.cli import app
from tests.cli.run import kyber

QUESTIONNAIRE = """\
id: own
title: {en: Our own}
target: 2
domains:
  - id: a
    title: {en: First}
    questions:
      - {id: q1, title: {en: One}, ask: {en: Is it so?}}
      - {id: q2, title: {en: Two}, ask: {en: And this?}}
      - {id: q3, title: {en: "Three, <b>"}, ask: {en: And that?}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kyber.yaml").write_text("organisation: Example\nlanguage: en\n", encoding="utf-8")
    (tmp_path / "people.yaml").write_text(
        "roles: [{id: cio, title: CIO, holders: [e]}]\npeople: [{id: e, name: E}]\n", encoding="utf-8"
    )
    (tmp_path / "questionnaires").mkdir()
    (tmp_path / "questionnaires" / "own.yaml").write_text(QUESTIONNAIRE, encoding="utf-8")
    return tmp_path


def assess(folder: Path, typed: str, *arguments: str) -> Result:
    given = ["continuity", "assess", "--questionnaire", "own", "--by", "cio", "--workspace", str(folder), *arguments]
    return CliRunner().invoke(app, given, input=typed, env={"NO_COLOR": "1"})


def run(folder: Path, *arguments: object) -> str:
    result = kyber("continuity", *arguments, "--workspace", folder)
    assert result.exit_code == 0, result.output
    return result.output


def test_an_assessment_is_interrupted_and_goes_on_where_it_was_left(folder: Path) -> None:
    first = assess(folder, "9\n1\nminutes\n\nq\n")
    assert first.exit_code == 0, first.output
    assert "Give a whole number from 0 to 3." in first.output
    assert "1 question was answered; 2 are left." in first.output
    again = assess(folder, "")
    assert again.exit_code == 2
    assert "M-001 is not finished" in again.stderr
    second = assess(folder, "\n3\n\n3\n", "--continue")  # q2 stays open
    assert "2/3  Two" in second.output
    text = (next((folder / "assessments").iterdir())).read_text(encoding="utf-8")
    assert text.endswith("answers:\n  q1:\n    score: 1\n    evidence: minutes\n  q3:\n    score: 3\n    target: 3\n")
    assert "First    2.0     2.3" in run(folder, "maturity")
    assert "2/3" in run(folder, "maturity")


def test_a_score_is_kept_though_one_stops_at_what_shows_it(folder: Path) -> None:
    said = assess(folder, "1\nq\n").output
    assert "1 question was answered; 2 are left." in said
    text = (next((folder / "assessments").iterdir())).read_text(encoding="utf-8")
    assert text.endswith("answers:\n  q1:\n    score: 1\n")
    assert "2 questions are unanswered" in run(folder, "development", "--owner", "cio")


def test_a_personal_identity_code_is_refused_and_the_question_asked_again(folder: Path) -> None:
    result = assess(folder, "1\n131052-308T\n\n2\nseen\n\nq\n")
    assert "a personal identity code" in result.stderr
    text = (next((folder / "assessments").iterdir())).read_text(encoding="utf-8")
    assert "score: 2" in text
    assert "131052" not in text


def test_two_assessments_are_compared_in_every_form_and_gaps_become_actions_once(folder: Path) -> None:
    assess(folder, "0\n\n\n0\n\n\n3\n\n\n", "--on", "2025-10-01")
    assess(folder, "1\n\n\n0\n\n3\n3\n\n\n", "--on", "2026-10-01")
    assert "▲ 0.3" in run(folder, "maturity")
    record = json.loads(run(folder, "maturity", "--json"))
    assert record["compared_with"] == "M-001"
    assert record["domains"][0]["change"] == 0.333
    assert "| First | 1.3 |" in run(folder, "maturity", "-f", "md")
    run(folder, "maturity", "-o", folder / "m.svg")
    assert "M-002 Our own 2026" in (folder / "m.svg").read_text(encoding="utf-8")
    shown = run(folder, "development", "--owner", "cio", "--from", "2027-01-01")
    assert "2 new actions; --write makes them." in shown
    assert not (folder / "actions").exists()
    written = run(folder, "development", "--owner", "cio", "--from", "2027-01-01", "--write")
    assert "0 → 3" in written
    assert "2027-07-02" in written
    assert "2 actions were made." in written
    assert "has its action already" in run(folder, "development", "--write")
    assert len(list((folder / "actions").iterdir())) == 2
    assert kyber("check", folder, "--strict").exit_code in (0, 1)
    assert "K02" not in kyber("check", folder).output


def test_what_cannot_be_is_refused(folder: Path) -> None:
    assert "no assessment yet" in kyber("continuity", "maturity", "--workspace", folder).stderr
    assert "nothing to go on with" in (said := assess(folder, "", "--continue").stderr) or "no assessment" in said
    assert "no questionnaire" in kyber("continuity", "assess", "--questionnaire", "x", "--workspace", folder).stderr
