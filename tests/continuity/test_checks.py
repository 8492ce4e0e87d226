from datetime import date
from pathlib import Path

import pytest

from tests.continuity.county import CARRIER, FILES, KINDS, changed, codes, lay_out, problems


def test_a_register_that_has_nothing_to_mend_is_left_alone(tmp_path: Path) -> None:
    assert codes(lay_out(tmp_path)) == []


@pytest.mark.parametrize(
    ("code", "kind", "old", "new"),
    [
        ("K02", "records", "{id: network, restore_order: 1}", "{id: fog, restore_order: 1}"),
        ("K02", "plan", "services: [records, network", "services: [records, fog, network"),
        ("K02", "exercise", "plans: [P-001]", "plans: [P-001, P-009]"),
        ("K02", "exercise", "action: A-001", "action: A-009"),
        ("K02", "exercise", "lead: keeper", "lead: nobody"),
        ("K03", "records", "tech_owner: keeper", "tech_owner: olli"),
        ("K05", "power", "", "depends_on: [{id: network}]\n"),
        ("K06", "records", "bia: {last: 2026-05-04", "bia: {last: 2026-11-11"),
        ("K06", "records", "last_restore_test: 2026-09-01", "last_restore_test: 2026-11-11"),
        ("K06", "plan", "approved: {by: chief, on: 2026-03-02}", "approved: {by: chief, on: 2026-11-11}"),
        ("K06", "plan", "last: 2026-03-02", "last: 2026-11-11"),
        ("K06", "plan", "checked_on: 2026-03-02", "checked_on: 2026-11-11"),
        ("K06", "exercise", "date: 2026-09-01", "date: 2026-11-11"),
        ("K06", "exercise", "service_up: 2026-09-01T13", "service_up: 2026-09-01T07"),
        ("K07", "records", "dimension: operations", "dimension: weather"),
        ("K07", "records", "dimension: safety, level: 5", "dimension: safety, level: 6"),
        ("K07", "records", "criticality: 1", "criticality: 5"),
        ("K07", "plan", "type: recovery", "type: hope"),
        ("K40", "records", "rto: 6 h", "rto: 5 h"),
        ("K40", "records", "work_recovery_time: 1 h", "work_recovery_time: 3 h"),
        ("K41", "records", "mtpd: 12 h", "mtpd: 5 h"),
        ("K42", "messages", "interval: 2 h", "interval: 5 h"),
        ("K42", "records", "rpo: 4 h", "rpo: 90 min"),
        ("K43", "records", "rto_contract: 4 h", "rto_contract: 7 h"),
        ("K44", "exercise", "service_up: 2026-09-01T13:00", "service_up: 2026-09-01T14:01"),
        ("K44", "exercise", "data_point: 2026-09-01T07:30", "data_point: 2026-09-01T03:59"),
        ("K44", "power", "capability: {rto: 30 min", "capability: {rto: 31 min"),
        ("K45", "network", "basis: contract", "basis: estimate"),
        ("K45", "power", "capability: {rto: 30 min, basis: measured}\n", ""),
        ("K46", "plan", "messages, power]", "messages]"),
        ("K47", "exercise", "date: 2026-09-01", "date: 2025-11-09"),
        ("K47", "exercise", "plans: [P-001]\nservices: [records]\n", "services: [carrier-a]\n"),
        ("K48", "plan", "approved: {by: chief, on: 2026-03-02}\n", ""),
        ("K48", "plan", "last: 2026-03-02", "last: 2025-11-09"),
        ("K48", "plan", "offline_copy: {where: The red folder, checked_on: 2026-03-02}\n", ""),
        ("K48", "plan", "checked_on: 2026-03-02", "checked_on: 2025-11-09"),
        ("K49", "records", "max_duration: 1 d", "max_duration: 5 h"),
        ("K51", "records", "bia: {last: 2026-05-04", "bia: {last: 2025-11-09"),
        ("K52", "records", "{after: 1 d, dimension: safety, level: 5}", "{after: 1 d, dimension: safety, level: 3}"),
        ("K53", "exercise", "result: passed", "result: failed"),
        ("K54", "network", "criticality: 1", "criticality: 2"),
        ("K80", "records", "mtpd: 12 h\n", ""),
        ("K80", "records", "rpo: 4 h\n", ""),
        ("K90", "records", "mtpd: 12 h\n", "mtpd: 12 h\nmtdp: 12 h\n"),
    ],
)  # fmt: skip
def test_one_thing_wrong_is_told_by_its_code(tmp_path: Path, code: str, kind: str, old: str, new: str) -> None:
    if code == "K53":
        changed(tmp_path, kind, (old, new), (", action: A-001", ""))
    else:
        changed(tmp_path, kind, (old, new))
    found = [one for one in problems(tmp_path) if one.code == code]
    assert found
    assert {Path(one.place.file).relative_to(tmp_path).as_posix() for one in found} & {*KINDS.values()}
    assert all(one.place.line for one in found)


def test_one_alternative_that_is_fast_enough_is_enough(tmp_path: Path) -> None:
    lay_out(tmp_path)
    assert "K43" not in codes(tmp_path)
    changed(tmp_path, "records", ("rto_contract: 4 h", "rto_contract: 7 h"), ("rto_contract: 8 h", "rto_contract: 5 h"))
    assert "K43" not in codes(tmp_path)


def test_what_critical_services_rest_on_unnamed_is_told_unless_somebody_looks_after_it(
    tmp_path: Path,
) -> None:
    box = CARRIER.format(name="a").replace("carrier-a", "box").replace("Carrier a", "A box in a cellar")
    lay_out(tmp_path, {**FILES, "continuity/services/box.yaml": box})
    network = tmp_path / KINDS["network"]
    network.write_text(network.read_text().replace("[{id: power, kind: premises}]", "[{id: power}, {id: box}]"))
    found = [one for one in problems(tmp_path) if one.code == "K50"]
    assert [(Path(one.place.file).name, one.facts["services"]) for one in found] == [("box.yaml", ("records",))]
    (tmp_path / "continuity/services/box.yaml").write_text(box + "manual_fallback: {how: By hand, max_duration: 9 h}\n")
    assert "K50" not in codes(tmp_path)


def test_a_service_that_was_never_analysed_may_lack_everything_else(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, "continuity/services/new.yaml": "id: new\nname: New\n"})
    assert codes(tmp_path) == []


@pytest.mark.parametrize(
    ("last", "today", "is_told"),
    [
        ("2025-11-10", date(2026, 11, 10), False),
        ("2025-11-10", date(2026, 11, 11), True),
        ("2024-02-29", date(2025, 2, 28), False),
        ("2024-02-29", date(2025, 3, 1), True),
        ("2025-12-31", date(2026, 12, 31), False),
        ("2025-12-31", date(2027, 1, 1), True),
    ],
)
def test_an_analysis_is_too_old_the_day_after_a_year(tmp_path: Path, last: str, today: date, is_told: bool) -> None:
    changed(tmp_path, "records", ("last: 2026-05-04", f"last: {last}"))
    found = [one for one in problems(tmp_path, today) if one.code == "K51" and "records" in one.place.file]
    assert bool(found) == is_told


def test_an_exercise_of_a_service_counts_for_its_plans(tmp_path: Path) -> None:
    changed(tmp_path, "exercise", ("plans: [P-001]\n", ""))
    assert "K47" not in codes(tmp_path)


def test_a_planned_exercise_is_no_exercise(tmp_path: Path) -> None:
    changed(tmp_path, "exercise", ("result: passed\n", ""), ("date: 2026-09-01", "date: 2026-12-01"))
    assert "K47" in codes(tmp_path)


def test_files_that_cannot_be_read_leave_the_others_checked(tmp_path: Path) -> None:
    bad = {"tabs": "id: tabs\n\tname: x\n", "twice": "id: twice\nid: two\nname: x\n", "bomb": "a: &a [x,x]\nb: [*a,*a"}
    lay_out(tmp_path, {**FILES, **{f"continuity/services/{name}.yaml": text for name, text in bad.items()}})
    changed_file = tmp_path / KINDS["records"]
    changed_file.write_text(changed_file.read_text().replace("mtpd: 12 h", "mtpd: 5 h"))
    found = problems(tmp_path)
    assert {Path(one.place.file).stem for one in found} >= {*bad, "records"}
    assert "K41" in {one.code for one in found}
