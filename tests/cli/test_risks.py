import csv
import io
import re
from datetime import date
from json import loads
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kyber.risks.approval import state_of
from kyber.risks.register import load_register
from kyber.risks.risk import Risk
from kyber.workspace import at
from tests.cli.run import kyber
from tests.risks.county import FILES, KINDS, accepted, git, lay_out


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one risk that is defined, and two that are preliminary; the current folder is in it."""
    least = "id: {id}\ntitle: {title}\nstatus: preliminary\nidentified_in: interview\n"
    lay_out(
        tmp_path,
        {
            **FILES,
            "risks/R-002-letters.yaml": least.format(id="R-002", title="A letter goes to the wrong person"),
            "risks/R-003-power.yaml": least.format(id="R-003", title="The power fails"),
        },
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    return tmp_path


def risk(here: Path, id_: str = "R-001") -> Risk:
    register, problems = load_register(here, at(here).settings, date(2026, 11, 10))
    assert problems == ()
    return next(one for one in register.risks if one.id == id_)


def committed(here: Path, message: str = "A commit") -> None:
    if not (here / ".git").exists():
        git(here, "init", "-q")
    git(here, "add", ".")
    git(here, "commit", "-qm", message)


# --- looking ----------------------------------------------------------------------------------------------------------


def test_the_list_has_the_largest_risk_first_and_what_was_not_assessed_last(here: Path) -> None:
    shown = kyber("risks", "list").output
    assert re.findall(r"^(R-\d+) ", shown, re.MULTILINE) == ["R-001", "R-002", "R-003"]
    assert "3 × 4 → 2 × 3" in shown
    assert "3 risks, 1 above the appetite, 2 not assessed" in shown


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--level", "major"], ["R-001"]),
        (["--level", "intolerable"], []),
        (["--status", "preliminary"], ["R-002", "R-003"]),
        (["--status", "preliminary", "--status", "treating"], ["R-001", "R-002", "R-003"]),
        (["--owner", "keeper"], ["R-001"]),
        (["--owner", "eero"], ["R-001"]),  # who holds the role
        (["--owner", "chief"], []),
        (["--category", "privacy"], ["R-001"]),
        (["--above-appetite"], ["R-001"]),
    ],
)
def test_the_list_can_be_narrowed(here: Path, options: list[str], ids: list[str]) -> None:
    lines = kyber("risks", "list", "--json", *options).output.splitlines()
    assert [loads(line)["id"] for line in lines] == ids


def test_a_line_of_json_has_the_fields_of_the_risk_and_what_follows_from_them(here: Path) -> None:
    found = loads(kyber("risks", "list", "--json").output.splitlines()[0])
    assert found["current"]["impact"] == {"privacy": 4, "reputation": 3}
    assert found["review"] == {"interval": "6 months", "last": "2026-10-01", "reviewer": "keeper"}
    assert found["computed"] == {
        "level": "major",
        "levels": {"inherent": "intolerable", "current": "major", "target": "minor"},
        "appetite": "minor",
        "above_appetite": True,
        "review_due": "2027-01-01",
        "step": "defined",
        "lacks": ["approval"],
    }


def test_the_list_is_written_as_csv_and_markdown_by_the_ending_of_the_file(here: Path) -> None:
    assert kyber("risks", "list", "-o", "list.csv").exit_code == 0
    rows = list(csv.reader(io.StringIO((here / "list.csv").read_text())))
    assert rows[0][:3] == ["id", "level", "L × I"]
    assert [row[0] for row in rows[1:]] == ["R-001", "R-002", "R-003"]
    assert kyber("risks", "list", "-o", "list.md").exit_code == 0
    assert (here / "list.md").read_text().splitlines()[2].startswith("| R-001 | major | 3 × 4 | 2 × 3 |")


def test_the_list_is_written_as_a_workbook_whose_cells_are_all_texts(here: Path) -> None:
    from python_calamine import CalamineWorkbook

    file = here / KINDS["risk"]
    file.write_text(file.read_text().replace("title: A stolen", "title: =1+1 a stolen"))
    assert kyber("risks", "list", "-o", "list.xlsx").exit_code == 0
    rows = CalamineWorkbook.from_path(here / "list.xlsx").get_sheet_by_index(0).to_python()
    assert rows[0][:4] == ["id", "level", "L × I", "target"]
    assert rows[1][:5] == ["R-001", "major", "3 × 4", "2 × 3", "=1+1 a stolen account opens records"]
    assert kyber("risks", "list", "--format", "xlsx").exit_code == 2


def test_a_title_that_a_spreadsheet_would_run_is_written_as_text(here: Path) -> None:
    file = here / KINDS["risk"]
    file.write_text(file.read_text().replace("title: A stolen", "title: =1+1 a stolen"))
    assert kyber("risks", "list", "--format", "csv").output.splitlines()[1].split(",")[4].startswith("'=1+1")


def test_nothing_of_the_workspace_is_overwritten(here: Path) -> None:
    before = (here / "people.yaml").read_text()
    found = kyber("risks", "list", "--format", "csv", "-o", "people.yaml")
    assert found.exit_code == 2
    assert (here / "people.yaml").read_text() == before


def test_one_risk_is_shown_whole(here: Path) -> None:
    shown = kyber("risks", "show", "r-001").output
    for told in (
        "R-001  A stolen account opens records",
        "●●●●○ major",
        "Passwords are used again elsewhere",
        "minor (the risk is above it)",
        "Keeper (Eero)",
        "inherent risk: 4 × 5  ●●●●● intolerable",
        "Two attempts in 2025 – 2026-10-01 keeper",
        "C-001  active: A second factor",
        "A-001  planned 2027-03-31: A second factor for partners",
        "2027-01-01",
        "management's approval",
    ):
        assert told in shown


def test_a_category_is_told_in_words_where_it_is_known_and_as_written_where_it_is_not(here: Path) -> None:
    settings, file = here / "kyber.yaml", next((here / "risks").glob("R-001-*.yaml"))
    settings.write_text(settings.read_text().replace("language: en", "language: sv"))
    assert re.search("kategori: +dataskydd\n", kyber("risks", "show", "R-001").output)
    file.write_text(file.read_text().replace("category: privacy", "category: weather"))
    assert re.search("kategori: +weather\n", kyber("risks", "show", "R-001").output)


def test_an_id_that_is_not_there_is_answered_with_the_nearest(here: Path) -> None:
    found = kyber("risks", "show", "R-010")
    assert found.exit_code == 2
    assert "there is no risk R-010; there is R-00" in found.output


def test_the_status_says_how_far_the_list_has_come_and_what_is_missing(here: Path) -> None:
    shown = kyber("risks", "status").output
    assert re.findall(r"^\d [a-z ]+? +(\d+)/3", shown, re.MULTILINE) == ["3", "1", "1", "1", "0", "0"]
    assert "Management has not approved the list yet" in shown
    assert re.search(r"1 preliminary +an estimate \(kyber risks workshop or assess\) +R-002 R-003", shown)
    found = {one["id"]: one for one in map(loads, kyber("risks", "status", "--json").output.splitlines())}
    assert found["R-001"] == {"id": "R-001", "step": "defined", "lacks": ["approval"]}
    assert found["R-003"]["lacks"] == ["estimate"]


def test_the_matrix_has_each_risk_in_its_cell_and_says_who_is_not_there(here: Path) -> None:
    shown = kyber("risks", "matrix").output
    row = next(line for line in shown.splitlines() if "│ 3 at most" in line)
    following = shown.splitlines()[shown.splitlines().index(row) + 1]
    assert [cell.strip() for cell in row.split("│")[2:7]] == ["●", "●●", "●●●", "●●●●", "●●●●"]
    assert [cell.strip() for cell in following.split("│")[2:7]] == ["", "", "", "R-001", ""]
    assert "2 risks have no such estimate" in shown


def test_the_picture_of_the_matrix_has_words_for_levels_and_arrows_to_targets(here: Path) -> None:
    assert kyber("risks", "matrix", "-o", "m.svg").exit_code == 0
    root = ElementTree.parse(here / "m.svg").getroot()
    texts = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("intolerable") == 3
    assert texts.count("R-001") == 1
    arrows = [one for one in root.iter("{http://www.w3.org/2000/svg}path") if one.get("marker-end")]
    assert len(arrows) == 1
    desc = root.findtext("{http://www.w3.org/2000/svg}desc")
    assert desc == "R-001 A stolen account opens records: 3 × 4, major (3 × 4 → 2 × 3)"


def test_the_arrows_can_begin_where_the_risks_stood_at_a_commit(here: Path) -> None:
    committed(here)
    kyber("risks", "assess", "R-001", "-l", "5", "--by", "keeper")
    assert kyber("risks", "matrix", "--since", "HEAD", "-o", "m.svg").exit_code == 0
    assert "(3 × 4 → 5 × 4)" in (here / "m.svg").read_text()
    assert kyber("risks", "matrix", "--since", "nothing").exit_code == 2


def test_the_history_says_who_changed_what_and_how_the_level_went(here: Path) -> None:
    committed(here, "The first list")
    kyber("risks", "assess", "R-001", "-l", "2", "--by", "keeper", "--rationale", "A second factor")
    committed(here, "The second factor is there")
    found = list(map(loads, kyber("risks", "history", "R-001", "--json").output.splitlines()))
    assert [(one["subject"], one["level"], one["author"]) for one in found] == [
        ("The first list", "major", "Eero"),
        ("The second factor is there", "moderate", "Eero"),
    ]
    assert found[1]["fields"]["current.likelihood"] == {"before": "3", "after": "2"}
    shown = kyber("risks", "history").output
    assert "R-003" in shown
    assert "current.rationale: Two attempts in 2025 → A second factor" in shown


def test_a_history_that_is_not_there_is_said(here: Path) -> None:
    assert "No history" in kyber("risks", "history").output


# --- doing ------------------------------------------------------------------------------------------------------------


def test_a_risk_is_added_with_the_next_id(here: Path) -> None:
    found = kyber("risks", "add", "The line to the hospital breaks", "--owner", "chief", "--identified-in", "exercise")
    assert found.exit_code == 0
    made = risk(here, "R-004")
    assert (made.title, made.status, made.owner) == ("The line to the hospital breaks", "preliminary", "chief")
    assert made.at.file.endswith("risks/R-004-the-line-to-the-hospital-breaks.yaml")
    assert "risks/R-004-the-line-to-the-hospital-breaks.yaml" in found.output
    assert "\nR-004" not in kyber("check").output


def test_an_id_of_any_branch_and_of_what_was_taken_out_is_not_given_again(here: Path) -> None:
    committed(here)
    git(here, "checkout", "-qb", "other")
    kyber("risks", "add", "On a branch")
    committed(here, "R-004")
    git(here, "checkout", "-q", "main")
    assert kyber("risks", "add", "On main").output.startswith("R-005 ")
    (here / "risks" / "R-003-power.yaml").unlink()
    (here / "risks" / "R-005-on-main.yaml").unlink()
    committed(here, "Less")
    assert kyber("risks", "add", "Again").output.startswith("R-005 ")  # was in no commit, so nobody has seen it
    (here / "risks" / "R-002-letters.yaml").unlink()
    assert kyber("risks", "add", "Once more").output.startswith("R-006 ")


def test_without_a_title_each_part_is_asked_for(here: Path) -> None:
    answers = (
        "The power fails twice\naudit\nOld cables\nThe power fails in the hall\nNothing works\noperations\nchief\n"
    )
    assert kyber_with("risks", "add", typed=answers).exit_code == 0
    made = risk(here, "R-004")
    assert made.statement is not None
    assert (made.identified_in, made.statement.event, made.category) == (
        "audit",
        "The power fails in the hall",
        "operations",
    )


def kyber_with(*arguments: str, typed: str):  # type: ignore[no-untyped-def]
    from typer.testing import CliRunner

    from kyber.cli import app

    return CliRunner().invoke(app, arguments, input=typed, env={"NO_COLOR": "1"})


def test_a_risk_goes_from_preliminary_to_approved_by_commands_alone(here: Path) -> None:
    steps = [
        ("review", "R-001", "--by", "keeper"),
        ("assess", "R-002", "-l", "4", "-i", "privacy=4", "-i", "reputation=2", "--rationale", "Six", "--by", "keeper"),
        ("define", "R-002", "--cause", "Addresses are typed by hand", "--event", "A letter goes to the wrong person",
         "--consequence", "A stranger reads about a patient", "--category", "privacy", "--owner", "keeper"),
        ("assess", "R-002", "--part", "target", "-l", "2", "-i", "privacy=3", "--by", "keeper"),
        ("treat", "R-002", "mitigate"),
        ("define", "R-002", "--detection", "own_rule"),
        ("control", "R-002", "--new", "Two people read an address", "--owner", "keeper"),
        ("action", "R-002", "--new", "Addresses come from the register", "--owner", "keeper", "--due", "90d"),
        ("review", "R-002", "--by", "keeper", "--interval", "6 months"),
    ]  # fmt: skip
    dates = "identified_on: 2026-05-04\n"
    file = here / "risks" / "R-002-letters.yaml"
    file.write_text(file.read_text() + dates)
    for step in steps:
        found = kyber("risks", *step)
        assert found.exit_code == 0, found.output
    made = risk(here, "R-002")
    assert (made.status, made.controls, made.actions) == ("treating", ("C-002",), ("A-002",))
    assert len(made.assessments) == 2
    committed(here)
    assert kyber("risks", "approve", "--by", "board", "--decision-ref", "Board 12/2026").exit_code == 0
    found = {one["id"]: one["step"] for one in map(loads, kyber("risks", "status", "--json").output.splitlines())}
    assert found == {"R-001": "practice", "R-002": "practice", "R-003": "preliminary"}


def test_what_lacks_nothing_any_more_is_no_longer_preliminary(here: Path) -> None:
    file = here / KINDS["risk"]
    file.write_text(
        file.read_text().replace("status: treating", "status: preliminary").replace("category: privacy\n", "")
    )
    kyber("risks", "define", "R-001", "--category", "privacy")
    assert risk(here).status == "treating"
    file.write_text(file.read_text().replace("status: treating", "status: open"))
    kyber("risks", "treat", "R-001", "transfer")
    assert risk(here).status == "treating"


def test_an_assessment_keeps_the_dimensions_that_are_not_judged_anew_and_goes_to_the_history(here: Path) -> None:
    found = kyber(
        "risks", "assess", "R-001", "-l", "5", "-i", "data protection=5", "--by", "chief", "--evidence", "Case 7"
    )
    assert "current risk: intolerable, up from major" in found.output
    made = risk(here)
    assert made.current is not None
    assert dict(made.current.impact) == {"privacy": 5, "reputation": 3}
    assert made.current.rationale == "Two attempts in 2025"
    assert (made.assessments[-1].by, made.assessments[-1].evidence) == ("chief", "Case 7")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["assess", "R-001", "-l", "6", "-i", "privacy=1", "--by", "keeper"], "outside the scale: 1 to 5"),
        (["assess", "R-001", "-l", "3", "-i", "weather=1", "--by", "keeper"], "there is no dimension weather"),
        (["assess", "R-001", "-l", "3", "-i", "privacy", "--by", "keeper"], "write it as DIMENSION=CLASS"),
        (["assess", "R-002", "-i", "privacy=3", "--by", "keeper"], "--likelihood is missing"),
        (["assess", "R-002", "-l", "3", "--by", "keeper"], "--impact is missing"),
        (["add", "T", "--owner", "nobody"], "there is no role or person nobody"),
        (["define", "R-001"], "nothing was named"),
        (["control", "R-001"], "name one that is there, or make one"),
        (["control", "R-001", "C-001"], "names C-001 among its controls already"),
        (["control", "R-001", "C-009"], "there is no control C-009"),
        (["action", "R-001", "A-001"], "say what is to change"),
        (["action", "R-001", "--new", "T", "--due", "soon"], "write a day as"),
        (["close", "R-001", "--why", " "], "--why is empty"),
        (["define", "R-001", "--cause", "The patient 131052-308T"], "personal identity code"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_nothing_is_written(
    here: Path, arguments: list[str], told: str
) -> None:
    before = {file: file.read_bytes() for file in here.rglob("*.yaml")}
    found = kyber("risks", *arguments)
    assert found.exit_code == 2
    assert told in " ".join(found.output.split())
    assert {file: file.read_bytes() for file in here.rglob("*.yaml")} == before


def test_a_dry_run_shows_the_lines_and_writes_nothing(here: Path) -> None:
    before = (here / KINDS["risk"]).read_bytes()
    found = kyber("risks", "review", "R-001", "--by", "chief", "--on", "2026-11-09", "--dry-run")
    assert "-review: {interval: 6 months, last: 2026-10-01, reviewer: keeper}" in found.output
    assert "+review: {interval: 6 months, last: 2026-11-09, reviewer: chief}" in found.output
    assert (here / KINDS["risk"]).read_bytes() == before


def test_an_action_is_done_and_a_control_is_taken_off(here: Path) -> None:
    assert kyber("risks", "action", "R-001", "A-001", "--status", "done").exit_code == 0
    assert "status: done\n" in (here / KINDS["action"]).read_text()
    assert re.search(r"^done_on: 20\d\d-", (here / KINDS["action"]).read_text(), re.MULTILINE)
    assert kyber("risks", "control", "R-001", "C-001", "--remove").exit_code == 0
    assert risk(here).controls == ()
    assert (here / KINDS["control"]).exists()


# --- deciding ---------------------------------------------------------------------------------------------------------

DECISION = ("--decision-ref", "Board 12/2026", "--justification", "Nothing more can be had for the money")


def test_an_acceptance_is_bound_to_what_the_risk_is(here: Path) -> None:
    assert kyber("risks", "accept", "R-001", "--approver", "board", *DECISION).exit_code == 0
    made = risk(here)
    assert made.acceptance is not None
    assert (made.status, made.acceptance.accepted_state) == ("accepted", state_of(made))
    assert "K24" not in kyber("check").output
    kyber("risks", "assess", "R-001", "-l", "2", "--by", "keeper")
    assert "K24" in kyber("check").output


@pytest.mark.parametrize(
    ("id_", "options", "told"),
    [
        ("R-001", ["--approver", "chief"], "chief may not accept a risk that is major: board may"),
        ("R-001", ["--approver", "eero"], "eero may not accept"),
        ("R-001", ["--approver", "board", "--expires", "13 months"], "can hold until"),
        ("R-001", ["--approver", "board", "--expires", "2020-01-01"], "has to end after it begins"),
        ("R-002", ["--approver", "board"], "cannot be accepted yet: it lacks an estimate"),
    ],
)
def test_an_acceptance_needs_authority_an_end_and_a_whole_risk(
    here: Path, id_: str, options: list[str], told: str
) -> None:
    found = kyber("risks", "accept", id_, *options, *DECISION)
    assert found.exit_code == 2
    assert told in " ".join(found.output.split())


def test_nobody_accepts_a_risk_of_their_own(here: Path) -> None:
    file = here / KINDS["risk"]
    file.write_text(file.read_text().replace("owner: keeper", "owner: board"))
    found = kyber("risks", "accept", "R-001", "--approver", "board", *DECISION)
    assert found.exit_code == 2
    assert "let somebody else decide" in found.output


def test_the_hash_of_a_risk_is_what_another_program_makes_of_it(tmp_path: Path) -> None:
    """The JSON of RFC 8785 written out by hand: keys in order, no spaces, absent values null."""
    import hashlib

    text = (
        '{"controls":["C-001"],'
        '"current":{"assessed_by":"keeper","assessed_on":"2026-10-01","impact":{"privacy":4,"reputation":3},'
        '"likelihood":3,"rationale":"Two attempts in 2025"},'
        '"residual":null,'
        '"statement":{"cause":"Passwords are used again elsewhere",'
        '"consequence":"Records of patients are read by somebody who may not",'
        '"event":"A stranger signs in with an account of ours"},'
        '"treatment":"mitigate"}'
    )
    assert state_of(risk(accepted(tmp_path))) == hashlib.sha256(text.encode()).hexdigest()


def test_an_approval_names_the_commit_the_decision_and_every_risk_with_its_state(here: Path) -> None:
    committed(here)
    found = kyber("risks", "approve", "--by", "board", "--decision-ref", "Board 12/2026", "--on", "2026-11-09")
    assert "1 risk approved by board" in found.output
    assert "2 preliminary risks took no part" in found.output
    text = (here / "approvals" / "2026-11-09-board-12-2026.yaml").read_text()
    assert f"commit: {git(here, 'rev-parse', 'HEAD').strip()}" in text
    assert f"state: {state_of(risk(here))}" in text
    assert kyber("check").output.count("approvals/") == 0


def test_a_list_that_is_not_committed_is_not_approved(here: Path) -> None:
    committed(here)
    kyber("risks", "assess", "R-001", "-l", "2", "--by", "keeper")
    found = kyber("risks", "approve", "--by", "board", "--decision-ref", "Board 12/2026")
    assert found.exit_code == 2
    assert "commit first" in " ".join(found.output.split())
    assert not (here / "approvals").exists()


def test_a_risk_that_changed_after_the_approval_asks_for_a_new_one(here: Path) -> None:
    committed(here)
    kyber("risks", "approve", "--by", "board", "--decision-ref", "Board 12/2026")
    kyber("risks", "assess", "R-001", "-l", "2", "--by", "keeper")
    found = {one["id"]: one for one in map(loads, kyber("risks", "status", "--json").output.splitlines())}
    assert (found["R-001"]["step"], found["R-001"]["lacks"]) == ("defined", ["new-approval"])


def test_a_closed_risk_leaves_the_list_and_keeps_its_file(here: Path) -> None:
    assert kyber("risks", "close", "R-001", "--why", "The system was taken out of use").exit_code == 0
    assert "R-001" not in kyber("risks", "list").output
    assert "R-001" in kyber("risks", "list", "--status", "closed").output
    assert (here / KINDS["risk"]).exists()


def test_a_list_is_approved_by_who_may_bear_its_largest_risk(here: Path) -> None:
    committed(here)
    found = kyber("risks", "approve", "--by", "chief", "--decision-ref", "Coffee room")
    assert found.exit_code == 2
    assert "chief may not approve a list with risks that are major" in found.output
    assert kyber("risks", "approve", "--by", "Board", "--decision-ref", "B", "--on", "2999-01-01").exit_code == 2


@pytest.mark.parametrize(
    ("id_", "options", "told"),
    [
        ("R-001", ["--approver", "liisa", "--decision-ref", " ", "--justification", "j"], "are needed"),
        ("R-001", ["--approver", "board", *DECISION, "--on", "1999-01-01"], "would have ended"),
        ("R-001", ["--approver", "board", *DECISION, "--on", "2999-01-01"], "this day is yet to come"),
    ],
)
def test_an_acceptance_that_cannot_be_is_refused(here: Path, id_: str, options: list[str], told: str) -> None:
    found = kyber("risks", "accept", id_, *options)
    assert found.exit_code == 2
    assert told in " ".join(found.output.split())


def test_what_was_measured_for_one_dimension_leaves_the_others_as_they_are(here: Path) -> None:
    assert (
        kyber("risks", "assess", "R-001", "--part", "residual", "-l1", "-i", "privacy=1", "--by", "chief").exit_code
        == 0
    )
    made = risk(here).residual
    assert made is not None
    assert dict(made.impact) == {"privacy": 1, "reputation": 3}


@pytest.mark.parametrize(
    "settings",
    [
        ["core.fsmonitor=./evil"],
        ["log.showSignature=true", "gpg.program=./evil"],
        ["core.hooksPath=.", "core.pager=./evil"],
        ["filter.x.clean=./evil"],
    ],
)
def test_nothing_that_a_repository_names_is_run(here: Path, settings: list[str]) -> None:
    committed(here)
    evil = here / "evil"
    evil.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    evil.chmod(0o755)
    for one in settings:
        git(here, "config", *one.split("=", 1))
    (here / ".git" / "info" / "attributes").write_text("* filter=x\n")
    (here / "risks" / "R-003-power.yaml").touch()
    for arguments in (["check"], ["risks", "history"], ["risks", "add", "T", "--dry-run"]):
        assert kyber(*arguments).exit_code in (0, 1)
    kyber("risks", "approve", "--by", "board", "--decision-ref", "B", "--dry-run")
    assert not (here / "ran").exists()


def test_a_workspace_that_poses_as_a_repository_is_none(here: Path) -> None:
    committed(here)
    evil = here / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {here}/ran\nexit 1\n")
    evil.chmod(0o755)
    posing = here / "inner"
    lay_out(posing)
    for name in ("refs/heads", "objects"):
        (posing / name).mkdir(parents=True)
    (posing / "HEAD").write_text("ref: refs/heads/main\n")
    (posing / "config").write_text(f"[core]\n\tbare = false\n\tworktree = .\n\tfsmonitor = {evil}\n")
    (posing / "refs" / "heads" / "main").write_text(git(here, "rev-parse", "HEAD"))
    assert kyber("check", posing).exit_code in (0, 1)
    kyber("risks", "approve", "--by", "board", "--decision-ref", "B", "--dry-run", "--workspace", posing)
    assert not (here / "ran").exists()


# --- workshops --------------------------------------------------------------------------------------------------------


def test_a_workshop_keeps_every_vote_the_spread_and_what_was_agreed(here: Path) -> None:
    statement = "Typing\nA letter goes astray often\nPrivacy is lost\n"
    answers = f"{statement}3 4\n5 4\n\n4\nprivacy=4 reputation=2\nSix cases in 2025\nq\n"
    found = kyber_with("risks", "workshop", "--participants", "Aino,Eero,Liisa", typed=answers)
    assert found.exit_code == 0
    assert "far apart: talk it over" in found.output
    assert "1 risk assessed, 1 left." in found.output
    made = risk(here, "R-002")
    assert made.statement is not None
    assert made.statement.event == "A letter goes astray often"
    assert made.current is not None
    assert (made.current.likelihood, dict(made.current.impact)) == (4, {"privacy": 4, "reputation": 2})
    (held,) = made.assessments
    assert [(vote.by, vote.likelihood, vote.impact) for vote in held.votes] == [("Aino", 3, 4), ("Eero", 5, 4)]
    assert (held.by, held.agreed.likelihood) == ("workshop", 4)


def test_a_workshop_keeps_what_others_wrote_in_the_meantime(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kyber.cli import risks_workshop

    asked = risks_workshop._ask

    def meanwhile(at: object, key: str, default: str, **facts: object) -> str:
        if key == "risks.ask.rationale":
            kyber("risks", "assess", "R-001", "-l5", "--by", "chief", "--evidence", "Case 7")
        return asked(at, key, default, **facts)  # type: ignore[arg-type]

    monkeypatch.setattr(risks_workshop, "_ask", meanwhile)
    assert kyber_with("risks", "workshop", "R-001", typed="3 4\n3\nprivacy=4\nWhy\n").exit_code == 0
    assert [one.by for one in risk(here).assessments] == ["workshop", "chief", "workshop"]


def test_a_workshop_asks_again_after_a_vote_that_is_none_and_skips_what_nobody_agrees_on(here: Path) -> None:
    answers = "\n7 4\nmany\n3 4\ns\ns\n"
    found = kyber_with("risks", "workshop", typed=answers)
    assert found.output.count("Two numbers: likelihood 1–5 and impact 1–5") == 2
    assert "0 risks assessed, 2 left." in found.output
    assert risk(here, "R-002").current is None


def test_a_workshop_without_preliminary_risks_says_so(tmp_path: Path) -> None:
    lay_out(tmp_path)
    assert "No risk is preliminary" in kyber("risks", "workshop", "--workspace", tmp_path).output
