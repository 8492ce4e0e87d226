import hashlib
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.cli.run import kyber
from tests.continuity.county import changed, lay_out

PLAN = "continuity/plans/P-001-records-are-back.yaml"
RISK = """\
id: R-001
title: Fire
status: preliminary
identified_in: workshop
statement: {cause: Old wires, event: A fire, consequence: Smoke}
services: [records]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = lay_out(tmp_path / "county")
    (folder / "risks").mkdir()
    (folder / "risks/R-001-fire.yaml").write_text(RISK, encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> str:
    given = ("-c", "user.name=x", "-c", "user.email=x@y.example", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *given, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("name", "begin"), [("c.html", b"<!DOCTYPE html>"), ("c.pdf", b"%PDF-1.7"), ("c.md", b"P-001")]
)
def test_the_name_of_the_file_says_the_form(folder: Path, tmp_path: Path, name: str, begin: bytes) -> None:
    ran = kyber("continuity", "print", "p-001", "-o", tmp_path / name, "--workspace", folder)
    assert ran.exit_code == 0
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert name in ran.stdout


def test_a_card_is_shown_on_the_terminal_where_no_file_is_named(folder: Path) -> None:
    ran = kyber("continuity", "print", "P-001", "--workspace", folder)
    assert ran.exit_code == 0
    assert "| ☐ | 1 | Restore the network | Keeper<br>Eero |" in ran.stdout


def test_every_plan_becomes_a_file_of_its_own(folder: Path, tmp_path: Path) -> None:
    for form, given in (("pdf", ()), ("html", ("--format", "html"))):
        ran = kyber("continuity", "print", "--all", "-o", tmp_path / "cards", *given, "--workspace", folder)
        assert ran.exit_code == 0
        assert "1 card was written" in ran.stdout
        assert (tmp_path / "cards" / f"P-001-records-are-back.{form}").is_file()


def test_a_card_speaks_the_language_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    kyber("continuity", "print", "P-001", "-o", tmp_path / "c.pdf", "--language", "fi", "--workspace", folder)
    read = PdfReader(BytesIO((tmp_path / "c.pdf").read_bytes()))
    assert read.trailer["/Root"]["/Lang"] == "fi"
    assert "Milloin suunnitelma otetaan käyttöön" in read.pages[0].extract_text()


def test_a_card_has_the_hash_of_its_file_and_the_commit(folder: Path) -> None:
    (folder / ".gitignore").write_text(".kyber/\n", encoding="utf-8")
    said = kyber("continuity", "print", "P-001", "--workspace", folder).stdout
    assert hashlib.sha256((folder / PLAN).read_bytes()).hexdigest()[:12] in said
    assert "not under version control" in said
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    commit = git(folder, "rev-parse", "HEAD")[:10]
    first = kyber("continuity", "print", "P-001", "--workspace", folder).stdout
    assert f"{commit}\n" in first
    assert first == kyber("continuity", "print", "P-001", "--workspace", folder).stdout
    (folder / "continuity/exercises/E-001-a-restore.yaml").write_text("", encoding="utf-8")
    assert f"{commit}\n" in kyber("continuity", "print", "P-001", "--workspace", folder).stdout
    for name in ("people.yaml", "continuity/services/records.yaml"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert f"{commit}, changed since" in kyber("continuity", "print", "P-001", "--workspace", folder).stdout
        git(folder, "checkout", "-q", name)


def test_copies_that_are_older_than_the_plan_are_told_of(tmp_path: Path) -> None:
    folder = changed(tmp_path / "county", "plan", ("checked_on: 2026-03-02", "checked_on: 2026-03-01"))
    ran = kyber("continuity", "print", "P-001", "--workspace", folder)
    assert ran.exit_code == 0
    assert "P-001: the copy (The red folder) was last checked on 2026-03-01, before version 1.0" in ran.stderr
    folder = changed(tmp_path / "other", "plan", (", checked_on: 2026-03-02", ""))
    assert "nobody has checked the copy" in kyber("continuity", "print", "P-001", "--workspace", folder).stderr
    folder = lay_out(tmp_path / "third")
    assert kyber("continuity", "print", "P-001", "--workspace", folder).stderr == ""


def test_personal_identity_codes_are_masked_on_paper(tmp_path: Path) -> None:
    folder = changed(tmp_path, "plan", ("Restore the network", "Call 131052-308T"))
    for form in ("md", "html"):
        said = kyber("continuity", "print", "P-001", "--format", form, "--workspace", folder).stdout
        assert "131052-308T" not in said
        assert "Call" in said


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("P-009",), "there is no plan P-009; there is P-001"),
        ((), "which plan? There is P-001; or say --all"),
        (("P-001", "--all"), "leave out either"),
        (("--all",), "say the folder"),
        (("P-001", "--format", "pdf"), "a PDF needs a file"),
        (("P-001", "-o", "card.docx"), "name it .html, .pdf, .md"),
    ],
)
def test_what_cannot_be_printed_is_said(folder: Path, given: tuple[str, ...], told: str) -> None:
    ran = kyber("continuity", "print", *given, "--workspace", folder)
    assert ran.exit_code == 2
    assert told in ran.stderr


def test_a_card_never_takes_the_place_of_the_register(folder: Path) -> None:
    before = (folder / PLAN).read_bytes()
    ran = kyber("continuity", "print", "P-001", "--format", "md", "-o", folder / PLAN, "--workspace", folder)
    assert ran.exit_code == 2
    assert (folder / PLAN).read_bytes() == before


@pytest.mark.parametrize(("id_", "told"), [("E-001", "A restore"), ("P-001", "Records are back"), ("r-001", "Fire")])
def test_a_script_is_made_of_an_exercise_a_plan_or_a_risk(folder: Path, tmp_path: Path, id_: str, told: str) -> None:
    said = kyber("continuity", "exercise", "script", id_, "--workspace", folder).stdout
    assert f"# {told}" in said
    assert "## Steps of plan P-001: Records are back" in said
    ran = kyber("continuity", "exercise", "script", id_, "-o", tmp_path / "s.pdf", "--workspace", folder)
    assert ran.exit_code == 0
    assert "not for participants" in PdfReader(tmp_path / "s.pdf").pages[-1].extract_text()


def test_a_risk_is_played_in_its_own_words(folder: Path) -> None:
    said = kyber("continuity", "exercise", "script", "R-001", "--workspace", folder).stdout
    assert "### Risk R-001: Fire\n\nOld wires\\\nA fire\\\nSmoke" in said


def test_a_risk_that_touches_no_plan_has_no_script(folder: Path) -> None:
    file = folder / "risks/R-001-fire.yaml"
    file.write_text(RISK.replace("services: [records]\n", ""), encoding="utf-8")
    ran = kyber("continuity", "exercise", "script", "R-001", "--workspace", folder)
    assert ran.exit_code == 2
    assert "no plan holds for a service that R-001 touches" in ran.stderr


def test_a_scenario_that_is_not_there_is_said(folder: Path) -> None:
    ran = kyber("continuity", "exercise", "script", "E-009", "--workspace", folder)
    assert ran.exit_code == 2
    assert "there is no exercise, plan or risk E-009; there is E-001" in ran.stderr
