import json
import re
from pathlib import Path

import pytest

from tests.cli.run import kyber

PEOPLE = """\
roles:
  - {id: security-officer, title: Tietoturvapäällikkö, holders: [e]}
  - {id: director, title: Johtaja, holders: [e]}
people: [{id: e, name: E}]
"""
RISK = """\
id: R-{n:03}
title: T
status: preliminary
identified_in: interview
"""


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kyber.yaml").write_text("organisation: X\nlanguage: en\n", encoding="utf-8")
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


def states(folder: Path) -> dict[str, str]:
    result = kyber("introduction", "--json", "--workspace", folder)
    assert result.exit_code == 0, result.output
    return {(one := json.loads(line))["phase"]: one["state"] for line in result.output.splitlines()}


def test_an_introduction_is_laid_out_shown_and_done_phase_by_phase(folder: Path) -> None:
    assert kyber("introduction", "start", "2090-01", "--workspace", folder).exit_code == 0
    assert set(states(folder).values()) == {"coming"}
    (folder / "risks").mkdir()
    (folder / "risks" / "R-001-t.yaml").write_text(RISK.format(n=1), encoding="utf-8")
    assert states(folder)["risk-interviews"] == "proved"
    assert states(folder)["risk-definition"] == "coming"
    said = kyber("introduction", "done", "log-procurement", "--evidence", "Report", "--workspace", folder)
    assert said.output.startswith("Done: procurement\n")
    assert states(folder)["log-procurement"] == "done"
    shown = kyber("introduction", "--workspace", folder).output
    assert "✓ done" in shown
    assert "1 risk from interviews" in shown
    assert shown.endswith("done 1, shown 1, to come 17\n")
    picture = folder / "i.svg"
    assert kyber("introduction", "-o", picture, "--workspace", folder).exit_code == 0
    assert "Introduction from 2090-01" in picture.read_text(encoding="utf-8")
    assert kyber("check", folder).exit_code == 0 or "introduction" not in kyber("check", folder).output


@pytest.mark.parametrize("name", ["Hankinta", "PROCUREMENT", "upphandling", " log-procurement"])
def test_a_phase_is_named_as_it_is_shown_in_any_language(folder: Path, name: str) -> None:
    kyber("introduction", "start", "2090-01", "--workspace", folder)
    assert kyber("introduction", "done", name, "--workspace", folder).exit_code == 0
    assert states(folder)["log-procurement"] == "done"
    assert "log-procurement" in kyber("introduction", "--workspace", folder).output


def test_a_name_that_several_phases_have_is_asked_about(folder: Path) -> None:
    kyber("introduction", "start", "2090-01", "--workspace", folder)
    result = kyber("introduction", "done", "haastattelut", "--workspace", folder)
    assert result.exit_code == 2
    assert "risk-interviews, continuity-interviews" in " ".join(result.stderr.split())


def test_what_is_said_to_be_done_and_not_shown_is_told_apart_in_the_table_and_the_picture(folder: Path) -> None:
    kyber("introduction", "start", "2090-01", "--workspace", folder)
    kyber("introduction", "done", "risk-approval", "--workspace", folder)
    assert states(folder)["risk-approval"] == "unconfirmed"
    shown = kyber("introduction", "--workspace", folder).output
    assert "✓? done (unconfirmed)" in shown
    assert "no risks" in shown
    assert "✓? done (unconfirmed)" in kyber("introduction", "-f", "svg", "--workspace", folder).output


def test_who_owns_phases_by_a_role_is_told_at_the_start(folder: Path) -> None:
    said = kyber("introduction", "start", "2090-01", "--workspace", folder).output
    assert "Owners as the roles of people.yaml suggest them" in said
    assert re.search(r"^  \S.*: \d+ phases?$", said, re.MULTILINE)


def test_what_was_not_begun_or_cannot_be_is_refused(folder: Path) -> None:
    def refused(*arguments: str) -> str:
        result = kyber("introduction", *arguments, "--workspace", folder)
        assert result.exit_code == 2, result.output
        return result.stderr

    assert "no introduction was started" in kyber("introduction", "--workspace", folder).stderr
    assert "write a month" in refused("start", "2027-1")
    assert "+started: 2027-01" in kyber("introduction", "start", "2027-01", "--dry-run", "--workspace", folder).output
    kyber("introduction", "start", "2027-01", "--workspace", folder)
    assert "there already" in refused("start", "2027-01")
    assert "did you mean risk-workshops" in refused("done", "risk-workshop")
    (folder / "people.yaml").write_text("roles: []\n", encoding="utf-8")
    (folder / "introduction.yaml").unlink()
    assert "--owner" in refused("start", "2027-01")
    (folder / "introduction.yaml").write_text("started: never\nphases: {}\n", encoding="utf-8")
    assert "K81" in kyber("check", folder).output
    assert "cannot be read" in kyber("introduction", "--workspace", folder).stderr
