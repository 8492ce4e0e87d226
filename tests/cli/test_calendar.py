"""`kyber calendar` and `kyber tasks`, as options in and what is shown and written out."""

import re
from datetime import date
from json import loads
from pathlib import Path
from xml.etree import ElementTree

import pytest
from icalendar import Calendar
from python_calamine import CalamineWorkbook

from kyber.calendar.duties import DUTIES
from tests.calendar.test_clock_checks import LEGAL, TASK, lay_out
from tests.cli.run import kyber

SECOND = TASK.replace("T-001", "T-002").replace("All of it", "A review").replace("owner: chief", "owner: keeper")
ACTION = "id: A-001\ntitle: A lock\nstatus: planned\nowner: keeper\ndue: 2026-11-20\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two tasks, of which one falls due in November and one did in October, and an action."""
    lay_out(
        tmp_path,
        calendar__T_001=TASK + LEGAL + "done: [{on: 2026-11-03, by: chief, for: 2026-11-20}]\n",
        calendar__T_002=SECOND.replace("{month: 11, day: 20}", "{month: 10}"),
        actions__A_001=ACTION,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def test_the_year_is_shown_month_by_month_with_signs_and_words(here: Path) -> None:
    shown = kyber("calendar", "--on", "2026-11-10").output
    assert re.findall(r"^(\w+) +(\S) (\w[\w ]*?) {2,}(\S+) +(.*?) {2,}", shown, re.MULTILINE)[:2] == [
        ("October", "!", "late", "2026-10-30", "A review"),
        ("November", "✓", "done", "2026-11-20", "All of it"),
    ]
    assert "As of 2026-11-10: 1 late, 1 to be done now, 1 done." in shown


def test_what_is_late_is_carried_over_the_turn_of_the_year(here: Path) -> None:
    shown = kyber("calendar", "--on", "2027-01-15").output
    assert re.search(r"^Late from before 2027 +! late +2026-10-30 +A review", shown, re.MULTILINE)
    assert "2027-11-19" in shown


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], {"T-001", "T-002", "A-001"}),
        (["--owner", "keeper"], {"T-002", "A-001"}),
        (["--owner", "eero"], {"T-002", "A-001"}),  # who holds the role
        (["--owner", "aino"], {"T-001"}),
        (["--ring", "risks"], {"A-001"}),
    ],
)
def test_the_year_can_be_narrowed(here: Path, options: list[str], ids: set[str]) -> None:
    lines = kyber("calendar", "2026", "--format", "json", "--on", "2026-11-10", *options).output.splitlines()
    assert {loads(line)["id"] for line in lines} == ids


def test_strict_ends_with_1_where_something_is_late_and_only_there(here: Path) -> None:
    for command in (("calendar",), ("tasks",)):
        assert kyber(*command, "--strict", "--on", "2026-11-10").exit_code == 1
        assert kyber(*command, "--on", "2026-11-10").exit_code == 0
        assert kyber(*command, "--strict", "--on", "2026-10-30").exit_code == 0


def test_the_year_is_written_as_a_picture_a_document_and_calendar_files(here: Path) -> None:
    assert kyber("calendar", "2026", "-o", "clock.svg").exit_code == 0
    assert ElementTree.parse(here / "clock.svg").getroot().tag.endswith("svg")
    kyber("calendar", "2026", "-o", "clock.md")
    assert (here / "clock.md").read_text(encoding="utf-8").startswith("# Annual clock 2026: County\n\n| Month |")
    (here / "clocks").mkdir()
    kyber("calendar", "2026", "-o", "clocks")
    assert {file.name for file in (here / "clocks").iterdir()} == {"chief.ics", "keeper.ics"}
    first = (here / "clocks" / "keeper.ics").read_bytes()
    assert len(list(Calendar.from_ical(first).walk("VEVENT"))) == 2
    (here / "calendar" / "T-009.yaml").write_text(SECOND.replace("T-002", "T-009"), encoding="utf-8")
    kyber("calendar", "2026", "-o", "one.ics", "--owner", "keeper")
    uids = {str(event["uid"]) for event in Calendar.from_ical((here / "one.ics").read_bytes()).walk("VEVENT")}
    assert len(uids) == 3
    assert {str(event["uid"]) for event in Calendar.from_ical(first).walk("VEVENT")} < uids


@pytest.mark.parametrize("given", [["-o", "new/clocks"], ["-o", "clocks/"], ["--format", "ics", "-o", "clocks"]])
def test_a_folder_that_is_not_there_yet_is_made_for_calendar_files(here: Path, given: list[str]) -> None:
    assert kyber("calendar", "2026", *given).exit_code == 0
    assert {file.name for file in (here / given[-1]).iterdir()} == {"chief.ics", "keeper.ics"}


def test_a_folder_takes_calendar_files_only_and_a_register_is_not_written_over(here: Path) -> None:
    assert kyber("calendar", "--format", "svg", "-o", here).exit_code == 2
    assert kyber("calendar", "--format", "svg", "-o", "calendar/T-001.yaml").exit_code == 2
    assert kyber("tasks", "--format", "html", "-o", "calendar/T-001.yaml").exit_code == 2
    assert kyber("tasks", "--format", "xlsx").exit_code == 2
    assert kyber("calendar", "1999").exit_code == 2


def test_what_waits_is_listed_with_what_is_late_first(here: Path) -> None:
    lines = kyber("tasks", "--json", "--on", "2026-11-10").output.splitlines()
    assert [(loads(line)["id"], loads(line)["state"]) for line in lines] == [("T-002", "late"), ("A-001", "due")]
    assert "T-002" not in kyber("tasks", "--owner", "aino", "--on", "2026-11-10").output
    page = kyber("tasks", "--format", "html", "--on", "2026-11-10").output
    assert "<td>A review</td>" in page
    assert "<script" not in page
    assert kyber("tasks", "--format", "md", "--on", "2026-11-10").output.startswith("# What waits: everybody\n")


def test_a_title_is_only_text_in_a_page_a_form_and_a_document(here: Path) -> None:
    title = "=HYPERLINK(1) <b>| \\e[31m 131052-308T"
    lay_out(here, calendar__T_002=SECOND.replace("A review", f'"{title}"'.replace("\\e", "\\x1b")))
    for form in ("html", "md", "table", "json"):
        shown = kyber("tasks", "--format", form, "--on", "2026-11-10").output
        assert "\x1b" not in shown
        assert "131052-308T" not in shown
        assert ("<b>" in shown) == (form in ("table", "json"))
    kyber("tasks", "-o", "form.xlsx", "--on", "2026-11-10")
    rows = CalamineWorkbook.from_path(here / "form.xlsx").get_sheet_by_index(0).to_python()
    assert any(str(cell).startswith("=HYPERLINK(1) <b>") for row in rows for cell in row)  # as a text


def test_a_task_is_said_to_be_done_with_evidence_and_the_next_time_is_told(here: Path) -> None:
    told = kyber("tasks", "done", "t-002", "--on", "2026-11-05", "--by", "eero", "--evidence", "Minutes 5")
    assert told.exit_code == 0
    assert "T-002 A review: done on 2026-11-05, for 2026-10-30." in told.output
    text = (here / "calendar" / "T-002.yaml").read_text(encoding="utf-8")
    assert text.endswith("done:\n  - on: 2026-11-05\n    by: eero\n    for: 2026-10-30\n    evidence: Minutes 5\n")
    again = kyber("tasks", "done", "T-002", "--on", "2026-11-05", "--for", "2026-10-30", "--by", "eero")
    assert again.exit_code == 2
    assert "already" in again.output
    assert kyber("tasks", "done", "T-002", "--for", "2026-10-29", "--by", "eero").exit_code == 2
    twice = kyber("tasks", "done", "T-002", "--on", "2026-11-05", "--by", "eero")
    assert twice.exit_code == 2
    assert "--for 2027-10-29" in twice.output  # the next time is not done by mistake
    assert kyber("tasks", "done", "T-002", "--on", "2099-01-01", "--by", "eero").exit_code == 2


def test_how_many_earlier_times_are_passed_over_is_told(here: Path) -> None:
    file = here / "calendar" / "T-002.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{month: 10}", "{every: month}").replace("starts: ", "starts: 2026-08-01 # "), "utf-8")
    told = kyber("tasks", "done", "T-002", "--on", "2026-11-05", "--by", "eero")
    assert "done on 2026-11-05, for 2026-10-30." in told.output
    assert "2 earlier times were passed over" in told.output
    assert "passed over" not in kyber("tasks", "done", "T-001", "--for", "2027-11-19", "--by", "eero").output


def test_an_action_is_done_and_of_other_records_it_is_told_how_that_is_said(here: Path) -> None:
    told = kyber("tasks", "done", "a-001", "--on", "2026-11-05", "--evidence", "A photo")
    assert "A-001 A lock: done on 2026-11-05." in told.output
    text = (here / "actions" / "A-001.yaml").read_text(encoding="utf-8")
    assert "status: done\n" in text
    assert "done_on: 2026-11-05\n" in text
    assert "A photo" in text
    assert "A-001 is done already" in kyber("tasks", "done", "A-001").stderr
    lay_out(here, continuity__exercises__E_001="id: E-001\ntitle: E\ntype: tabletop\ndate: 2026-12-01\nlead: keeper\n")
    exercise = kyber("tasks", "done", "E-001")
    assert exercise.exit_code == 2
    assert "with `kyber continuity exercise hold E-001`" in exercise.stderr
    assert "there is no task X-001" in kyber("tasks", "done", "X-001").stderr


def test_a_dry_run_shows_the_edit_and_writes_nothing(here: Path) -> None:
    before = (here / "calendar" / "T-002.yaml").read_text(encoding="utf-8")
    told = kyber("tasks", "done", "T-002", "--on", "2026-11-05", "--by", "eero", "--dry-run")
    assert "+  - on: 2026-11-05" in told.output
    assert (here / "calendar" / "T-002.yaml").read_text(encoding="utf-8") == before


def test_a_task_is_added_with_a_new_id_and_a_rule(here: Path) -> None:
    least = [
        "--ring",
        "logs",
        "--owner",
        "Keeper",
        "--output",
        "A report",
        "--basis",
        "A decision",
        "--starts",
        "2026-01-01",
    ]
    told = kyber("tasks", "add", "A test", *least, "--every", "quarter", "--duty", next(iter(DUTIES)))
    assert told.exit_code == 0, told.output
    text = (here / "calendar" / "T-003-a-test.yaml").read_text(encoding="utf-8")
    assert "rule:\n  every: quarter\n" in text
    assert "owner: keeper\n" in text
    assert kyber("tasks", "add", "Another", *least, "--rrule", "FREQ=MONTHLY;BYDAY=-1FR").exit_code == 0
    wrong = kyber("tasks", "add", "Wrong", *least, "--rrule", "FREQ=HOURLY")
    assert wrong.exit_code == 2
    assert "FREQ=DAILY" in wrong.output
    assert kyber("tasks", "add", "Wrong", *least).exit_code == 2  # no month


# --- the form ---------------------------------------------------------------------------------------------------------


def filled(here: Path, *answers: tuple[str, object, str]) -> Path:
    """The form as somebody sends it back: id, day and evidence into its last columns."""
    import xlsxwriter

    assert kyber("tasks", "-o", "form.xlsx", "--on", "2026-11-10").exit_code == 0
    rows = CalamineWorkbook.from_path(here / "form.xlsx").get_sheet_by_index(0).to_python()
    with xlsxwriter.Workbook(here / "back.xlsx") as book:
        page, day = book.add_worksheet(), book.add_format({"num_format": "yyyy-mm-dd"})
        for at, row in enumerate(rows):
            answer = next((one for one in answers if any(f"/{one[0]}/" in str(cell) for cell in row)), None)
            for column, cell in enumerate([*row[:-2], *(answer[1:] if answer else row[-2:])]):
                if isinstance(cell, date):
                    page.write_datetime(at, column, cell, day)
                else:
                    page.write_string(at, column, str(cell))
    return here / "back.xlsx"


def test_a_form_comes_back_as_edits_of_tasks_and_actions(here: Path) -> None:
    back = filled(here, ("T-002", date(2026, 11, 9), "Minutes 5"), ("A-001", "9.11.2026", ""))
    shown = kyber("tasks", "import", back, "--by", "eero", "--dry-run")
    assert "2 rows are marked done." in shown.output
    assert "done" not in (here / "calendar" / "T-002.yaml").read_text(encoding="utf-8")
    assert kyber("tasks", "import", back, "--by", "eero").exit_code == 0
    text = (here / "calendar" / "T-002.yaml").read_text(encoding="utf-8")
    assert text.endswith("done:\n  - on: 2026-11-09\n    by: eero\n    for: 2026-10-30\n    evidence: Minutes 5\n")
    assert "status: done" in (here / "actions" / "A-001.yaml").read_text(encoding="utf-8")
    again = kyber("tasks", "import", back, "--by", "eero")
    assert again.exit_code == 1
    assert "is done for 2026-10-30 already" in again.output


def test_rows_of_which_nothing_can_follow_are_told_with_their_line(here: Path) -> None:
    lay_out(here, sources__s="id: s\nname: S\nowner: chief\nreview: {interval: 12 months, last: 2025-11-20}\n")
    back = filled(here, ("T-002", "soon", ""), ("s", "2026-11-09", ""), ("A-001", "2099-01-01", ""))
    told = kyber("tasks", "import", back, "--by", "eero")
    assert told.exit_code == 1
    assert "0 rows are marked done." in told.output
    assert len(re.findall(r"back\.xlsx:\d: ", told.output)) == 3
    assert "source-review" not in told.output
    assert kyber("tasks", "import", here / "kyber.yaml", "--by", "eero").exit_code == 2


def test_a_row_with_a_personal_code_or_a_day_that_is_gone_stops_no_other(here: Path) -> None:
    lay_out(here, calendar__T_004=SECOND.replace("T-002", "T-004").replace("{month: 11, day: 20}", "{month: 11}"))
    back = filled(
        here, ("T-002", "2026-11-09", "131052-308T"), ("T-004", "2026-11-09", ""), ("A-001", "2026-11-09", "x")
    )
    lay_out(here, calendar__T_004=SECOND.replace("T-002", "T-004"))
    told = kyber("tasks", "import", back, "--by", "eero")
    assert told.exit_code == 1
    assert "1 row is marked done." in told.output
    assert "131052-308T" not in (here / "calendar" / "T-002.yaml").read_text(encoding="utf-8")
    assert "has no day 2026-11-30 any more" in told.output
    assert "evidence:\n  - x\n" in (here / "actions" / "A-001.yaml").read_text(encoding="utf-8")


def test_the_picture_in_the_documents_is_the_example(tmp_path: Path) -> None:
    kyber("init", tmp_path / "county")
    shown = kyber(
        "calendar", "2026", "--workspace", tmp_path / "county", "--on", "2026-11-23", "--format", "svg"
    ).output
    told = (Path(__file__).parents[2] / "docs" / "pictures" / "annual-clock.svg").read_text(encoding="utf-8")
    assert shown == told, "kyber init county; kyber calendar 2026 --workspace county --on 2026-11-23 -o THIS FILE"


def test_the_example_has_a_clock_with_something_done_due_late_and_coming(example: Path) -> None:
    for day in ("2026-11-04", "2026-11-23"):
        lines = kyber("calendar", "2026", "--workspace", example, "--format", "json", "--on", day).output.splitlines()
        tasks = [one for one in map(loads, lines) if one["kind"] == "task"]
        assert {one["state"] for one in tasks} == {"done", "due", "late", "coming"}
        assert [one["id"] for one in tasks if one["state"] == "late"] == ["T-014"]
        assert len({one["id"] for one in tasks}) == 21
