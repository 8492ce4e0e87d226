"""`kyber continuity`: what a small register shows, and what each command writes into it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kyber.cli import app
from kyber.continuity.exercise import Exercise
from kyber.continuity.plan import Plan
from kyber.continuity.service import Service
from kyber.register import R, read
from tests.cli.run import kyber
from tests.continuity.county import FILES, KINDS, changed, lay_out


@pytest.fixture
def county(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(lay_out(tmp_path))
    return tmp_path


def record(file: Path, model: type[R]) -> R:
    made, problems = read(file.read_bytes(), str(file), model)
    assert made is not None, problems
    return made


def fine(*arguments: object) -> str:
    done = kyber("continuity", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


# --- looked at -------------------------------------------------------------------------------------------------------


def test_services_are_listed_by_criticality_and_a_time_that_does_not_hold_is_marked(tmp_path: Path) -> None:
    changed(tmp_path, "records", ("rto: 6 h", "rto: 5 h"))
    shown = fine("list", "--workspace", tmp_path)
    assert shown.index("records") < shown.index("carrier-a")
    assert "5 h 30 min !" in shown
    assert "1 cannot be back in time (!)" in shown


@pytest.mark.parametrize("kind", ["services", "plans", "exercises"])
def test_a_list_is_the_same_in_every_form(county: Path, kind: str) -> None:
    records = [json.loads(line) for line in fine("list", kind, "--json").splitlines()]
    csv = fine("list", kind, "--format", "csv").splitlines()[1:]
    markdown = fine("list", kind, "-o", county / "list.md") or (county / "list.md").read_text().splitlines()[2:]
    assert [line.split(",")[0] for line in csv] == [one["id"] for one in records]
    assert [line.split("|")[1].strip() for line in markdown] == [one["id"] for one in records]
    fine("list", kind, "-o", county / "list.xlsx")
    assert (county / "list.xlsx").read_bytes().startswith(b"PK")


def test_a_record_for_programs_has_what_follows_from_the_others(county: Path) -> None:
    one = json.loads(fine("show", "records", "--json"))
    assert one["rto"] == "6 h"
    assert one["computed"] == {
        "achievable_rto": 19_800,
        "is_guess": False,
        "gap": 0,
        "critical_path": ["power", "network", "messages", "records"],
        "achievable_rpo": 7_200,
        "plans": ["P-001"],
        "last_exercise": "E-001",
        "measured_by": "E-001",
        "stops": 0,
    }
    assert json.loads(fine("show", "E-001", "--json"))["computed"] == {"rto": 18_000, "rpo": 1_800}


@pytest.mark.parametrize(
    ("id_", "told"),
    [
        ("RECORDS", ["Patient records", "By phone, within 30 min", "Paper (at most 24 h)", "network: Network", "5 h"]),
        ("p-001", ["Records are back", "1. Keeper: Restore the network ≤ 1 h", "Carrier, 112", "The red folder"]),
        ("E-001", ["A restore", "measured RTO:", "5 h", "30 min", "The manual lacked a page → A-001"]),
    ],
)
def test_one_record_is_shown_whole_whatever_it_is(county: Path, id_: str, told: list[str]) -> None:
    shown = fine("show", id_)
    assert [text for text in told if text not in shown] == []


def test_an_unknown_id_is_told_with_the_nearest_known(county: Path) -> None:
    done = kyber("continuity", "show", "record")
    assert done.exit_code == 2
    assert "there is records" in done.output


def test_status_counts_the_steps_and_says_what_each_service_lacks(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, "continuity/services/new.yaml": "id: new\nname: New\n"})
    shown = fine("status", "--workspace", tmp_path)
    assert "6/7" in shown
    lines = fine("status", "--json", "--workspace", tmp_path).splitlines()
    waiting = {one["id"]: one["lacks"] for one in map(json.loads, lines)}
    assert waiting["new"] == ["bia"]
    assert waiting["network"] == ["measured"]
    assert waiting["records"] == []


def test_an_empty_register_says_how_to_begin(tmp_path: Path) -> None:
    lay_out(tmp_path, {name: FILES[name] for name in ("kyber.yaml", "people.yaml")})
    for arguments in (("list",), ("list", "plans"), ("list", "exercises"), ("status",)):
        assert "kyber continuity" in fine(*arguments, "--workspace", tmp_path)


def test_hostile_texts_neither_steer_the_terminal_nor_show_a_personal_identity_code(tmp_path: Path) -> None:
    changed(tmp_path, "records", ("name: Patient records", 'name: "A\\e[31m\\u202e name of 131052-308T"'))
    for arguments in (("list",), ("show", "records"), ("list", "--json"), ("show", "records", "--json")):
        shown = kyber("continuity", *arguments, "--workspace", tmp_path).stdout
        assert not {"\x1b", "\u202e"} & set(shown)
        assert "131052-308T" not in shown


# --- written ---------------------------------------------------------------------------------------------------------


def test_a_service_is_added_with_an_id_from_its_name_and_needs_that_are_there(county: Path) -> None:
    fine("add", "Röntgen ja kuvat", "--owner", "Chief", "--depends-on", "NETWORK")
    made = record(county / "continuity/services/rontgen-ja-kuvat.yaml", Service)
    assert (made.name, made.owner, [need.id for need in made.depends_on]) == ("Röntgen ja kuvat", "chief", ["network"])
    assert kyber("continuity", "add", "Röntgen ja kuvat").exit_code == 2
    assert "did you mean network" in kyber("continuity", "add", "X", "--depends-on", "netwrk").output


def test_an_impact_analysis_by_options_changes_only_what_is_named(county: Path) -> None:
    before = (county / KINDS["records"]).read_text()
    fine("bia", "records", "--rto", "5 h", "--by", "chief", "--on", "2026-11-01")
    after = (county / KINDS["records"]).read_text()
    gone = set(before.splitlines()) - set(after.splitlines())
    assert gone == {"rto: 6 h", "bia: {last: 2026-05-04, by: workshop}"}
    made = record(county / KINDS["records"], Service)
    assert (str(made.rto), made.bia and made.bia.by) == ("5 h", "chief")


def test_a_guided_analysis_asks_again_for_what_cannot_be_used_and_suggests_the_rest(county: Path) -> None:
    (county / "continuity/services/new.yaml").write_text("# Kept.\nid: new\nname: New\n")
    answers = [
        *("chief", ""),  # owner, and who keeps it running: the same
        *("", "weather=3", "safety=3 operations=2", "safety=4", "", ""),  # after 1 h, 4 h (again), 1 d, 3 d, 7 d
        *("", "2 d", "4 h"),  # MTPD as suggested, an RTO that is too long, and one that is not
        *("-", "", ""),  # no data; criticality and safety as suggested
        *("network, fog", "network, messages"),
        *("By hand", "2 d"),
    ]
    done = CliRunner().invoke(app, ["continuity", "bia", "new", "--by", "chief"], input="\n".join(answers) + "\n")
    assert done.exit_code == 0, done.output
    made = record(county / "continuity/services/new.yaml", Service)
    assert (county / "continuity/services/new.yaml").read_text().startswith("# Kept.\n")
    assert [(str(point.after), point.dimension, point.level) for point in made.impact_curve or ()] == [
        ("4 h", "safety", 3), ("4 h", "operations", 2), ("1 d", "safety", 4),
    ]  # fmt: skip
    assert (str(made.mtpd), str(made.rto), made.holds_data, made.criticality) == ("1 d", "4 h", False, 2)
    assert made.patient_safety is True
    assert [(need.id, need.restore_order) for need in made.depends_on] == [("network", 1), ("messages", 2)]
    assert made.bia is not None


def test_a_plan_is_drafted_from_what_the_register_knows(county: Path) -> None:
    fine("plan", "add", "records")
    (file,) = (county / "continuity/plans").glob("P-002-*.yaml")
    made = record(file, Plan)
    assert [(step.who, step.does) for step in made.steps][:2] == [
        ("chief", "Take the manual fallback into use"), ("chief", "Tell: The wards"),
    ]  # fmt: skip
    assert [step.does for step in made.steps if step.does.startswith("Restore")][-1] == "Restore: Patient records"
    assert made.approved is None


def test_a_plan_is_approved_reviewed_and_its_copy_checked_each_by_one_edit(county: Path) -> None:
    fine("plan", "approve", "P-001", "--by", "chief", "--on", "2026-11-02", "--version", "1.1")
    fine("plan", "review", "P-001", "--by", "keeper", "--on", "2026-11-03")
    fine("plan", "copy", "P-001", "--on", "2026-11-04")
    text = (county / KINDS["plan"]).read_text()
    made = record(county / KINDS["plan"], Plan)
    assert made.version == "1.1"
    assert made.approved is not None
    assert made.approved.on.isoformat() == "2026-11-02"
    assert made.review.last is not None
    assert made.review.last.isoformat() == "2026-11-03"
    assert made.offline_copy is not None
    assert (made.offline_copy.where, str(made.offline_copy.checked_on)) == ("The red folder", "2026-11-04")
    assert 'version: "1.1"' in text  # as it was quoted


def test_an_exercise_is_planned_held_and_its_findings_become_actions(county: Path) -> None:
    fine("exercise", "plan", "A dark night", "--on", "2026-12-01", "--lead", "keeper", "--plan", "P-001",
         "--service", "records", "--objective", "Light by morning")  # fmt: skip
    shown = fine("exercise", "hold", "E-002", "--result", "partial", "--on", "2026-11-10",
                 "--started", "08:00", "--service-up", "15:30", "--data-point", "2026-11-10T07:00:00+02:00",
                 "--finding", "The lamp was found", "--action", "No batteries => Buy batteries")  # fmt: skip
    (file,) = (county / "continuity/exercises").glob("E-002-*.yaml")
    made = record(file, Exercise)
    assert made.measured is not None
    assert (made.measured.rto, made.measured.rpo) != (None, None)
    assert "records: measured RTO 7 h 30 min, objective 6 h: not reached" in shown
    assert "records: measured RPO 1 h, objective 4 h: held" in shown
    assert [(one.what, one.action) for one in made.findings] == [
        ("The lamp was found", None), ("No batteries", "A-002"),
    ]  # fmt: skip
    (action,) = (county / "actions").glob("A-002-*.yaml")
    assert "title: Buy batteries" in action.read_text()


def test_an_exercise_is_measured_from_the_logs(county: Path) -> None:
    (county / "sources").mkdir()
    (county / "logs").mkdir()
    (county / "sources/beat.yaml").write_text("id: beat\nname: Beat\nread: {paths: [logs/*.jsonl], format: json}\n")
    times = [*(f"2026-11-10T0{hour}:30:00Z" for hour in range(4, 7)), "2026-11-10T10:15:00Z", "2026-11-10T10:20:00Z"]
    lines = [json.dumps({"@timestamp": time, "state": "ok"}) for time in times]
    lines.insert(3, json.dumps({"@timestamp": "2026-11-10T08:00:00Z", "state": "down"}))
    (county / "logs/beat.jsonl").write_text("\n".join(lines) + "\n")
    assert kyber("logs", "collect").exit_code == 0
    fine("exercise", "plan", "A restore", "--type", "restore", "--on", "2026-11-10", "--lead", "keeper",
         "--service", "records")  # fmt: skip
    shown = fine("exercise", "hold", "E-002", "--result", "passed", "--from-logs", "state:ok")
    assert "records: measured RTO 3 h 45 min, objective 6 h: held" in shown
    (file,) = (county / "continuity/exercises").glob("E-002-*.yaml")
    made = record(file, Exercise)
    assert made.measured is not None
    assert (made.measured.started.isoformat(), made.measured.source) == (
        "2026-11-10T08:30:00+02:00", "kyber search: state:ok",
    )  # fmt: skip
    done = kyber("continuity", "exercise", "hold", "E-002", "--result", "passed", "--from-logs", "state:gone")
    assert done.exit_code == 3


def test_what_falls_due_stands_below_the_exercises(county: Path) -> None:
    assert "2027-09-01" in fine("exercise", "list")


@pytest.mark.parametrize(
    "arguments",
    [
        ("bia", "records", "--rto", "5 h", "--by", "chief"),
        ("plan", "approve", "P-001", "--by", "chief"),
        ("plan", "add", "records"),
        ("exercise", "hold", "E-001", "--result", "passed", "--action", "x => y"),
        ("add", "Something new"),
    ],
)
def test_a_dry_run_shows_the_change_and_writes_nothing(county: Path, arguments: tuple[str, ...]) -> None:
    before = {file: file.read_bytes() for file in county.rglob("*.yaml")}
    assert "+" in fine(*arguments, "--dry-run")
    assert {file: file.read_bytes() for file in county.rglob("*.yaml")} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("exercise", "hold", "E-001", "--result", "passed", "--service-up", "12:00"), "--started"),
        (("exercise", "hold", "E-001", "--result", "passed", "--started", "noon"), "--started noon"),
        (("exercise", "plan", "T", "--on", "2027-01-01", "--lead", "keeper"), "--plan or --service"),
        (("bia", "records", "--rto", "soon", "--by", "chief"), "--rto soon"),
        (("bia", "records", "--impact", "4 h weather=1", "--by", "chief"), "no dimension weather"),
        (("plan", "approve", "P-001", "--by", "nobody"), "nobody"),
        (("plan", "review", "P-001", "--by", "chief", "--on", "2999-01-01"), "yet to come"),
        (("list", "plans", "--critical"), "--critical goes with services"),
        (("list", "--format", "xlsx"), "needs a file"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_write(county: Path, arguments: tuple[str, ...], told: str) -> None:
    done = kyber("continuity", *arguments)
    assert done.exit_code == 2, done.output
    assert told in done.output


# --- what people met ------------------------------------------------------------------------------------------------


def test_a_drafted_plan_restores_all_that_is_needed_and_each_after_what_it_needs(county: Path) -> None:
    fine("plan", "add", "records")
    (file,) = (county / "continuity/plans").glob("P-002-*.yaml")
    steps = [step.does for step in record(file, Plan).steps]
    restored = [text.removeprefix("Restore: ") for text in steps if text.startswith("Restore: ")]
    assert restored.index("Power") < restored.index("Network") < restored.index("Patient records")
    assert {"Messages between systems", "Carrier a", "Carrier b"} < set(restored)


def test_a_plan_that_was_changed_after_its_approval_is_told(county: Path) -> None:
    fine("plan", "approve", "P-001", "--by", "chief", "--on", "2026-11-02")
    file = county / KINDS["plan"]
    assert "changed after it was approved" not in kyber("check").stdout
    file.write_text(file.read_text().replace("Restore the records", "Restore what there is"))
    assert "changed after it was approved" in kyber("check").stdout


def test_who_acts_is_known_before_anything_is_asked(county: Path) -> None:
    done = CliRunner().invoke(app, ["continuity", "bia", "records", "--by", "nobody"], input="")
    assert done.exit_code == 2
    assert "Owner" not in done.output


def test_a_point_of_the_curve_leaves_those_of_other_times(county: Path) -> None:
    fine("bia", "records", "--impact", "1 d safety=4 operations=5", "--by", "chief")
    made = record(county / KINDS["records"], Service)
    assert [(str(point.after), point.dimension, point.level) for point in made.impact_curve or ()] == [
        ("1 h", "safety", 3), ("4 h", "safety", 4), ("4 h", "operations", 4), ("1 d", "safety", 4),
        ("1 d", "operations", 5),
    ]  # fmt: skip


def test_times_are_read_as_people_here_write_them(county: Path) -> None:
    fine("bia", "records", "--mtpd", "2 vrk", "--by", "chief")
    assert str(record(county / KINDS["records"], Service).mtpd) == "2 d"


def test_what_is_not_known_makes_a_time_a_lower_bound_wherever_it_is_shown(county: Path) -> None:
    file = county / KINDS["network"]
    file.write_text(file.read_text().replace("{id: power, kind: premises}", "{id: power}, {id: fog}"))
    assert "≥ 5 h 30 min" in fine("list")
    assert "≥ 5 h 30 min" in fine("show", "records")
    assert "too short" in fine("simulate", "--runs", "100")


def test_a_deep_chain_of_needs_is_shown_to_some_depth(tmp_path: Path) -> None:
    chain = {
        f"continuity/services/s{number}.yaml": f"id: s{number}\nname: S\ncapability: {{rto: 1 min}}\n"
        f"depends_on: [{{id: s{number + 1}}}]\n"
        for number in range(1200)
    }
    lay_out(tmp_path, {"kyber.yaml": FILES["kyber.yaml"], "people.yaml": FILES["people.yaml"], **chain})
    assert "…" in fine("recovery", "s0", "--workspace", tmp_path)


def test_ids_are_given_once_however_many_ask_at_the_same_time(county: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from kyber.amend import AmendError, apply
    from kyber.continuity.edits import add_exercise

    fields = {"type": "tabletop", "date": "2026-12-01", "lead": "keeper"}
    edits = [add_exercise(county, frozenset(), {"title": f"Exercise {n}", **fields})[1] for n in range(2, 8)]

    def write(edit: object) -> bool:
        try:
            apply([edit])  # type: ignore[list-item]
        except AmendError:
            return False
        return True

    (county / KINDS["exercise"]).unlink()
    with ThreadPoolExecutor() as pool:
        assert sum(pool.map(write, edits)) == 1
    assert len(list((county / "continuity/exercises").glob("E-001-*"))) == 1
