import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kyber import kept
from tests.cli.run import kyber
from tests.render.results import finding as made

BY = ("--by", "security-officer")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kyber.yaml").write_text("organisation: Esimerkki\nlanguage: en\n", encoding="utf-8")
    (tmp_path / "people.yaml").write_text(
        "roles: [{id: security-officer, title: Tietoturvapäällikkö, holders: [e]}]\npeople: [{id: e, name: E}]\n",
        encoding="utf-8",
    )
    return tmp_path


def run(folder: Path, *arguments: object) -> str:
    result = kyber("incident", *arguments, "--workspace", folder)
    assert result.exit_code == 0, result.output
    return result.output


def refused(folder: Path, *arguments: object) -> str:
    result = kyber("incident", *arguments, "--workspace", folder)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_an_incident_from_findings_to_its_archive(folder: Path) -> None:
    with kept.open(folder / ".kyber") as store:
        store.save([made(7)], datetime.now(UTC))
    finding = made(7).id
    said = run(folder, "open", "Murto", "--from", finding, "--noticed", "1h", "--personal-data", *BY)
    assert "I-001 was opened: Murto" in said
    assert "Cybersecurity Act, first notification: 22 hours left" in said or "23 hours left" in said
    assert "GDPR 33, notification (to be checked)" in said
    assert "22 hours left" in (listed := run(folder, "list")) or "23 hours left" in listed
    run(folder, "timeline", "i-001", "The network was cut off", "--at", "30min", *BY)
    assert "The network was cut off  (Tietoturvapäällikkö)" in run(folder, "timeline", "I-001")
    draft = run(folder, "notify", "I-001", "--stage", "first", "--language", "fi")
    assert draft.startswith("# LUONNOS: Kyberturvallisuuslaki, ensi-ilmoitus")
    run(folder, "notify", "I-001", "--stage", "first", "--done", "--ref", "1/26")
    shown = json.loads(run(folder, "show", "I-001", "--json"))
    assert [clock["state"] for clock in shown["computed"]["clocks"]] == ["met", "running", "running", "running"]
    one, two = folder / "a.zip", folder / "b.zip"
    run(folder, "archive", "I-001", "-o", one)
    run(folder, "archive", "I-001", "-o", two)
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        names = archive.namelist()
    assert f"findings/{finding}.json" in names
    assert "drafts/gdpr-first.sv.md" in names
    assert "is there already" in refused(folder, "archive", "I-001", "-o", one)
    run(folder, "archive", "I-001", "-o", one, "--overwrite")
    assert "still owes" in run(folder, "close", "I-001", "--why", "over")
    assert "closed" in run(folder, "list")
    assert "closed" in run(folder, "show", "I-001")


def test_what_was_missed_is_said_by_check_and_exits_with_it(folder: Path) -> None:
    run(folder, "open", "Murto", "--noticed", "5d", *BY)
    assert "missed 4 days ago" in run(folder, "show", "I-001")
    result = kyber("check", folder)
    assert result.exit_code == 1
    assert "K64 I-001: Cybersecurity Act, first notification was due" in result.output
    for stage in ("first", "follow-up"):
        run(folder, "notify", "I-001", "--stage", stage, "--done")
    assert "K64" not in kyber("check", folder).output


def test_an_incident_that_is_not_significant_has_no_clocks_and_leaves_the_list_when_closed(folder: Path) -> None:
    run(folder, "open", "Katko", "--not-significant", *BY)
    assert "not applicable" in run(folder, "show", "I-001")
    run(folder, "close", "I-001", "--why", "ohi")
    assert run(folder, "list") == "There is no open incident.\n"
    assert "Katko" in run(folder, "list", "--all")
    assert json.loads(run(folder, "list", "--all", "--json"))["computed"]["status"] == "closed"


def test_bad_input_is_refused_and_changes_nothing(folder: Path) -> None:
    run(folder, "open", "Murto", *BY)
    before = {file: file.read_bytes() for file in (folder / "incidents").iterdir()}
    later = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    assert "yet to come" in refused(folder, "timeline", "I-001", "x", "--at", later, *BY)
    assert "no time" in refused(folder, "timeline", "I-001", "x", "--at", "eilen", *BY)
    assert "say what happened" in refused(folder, "timeline", "I-001", "--at", "1h")
    assert "there is no incident I-009" in refused(folder, "show", "I-009")
    assert "--done" in refused(folder, "notify", "I-001", "--stage", "first", "--ref", "x")
    assert "no findings are kept" in refused(folder, "open", "x", "--from", "abcd", *BY)
    assert "named FILE.zip" in refused(folder, "archive", "I-001", "-o", folder / "a.rar")
    assert "empty" in refused(folder, "close", "I-001", "--why", " ")
    assert {file: file.read_bytes() for file in (folder / "incidents").iterdir()} == before


def test_what_is_far_off_is_told_in_days_and_gdpr_needs_no_stage(folder: Path) -> None:
    run(folder, "open", "Murto", "--noticed", "1h", "--personal-data", *BY)
    assert "71 hours left" in (shown := run(folder, "show", "I-001")) or "70 hours left" in shown
    assert " days left" in shown
    assert "--stage first --done" in refused(folder, "notify", "I-001", "--stage", "final", "--done")
    assert "noticed" in refused(folder, "notify", "I-001", "--stage", "first", "--done", "--at", "3h")
    assert "name one of first, follow-up, final" in refused(folder, "notify", "I-001")
    assert run(folder, "notify", "I-001", "--stage", "final").startswith("# DRAFT")
    run(folder, "notify", "I-001", "--regime", "gdpr", "--done")
    assert "The notification itself was sent" in run(folder, "notify", "I-001", "--regime", "gdpr")


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    assert "+title: Murto" in run(folder, "open", "Murto", "--dry-run", *BY)
    assert not (folder / "incidents").exists()
