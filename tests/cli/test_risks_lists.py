"""`kyber risks import` and `kyber risks export`: lists become risks; workbooks go out, are edited, and come back."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kyber.cli.risks import app
from kyber.errors import KyberError, UsageError
from kyber.render.xlsx import bytes_of
from kyber.risks.register import RiskRegister
from kyber.risks.table import tables_in
from kyber.risks.workbook import book_of
from kyber.text import words_for
from tests.data import outside
from tests.risks.county import RISK, git, lay_out, problems, register
from tests.risks.sheets import MADE, ods, typed, xlsx

CODE = "131052-308T"
"""A personal identity code that is made up, as the population register's own examples are."""


def run(*arguments: object) -> Result:
    answer = CliRunner().invoke(app, [str(one) for one in arguments], env={"NO_COLOR": "1"})
    if answer.exception is not None and not isinstance(answer.exception, SystemExit | KyberError):
        raise answer.exception
    return answer


def imported(folder: Path, file: Path, *arguments: object) -> list[dict[str, Any]]:
    said = run("import", file, "--workspace", folder, "--json", *arguments).stdout
    return [json.loads(line) for line in said.splitlines()]


def of(kind: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in records if one["kind"] == kind]


@pytest.fixture
def county(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "county")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    file = tmp_path / "list.csv"
    file.write_text("Risk;Measures;Remarks\nFire;Buy extinguishers. Train people.;x\n;;\nFlood;;\n", encoding="utf-8")
    return file


def files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.yaml"))}


def test_a_real_list_becomes_seven_preliminary_risks_with_proposed_actions_and_what_is_missing_is_said(
    tmp_path: Path,
) -> None:
    file = outside("hankkeen-riskit.csv")
    folder = lay_out(tmp_path, {"kyber.yaml": "organisation: Esimerkki\nlanguage: fi\n"})
    said = run("import", file, "--workspace", folder, "--on", "2026-11-01").stdout
    assert "7 alustavaa riskiä, 7 ehdotettua toimenpidettä" in said
    assert said.count("puuttuu vielä: Riskin kuvaus, Luokka, Omistaja, Arvio, Käsittely, Katselmointi") == 7
    found = register(folder)
    assert [one.title for one in found.risks] == [
        *("Aikataulu", "Viestintä", "Henkilöstö", "Hallinnointi", "Sitoutuminen", "Hankkeen toimenpiteet"),
        "Taloudelliset riskit",
    ]
    assert {one.status for one in found.risks} == {"preliminary"}
    assert {one.status for one in found.actions} == {"proposed"}
    assert [one.actions for one in found.risks] == [(f"A-{n:03}",) for n in range(1, 8)]
    assert found.actions[0].title == "Hanke aikataulutetaan välitavoitteiden mukaan"
    rows = [line.split(";", 1)[1] for line in file.read_text(encoding="utf-8-sig").splitlines()[1:]]
    assert [one.description for one in found.actions] == [row.strip() for row in rows]
    assert [one.imported and one.imported.row for one in found.risks] == list(range(2, 9))
    assert problems(folder) == ()
    again = run("import", file, "--workspace", folder)
    assert again.exit_code == 0
    assert again.stdout.count("on jo rekisterissä") == 7
    assert len(register(folder).risks) == 7


def test_a_dry_run_says_the_same_and_writes_nothing(county: Path, listed: Path) -> None:
    before = files(county)
    dry = imported(county, listed, "--dry-run")
    assert files(county) == before
    assert imported(county, listed) == dry


def test_nothing_of_a_row_is_lost(county: Path, listed: Path) -> None:
    (fire, flood) = of("risk", imported(county, listed, "--identified-in", "workshop"))
    assert (fire["id"], fire["action"], flood["id"], flood["action"]) == ("R-002", "A-002", "R-003", None)
    risk = next(one for one in register(county).risks if one.id == "R-002")
    action = register(county).action["A-002"]
    assert risk.imported is not None
    assert (risk.imported.file, risk.imported.row, dict(risk.imported.columns)) == ("list.csv", 2, {"Remarks": "x"})
    assert (action.title, action.description) == ("Buy extinguishers", "Buy extinguishers. Train people.")
    assert risk.identified_in == "workshop"


def test_empty_rows_are_counted_and_rows_without_a_title_are_told_with_their_number(
    county: Path, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("Riski,Omistaja\nA fire,\n,\n,keeper\n", encoding="utf-8")
    answer = run("import", file, "--workspace", county)
    assert answer.exit_code == 1
    assert "row 4 names no risk, and was left out: fill in the column Riski" in answer.stdout
    assert "1 preliminary risk, 0 proposed actions, 1 row left out, 1 empty row" in answer.stdout


def test_an_id_that_only_the_history_knows_is_not_given_again(county: Path, listed: Path) -> None:
    git(county, "init", "-q")
    (county / "risks/R-041-gone.yaml").write_text(RISK.replace("R-001", "R-041"), encoding="utf-8")
    git(county, "add", "."), git(county, "commit", "-qm", "one")
    git(county, "rm", "-q", "risks/R-041-gone.yaml"), git(county, "commit", "-qm", "two")
    assert [one["id"] for one in of("risk", imported(county, listed))] == ["R-042", "R-043"]


def test_likely_duplicates_are_proposed_and_not_merged(county: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("Risk\nA stolen account opens a record\nPower fails\nPower  FAILS\n", encoding="utf-8")
    found = of("risk", imported(county, file))
    assert [one["alike"] for one in found] == [["R-001"], [], ["R-003"]]
    assert len(register(county).risks) == 4


def test_a_row_with_a_personal_identity_code_is_refused_and_the_rest_goes_on(county: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"Risk;Measures\nFire;Ask {CODE}\nFlood;Dig\n", encoding="utf-8")
    answer = run("import", file, "--workspace", county)
    assert answer.exit_code == 1
    assert "row 2 was left out: a personal identity code" in answer.stdout
    assert CODE not in answer.output
    assert [one.title for one in register(county).risks][1:] == ["Flood"]
    assert len(register(county).actions) == 2
    assert all(CODE not in text for text in files(county).values())


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "ods"])
def test_lists_are_read_from_csv_xlsx_and_ods_alike(county: Path, tmp_path: Path, suffix: str) -> None:
    rows = [["Työpaja 1.11."], [], ["Riski", "Toimenpiteet"], ["Sähköt katkeavat", "Varavoima"]]
    text = "\n".join(";".join(row) for row in rows).encode("cp1252")
    file = tmp_path / f"list.{suffix}"
    file.write_bytes({"csv": text, "xlsx": xlsx(rows), "ods": ods(rows)}[suffix])
    (found,) = of("risk", imported(county, file))
    assert (found["title"], found["row"]) == ("Sähköt katkeavat", 4)


def test_map_says_which_column_has_a_field_by_heading_or_letter(county: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("What;L;I;Who\nFire;2 – rare;3;Keeper\n", encoding="utf-8")
    maps = ("title=what", "likelihood=B", "impact.safety=I", "owner=Who")
    (found,) = of("risk", imported(county, file, *(part for one in maps for part in ("--map", one))))
    risk = next(one for one in register(county).risks if one.id == found["id"])
    assert risk.owner == "keeper"
    assert risk.current is not None
    assert (risk.current.likelihood, dict(risk.current.impact)) == (2, {"safety": 3})
    assert risk.imported is not None
    assert dict(risk.imported.columns) == {"L": "2 – rare", "Who": "Keeper"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--map", "colour=Risk"], "the fields are title"),
        (["--map", "title=Nothing"], "there is no column Nothing; there is Risk, Measures, Remarks"),
        (["--map", "impact.taste=Risk"], "the dimensions are safety"),
        (["--sheet", "Other"], "there is no sheet Other"),
        (["--on", "1.1.2026"], "write a day as 2026-03-31"),
        (["--on", "2999-01-01"], "this day is yet to come"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_cure(
    county: Path, listed: Path, arguments: list[str], said: str
) -> None:
    answer = run("import", listed, "--workspace", county, *arguments)
    assert isinstance(answer.exception, UsageError)
    assert said in str(answer.exception)


def test_a_list_in_which_no_column_names_the_risks_says_how_to_say_which(county: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("What;Who\nFire;\n", encoding="utf-8")
    answer = run("import", tmp_path / "list.csv", "--workspace", county)
    assert "there is What, Who: say which, --map title=COLUMN" in str(answer.exception)


# --- workbooks -------------------------------------------------------------------------------------------------------


def test_an_unchanged_workbook_changes_nothing(county: Path, tmp_path: Path) -> None:
    before = files(county)
    assert "1 risks" in run("export", "-o", tmp_path / "r.xlsx", "--workspace", county).stdout
    answer = run("import", tmp_path / "r.xlsx", "--workspace", county)
    assert (answer.exit_code, answer.stdout) == (0, "The workbook changes nothing.\n")
    assert files(county) == before


def back(county: Path, tmp_path: Path, *cells: tuple[str, str, dict[str, Any]], owner: str | None = None) -> Path:
    """The workbook of the register, with cells typed over."""
    book = book_of(register(county), words_for("en"), MADE, owner)
    for sheet, id_, typed_over in cells:
        book = typed(book, sheet, id_, typed_over)
    (tmp_path / "r.xlsx").write_bytes(bytes_of(book))
    return tmp_path / "r.xlsx"


def test_a_changed_cell_becomes_an_edit_of_exactly_that_field(county: Path, tmp_path: Path) -> None:
    before = files(county)
    file = back(
        county,
        tmp_path,
        ("Risks", "R-001", {"Owner": "Chief", "Impact: reputation (current risk)": 2, "Cause": "Passwords leak"}),
        ("Actions", "A-001", {"Due": "1.4.2027", "Cost, €": 1500}),
    )
    dry = run("import", file, "--workspace", county, "--dry-run")
    assert "    Owner: keeper → chief\n" in dry.stdout
    assert "    Impact: reputation (current risk): 3 → 2\n" in dry.stdout
    assert files(county) == before
    assert run("import", file, "--workspace", county).exit_code == 0
    after = files(county)
    risk = "risks/R-001-a-stolen-account.yaml"
    assert after[risk] == (
        before[risk]
        .replace("owner: keeper\ninherent", "owner: chief\ninherent")
        .replace("reputation: 3", "reputation: 2")
        .replace("Passwords are used again elsewhere", "Passwords leak")
    )
    action = "actions/A-001-a-second-factor-for-partners.yaml"
    assert after[action] == before[action].replace("2027-03-31", "2027-04-01") + "cost: 1500\n"
    assert "changes nothing" in run("import", file, "--workspace", county).stdout


def test_an_emptied_cell_takes_the_field_out_and_an_emptied_estimate_the_whole_of_it(
    county: Path, tmp_path: Path
) -> None:
    target = {"Likelihood (target risk)": None, "Impact: data protection (target risk)": None}
    run("import", back(county, tmp_path, ("Risks", "R-001", {**target, "Treatment": None})), "--workspace", county)
    risk = register(county).risks[0]
    assert (risk.target, risk.treatment) == (None, None)


def test_a_row_that_was_changed_here_in_the_meantime_is_told_and_not_overwritten(county: Path, tmp_path: Path) -> None:
    file = back(county, tmp_path, ("Risks", "R-001", {"Category": "operations"}))
    risk = county / "risks/R-001-a-stolen-account.yaml"
    risk.write_text(RISK.replace("treatment: mitigate", "treatment: avoid"), encoding="utf-8")
    before = files(county)
    answer = run("import", file, "--workspace", county)
    assert answer.exit_code == 1
    assert "Risks, row 2: R-001 was changed in the workspace since the workbook was written" in answer.stdout
    assert files(county) == before


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"Status": "sleeping"}, "column Status: it is none of the words of the list: choose preliminary, open"),
        ({"Status": "closed"}, "column Status: this takes a decision"),
        ({"Owner": "nobody"}, "column Owner: nobody has this id or title"),
        ({"Met on": "soon"}, "column Met on: it is no day: write 2026-03-31"),
        (
            {"Likelihood (current risk)": 6},
            "column Likelihood (current risk): it is no class: write a number from 1 to 5",
        ),
        ({"Review interval": "often"}, "column Review interval: it is no length of time"),
        ({"Actions": "A-001, A-077"}, "column Actions: there is nothing with the id A-077"),
        ({"Title": None}, "column Title: the title cannot be empty"),
        ({"Likelihood (target risk)": None}, "was left out:"),
        ({"Notes": f"Ask {CODE}"}, "was left out: a personal identity code"),
    ],
)
def test_a_wrong_value_says_sheet_row_column_reason_and_cure_and_the_row_stays_as_it_is(
    county: Path, tmp_path: Path, cells: dict[str, Any], said: str
) -> None:
    before = files(county)
    answer = run("import", back(county, tmp_path, ("Risks", "R-001", cells)), "--workspace", county)
    assert answer.exit_code == 1
    assert "Risks, row 2" in answer.stdout
    assert said in answer.stdout
    assert CODE not in answer.output
    assert files(county) == before


def test_a_new_row_without_an_id_becomes_a_new_risk(county: Path, tmp_path: Path) -> None:
    cells = {"Title": "Power fails", "Owner": "chief", "Cause": "a", "What happens": "b", "Consequence": "c"}
    file = back(county, tmp_path, ("Risks", "", cells))
    assert "R-002  Power fails  (new)" in run("import", file, "--workspace", county).stdout
    risk = register(county).risks[1]
    assert (risk.status, risk.owner, risk.statement is not None) == ("preliminary", "chief", True)


def test_rows_that_are_in_the_workbook_no_more_stay_in_the_register(county: Path, tmp_path: Path) -> None:
    file = back(county, tmp_path, ("Actions", "A-001", dict.fromkeys(("Id", "Title", "Status", "Owner", "Due"))))
    assert "no longer in the workbook, and kept as they are: A-001" in run("import", file, "--workspace", county).stdout
    assert "A-001" in register(county).action


ANSWER = ("Reviewed on", "Still right?", "Comment")


def test_a_form_has_only_what_its_owner_answers_for_and_comes_back_as_a_review(county: Path, tmp_path: Path) -> None:
    other = RISK.replace("R-001", "R-002").replace("owner: keeper", "owner: chief")
    (county / "risks/R-002-x.yaml").write_text(other, encoding="utf-8")
    run("export", "-o", tmp_path / "form.xlsx", "--owner", "eero", "--workspace", county)
    sheet = tables_in((tmp_path / "form.xlsx").read_bytes(), "form.xlsx")[0]
    assert [row[0] for row in sheet.rows[1:] if row[0]] == ["R-001"]
    cells = dict(zip(ANSWER, ("2026-11-09", "yes", "Talked it over"), strict=True))
    file = back(county, tmp_path, ("Risks", "R-001", {**cells, "Category": "operations"}), owner="keeper")
    assert "reviewed 2026-11-09 by keeper: still right" in run("import", file, "--workspace", county).stdout
    risk = register(county).risks[0]
    assert risk.review is not None
    assert (str(risk.review.last), risk.review.reviewer, risk.category) == ("2026-11-09", "keeper", "operations")
    assert [(str(one.on), one.evidence) for one in risk.assessments][1:] == [("2026-11-09", "Talked it over")]
    after = files(county)
    assert "changes nothing" in run("import", file, "--workspace", county).stdout
    assert files(county) == after


def test_what_is_said_to_be_right_no_more_is_noted_and_stays_due(county: Path, tmp_path: Path) -> None:
    cells = dict(zip(ANSWER, ("9.11.2026", "no", "Much worse"), strict=True))
    file = back(county, tmp_path, ("Risks", "R-001", cells), owner="keeper")
    assert "not right any more, says keeper on 2026-11-09" in run("import", file, "--workspace", county).stdout
    risk = register(county).risks[0]
    assert risk.notes == "2026-11-09 keeper: Much worse"
    assert risk.review is not None
    assert str(risk.review.last) == "2026-10-01"


def test_yes_is_not_taken_for_what_has_changed_since(county: Path, tmp_path: Path) -> None:
    cells = dict(zip(ANSWER, ("2026-11-09", "yes", ""), strict=True))
    file = back(county, tmp_path, ("Risks", "R-001", cells), owner="keeper")
    risk = county / "risks/R-001-a-stolen-account.yaml"
    risk.write_text(RISK.replace("likelihood: 3", "likelihood: 5"), encoding="utf-8")
    before = files(county)
    assert "was changed in the workspace" in run("import", file, "--workspace", county).stdout
    assert files(county) == before


def test_a_comment_that_comes_after_a_later_review_is_kept(county: Path, tmp_path: Path) -> None:
    cells = dict(zip(ANSWER, ("2026-09-01", "yes", "Seen in autumn"), strict=True))
    file = back(county, tmp_path, ("Risks", "R-001", cells), owner="keeper")
    for _ in range(2):
        run("import", file, "--workspace", county)
    risk = register(county).risks[0]
    assert risk.notes == "2026-09-01 keeper: Seen in autumn"
    assert risk.review is not None
    assert str(risk.review.last) == "2026-10-01"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (("2026-11-09", None, None), "column Reviewed on: the answer is missing"),
        ((None, "yes", None), "column Still right?: the day of the review is missing"),
        ((None, None, "hm"), "column Comment: the answer is missing"),
        (("2999-01-01", "yes", None), "column Reviewed on: this day is yet to come"),
    ],
)
def test_an_answer_that_is_not_whole_says_what_is_missing(
    county: Path, tmp_path: Path, answers: tuple[Any, ...], said: str
) -> None:
    cells = dict(zip(ANSWER, answers, strict=True))
    answer = run("import", back(county, tmp_path, ("Risks", "R-001", cells), owner="keeper"), "--workspace", county)
    assert (answer.exit_code, said in answer.stdout) == (1, True)


def test_an_owner_whom_nobody_knows_is_told(county: Path, tmp_path: Path) -> None:
    answer = run("export", "-o", tmp_path / "form.xlsx", "--owner", "stranger", "--workspace", county)
    assert "there is no role or person stranger" in str(answer.exception)


def test_other_forms_leave_by_the_ending_of_the_file_or_by_format(county: Path, tmp_path: Path) -> None:
    run("export", "-o", tmp_path / "r.csv", "--workspace", county)
    assert (tmp_path / "r.csv").read_text().splitlines()[1].startswith("R-001,A stolen account opens records,major,")
    said = run("export", "--format", "json", "--workspace", county).stdout
    assert json.loads(said)["review"]["interval"] == "6 months"
    assert (
        "| R-001 | A stolen account opens records | major |"
        in run("export", "--format", "md", "--workspace", county).stdout
    )
    assert "plan-of-action-and-milestones" in run("export", "--format", "oscal", "--workspace", county).stdout
    assert "needs a file" in str(run("export", "--workspace", county).exception)


def test_an_export_does_not_take_the_place_of_a_register_file(county: Path) -> None:
    answer = run("export", "--format", "csv", "-o", county / "kyber.yaml", "--workspace", county)
    assert isinstance(answer.exception, UsageError)


def test_no_cell_is_a_formula(county: Path, tmp_path: Path) -> None:
    risk = county / "risks/R-001-a-stolen-account.yaml"
    risk.write_text(RISK.replace("A stolen account opens records", "'=cmd|x'"), encoding="utf-8")
    found: RiskRegister = register(county)
    assert found.risks[0].title == "=cmd|x"
    run("export", "-o", tmp_path / "r.csv", "--workspace", county)
    assert ",'=cmd|x," in (tmp_path / "r.csv").read_text()
    run("export", "-o", tmp_path / "r.xlsx", "--workspace", county)
    assert tables_in((tmp_path / "r.xlsx").read_bytes(), "r.xlsx")[0].rows[1][1] == "=cmd|x"
    import zipfile

    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        assert "cmd" not in archive.read("xl/worksheets/sheet1.xml").decode()
