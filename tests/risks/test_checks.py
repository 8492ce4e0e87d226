from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from kyber.cli.check import retired_ids
from kyber.join import check_workspace
from tests.risks.county import FILES, KINDS, TODAY, accepted, changed, codes, git, lay_out, problems

TARGET = "target: {likelihood: 2, impact: {privacy: 3}}\n"


def numbers(frequency: str, loss: str) -> str:
    return f"quant: {{frequency: {frequency}, loss: {loss}}}\n"


SCORE = "  - {on: 2026-10-01, by: workshop, agreed: {likelihood: 3, impact: {privacy: 4}}}\n"
AGAIN = "".join(SCORE.replace("2026-10-01", day) for day in ("2026-10-01", "2026-10-02", "2026-10-03"))


def test_a_register_that_has_nothing_to_mend_is_left_alone(tmp_path: Path) -> None:
    assert codes(lay_out(tmp_path)) == []


def test_an_acceptance_that_holds_is_left_alone(tmp_path: Path) -> None:
    assert codes(accepted(tmp_path)) == []


def test_what_is_only_preliminary_may_lack_everything_else(tmp_path: Path) -> None:
    lay_out(
        tmp_path, {**FILES, "risks/R-002.yaml": "id: R-002\ntitle: T\nstatus: preliminary\nidentified_in: workshop\n"}
    )
    assert codes(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "kind", "old", "new"),
    [
        ("K02", "risk", "controls: [C-001]", "controls: [C-001, C-009]"),
        ("K02", "risk", "actions: [A-001]", "actions: [A-001, R-001]"),
        ("K02", "action", "status: planned", "status: planned\nafter: [A-002]"),
        ("K03", "action", "owner: keeper", "owner: olli"),
        ("K04", "people", "holders: [liisa]", "holders: []"),
        ("K05", "action", "status: planned", "status: planned\nafter: [A-001]"),
        ("K06", "risk", "identified_on: 2026-05-04", "identified_on: 2026-11-11"),
        ("K06", "risk", "assessed_on: 2026-10-01", "assessed_on: 2026-05-03"),
        ("K06", "risk", "last: 2026-10-01", "last: 2026-11-11"),
        ("K06", "control", "valid_until: 2027-09-01", "valid_until: 2026-08-31"),
        ("K06", "control", "last: 2026-09-01", "last: 2026-11-11"),
        ("K06", "action", "status: planned", "status: done\ndone_on: 2026-11-11"),
        ("K07", "risk", "impact: {privacy: 4, reputation: 3}", "impact: {privacy: 4, weather: 3}"),
        ("K07", "risk", "  likelihood: 3\n", "  likelihood: 6\n"),
        ("K07", "settings", "language: en", "language: en\nmatrix: 3x3"),
        ("K07", "risk", "category: privacy", "category: weather"),
        ("K07", "risk", "", numbers("{p5: 2, p50: 2, p95: 1}", "{p5: 1, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 0.9, p95: 2}", "{p5: 1, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 2.1, p95: 2}", "{p5: 1, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1000.1}", "{p5: 1, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 0.0000009, p50: 1, p95: 1}", "{p5: 1, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 0.001, p50: 1, p95: 11}", "{p5: 1, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1}", "{p5: 9, p95: 1}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1}", "{p5: 0.009, p95: 1}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1}", "{p5: 1e9, p95: 1.1e12}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1}", "{p5: 1, p95: 10001}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1}", "{p5: 1, mode: 0.9, p95: 9}")),
        ("K07", "risk", "", numbers("{p5: 1, p50: 1, p95: 1}", "{p5: 1, mode: 9.1, p95: 9}")),
        ("K08", "risk", "Two attempts in 2025", "The patient 131052-308T complained"),
        ("K10", "risk", "  rationale: Two attempts in 2025\n", ""),
        ("K10", "risk", "impact: {privacy: 4, reputation: 3}", "impact: {}"),
        ("K11", "risk", TARGET, "target: {likelihood: 4, impact: {privacy: 5}}\n"),
        ("K13", "action", "title: A second factor for partners", "title: A Second Factor"),
        ("K13", "risk", "controls: [C-001]", "controls: [C-001, C-001]"),
        ("K14", "control", "status: active", "status: degraded"),
        ("K15", "risk", "last: 2026-10-01, reviewer", "last: 2026-05-05, reviewer"),
        ("K16", "risk", "actions: [A-001]", "actions: []"),
        ("K16", "action", "status: planned", "status: done\ndone_on: 2026-11-01"),
        ("K17", "action", "due: 2027-03-31", "due: 2026-11-09"),
        ("K17", "action", "owner: keeper\n", ""),
        ("K18", "risk", "A stranger signs in with an account of ours", "Accounts"),
        ("K18", "risk", "A stranger signs in with an account of ours", "Passwords are used again elsewhere"),
        ("K19", "risk", "status: treating", "status: closed"),
        ("K20", "risk", SCORE, AGAIN),
        ("K21", "risk", "status: treating", "status: accepted"),
        ("K30", "control", "evidence:\n  - {kind: report, ref: IT-4, date: 2026-09-01, valid_until: 2027-09-01}\n", ""),
        ("K31", "control", "valid_until: 2027-09-01", "valid_until: 2026-11-09"),
        ("K32", "control", "last: 2026-09-01", "last: 2025-11-09"),
        ("K32", "control", "last: 2026-09-01, ", ""),
        ("K33", "risk", "controls: [C-001]", "controls: []"),
        ("K80", "risk", "category: privacy\n", ""),
        ("K80", "risk", TARGET, ""),
    ],
)  # fmt: skip
def test_one_thing_wrong_is_told_by_its_code(tmp_path: Path, code: str, kind: str, old: str, new: str) -> None:
    assert code in codes(changed(tmp_path, kind, (old, new)))


@pytest.mark.parametrize(
    ("frequency", "loss"),
    [
        ("{p5: 0.1, p50: 0.3, p95: 1}", "{p5: 1000, p95: 100000}"),
        ("{p5: 1, p50: 1, p95: 1}", "{p5: 5, p95: 5}"),
        ("{p5: 0.000001, p50: 0.000001, p95: 0.01}", "{p5: 0.01, p95: 100}"),
        ("{p5: 1000, p50: 1000, p95: 1000}", "{p5: 1e8, mode: 1e12, p95: 1e12}"),
    ],
)
def test_numbers_that_something_can_be_simulated_from_are_left_alone(tmp_path: Path, frequency: str, loss: str) -> None:
    assert codes(changed(tmp_path, "risk", ("", numbers(frequency, loss)))) == []


def test_a_number_that_cannot_be_is_told_with_its_field_and_what_is_allowed(tmp_path: Path) -> None:
    folder = changed(tmp_path, "risk", ("", numbers("{p5: 2, p50: 2, p95: 1}", "{p5: 0.5, p95: 1234567}")))
    assert [dict(one.facts) for one in problems(folder)] == [
        {"field": "quant.frequency.p95", "value": "1", "expected": "≥ p5 (2)"},
        {"field": "quant.loss.p95", "value": "1234567", "expected": "≤ 10000 × p5 (5000)"},
    ]


def test_a_residual_risk_is_lowered_by_an_active_control_and_by_nothing_else(tmp_path: Path) -> None:
    lower = ("target:", "residual: {likelihood: 2, impact: {privacy: 3}}\ntarget:")
    assert "K12" not in codes(changed(tmp_path / "active", "risk", lower))
    folder = changed(tmp_path / "planned", "risk", lower)
    control = folder / KINDS["control"]
    control.write_text(control.read_text().replace("status: active", "status: planned"))
    assert "K12" in codes(folder)


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("K24", "likelihood: 3\n", "likelihood: 4\n"),
        ("K24", "Passwords are used again elsewhere", "Passwords are weak everywhere"),
        ("K24", "controls: [C-001]", "controls: []"),
        ("K25", "approver: board", "approver: chief"),
        ("K26", "owner: keeper", "owner: board"),
        ("K26", "owner: keeper", "owner: liisa"),
        ("K06", "expires: 2027-09-30", "expires: 2027-10-16"),
        ("K06", "approved_on: 2026-10-15", "approved_on: 2026-11-11"),
        ("K22", "expires: 2027-09-30", "expires: 2026-11-09"),
        ("K23", "expires: 2027-09-30", "expires: 2027-02-08"),
    ],
)
def test_an_acceptance_binds_to_what_was_accepted_by_whom_and_until_when(
    tmp_path: Path, code: str, old: str, new: str
) -> None:
    file = accepted(tmp_path) / KINDS["risk"]
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert code in codes(tmp_path)


def test_what_takes_no_part_in_an_acceptance_may_change(tmp_path: Path) -> None:
    file = accepted(tmp_path) / KINDS["risk"]
    file.write_text(file.read_text().replace("2026-10-01, reviewer: keeper", "2026-11-10, reviewer: chief"))
    assert codes(tmp_path) == []


def test_who_may_accept_a_large_risk_may_accept_a_small_one_but_not_the_other_way_round(tmp_path: Path) -> None:
    file = accepted(tmp_path) / KINDS["risk"]
    assert "approver: board" in file.read_text()
    assert "K25" not in codes(tmp_path)
    file.write_text(file.read_text().replace("approver: board", "approver: aino"))  # who holds the role of chief
    assert "K25" in codes(tmp_path)


def test_an_acceptance_warns_ninety_days_before_its_end_and_not_sooner(tmp_path: Path) -> None:
    accepted(tmp_path)
    days = {
        day: codes(tmp_path, day) for day in (date(2027, 7, 1), date(2027, 7, 2), date(2027, 9, 30), date(2027, 10, 1))
    }
    assert [("K23" in found, "K22" in found) for found in days.values()] == [
        (False, False),
        (True, False),
        (True, False),
        (False, True),
    ]


def test_the_shorter_of_the_interval_of_a_risk_and_of_its_level_counts(tmp_path: Path) -> None:
    """Likelihood 3 and impact 4 are `major`: three months, whatever the risk says."""
    lay_out(tmp_path)
    assert "K15" not in codes(tmp_path, date(2027, 1, 1))
    assert "K15" in codes(tmp_path, date(2027, 1, 2))
    changed(tmp_path, "settings", ("language: en", "language: en\nreviews: {major: 9 months}"))
    assert "K15" not in codes(tmp_path, date(2027, 4, 1))
    assert "K15" in codes(tmp_path, date(2027, 4, 2))


def test_a_control_that_no_risk_names_is_a_note(tmp_path: Path) -> None:
    lone = FILES[KINDS["control"]].replace("C-001", "C-002").replace("A second factor", "Another")
    lay_out(tmp_path, {**FILES, "controls/C-002.yaml": lone})
    (found,) = problems(tmp_path)
    assert (found.code, found.severity.value, found.facts["id"]) == ("K33", "note", "C-002")


def test_actions_that_wait_for_each_other_are_a_circle_and_a_chain_is_none(tmp_path: Path) -> None:
    second = FILES[KINDS["action"]].replace("A-001", "A-002").replace("for partners", "for all")
    files = {**FILES, "actions/A-002.yaml": second}
    lay_out(tmp_path, {**files, KINDS["action"]: FILES[KINDS["action"]] + "after: [A-002]\n"})
    assert codes(tmp_path) == []
    lay_out(tmp_path, {**files, "actions/A-002.yaml": second + "after: [A-001]\n",
                       KINDS["action"]: FILES[KINDS["action"]] + "after: [A-002]\n"})  # fmt: skip
    assert codes(tmp_path) == ["K05", "K05"]


def test_two_files_with_one_id_are_told_of_with_both_places(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, "risks/R-001-b.yaml": FILES[KINDS["risk"]]})
    (found,) = problems(tmp_path)
    assert found.code == "K01"
    assert str(found.facts["first"]).endswith("R-001-a-stolen-account.yaml:2")
    assert (Path(found.place.file).name, found.place.line) == ("R-001-b.yaml", 2)


def test_an_id_is_not_used_again_after_its_record_was_taken_out(tmp_path: Path) -> None:
    lay_out(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    assert retired_ids(tmp_path) == frozenset()
    (tmp_path / KINDS["action"]).unlink()
    git(tmp_path, "commit", "-qam", "two")
    assert retired_ids(tmp_path) == {"A-001"}
    again = FILES[KINDS["action"]].replace("A second factor for partners", "Locks for every door")
    lay_out(tmp_path, {"actions/A-001-locks.yaml": again})
    (found,) = check_workspace(tmp_path, TODAY, retired_ids(tmp_path)).left
    assert (found.code, found.facts["id"]) == ("K01", "A-001")


WAIVER = "waivers:\n  - {code: K30, id: C-001, until: %s, why: The report is being written}\n"


def test_a_waiver_holds_until_its_day_and_is_told_of_afterwards(tmp_path: Path) -> None:
    folder = changed(tmp_path, "control", (FILES[KINDS["control"]][FILES[KINDS["control"]].index("evidence") :], ""))
    assert codes(folder) == ["K30"]
    lay_out(folder, {"waivers.yaml": WAIVER % "2026-11-10"})
    assert codes(folder) == []
    assert [one.code for one in check_workspace(folder, TODAY).waived] == ["K30"]
    assert codes(folder, date(2026, 11, 11)) == ["K30", "K87"]


@pytest.mark.parametrize(
    ("waiver", "code"),
    [
        ("{code: K30, id: C-001, until: 2027-01-01, why: W}", "K88"),
        ("{code: K08, id: C-001, until: 2027-01-01, why: W}", "K89"),
        ("{code: K22, id: R-001, until: 2027-01-01, why: W}", "K89"),
        ("{code: K30, id: C-001, until: 2027-11-11, why: W}", "K06"),
    ],
)
def test_a_waiver_for_nothing_and_one_for_what_cannot_be_waived_are_told_of(
    tmp_path: Path, waiver: str, code: str
) -> None:
    assert codes(lay_out(tmp_path, {**FILES, "waivers.yaml": f"waivers: [{waiver}]\n"})) == [code]


LEAST = "id: R-009\ntitle: T\nstatus: preliminary\nidentified_in: audit\n"
LETTERS = "abcdefghijklmnopq"
BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(LETTERS))
BAD = {
    "tabs": ("id: R-009\n\ttitle: T\n", "K91", 2),
    "a key twice": ("id: R-009\ntitle: T\nid: R-002\n", "K92", 3),
    "a wrong type": (LEAST.replace("title: T", "title: [1]"), "K81", 2),
    "an unknown key": (f"{LEAST}ownr: x\n", "K90", 5),
    "a day as a text": (f"{LEAST}identified_on: May\n", "K81", 5),
    "a bomb": (BOMB, "K95", 17),
    "a merge that stopped": ("id: R-009\n<<<<<<< HEAD\ntitle: A\n=======\ntitle: B\n>>>>>>> other\n", "K98", 2),
    "not a mapping": ("- R-001\n", "K85", 1),
}


@pytest.mark.parametrize(("text", "code", "line"), BAD.values(), ids=BAD)
def test_bad_input_is_told_of_with_its_line_and_a_cure_and_keeps_the_rest_going(
    tmp_path: Path, text: str, code: str, line: int
) -> None:
    lay_out(tmp_path, {**FILES, "risks/R-009.yaml": text})
    found = [one for one in problems(tmp_path) if one.code == code]
    assert found
    assert Path(found[0].place.file).name == "R-009.yaml"
    assert found[0].place.line == line


def test_a_day_at_the_end_of_the_calendar_is_told_of_and_breaks_nothing(tmp_path: Path) -> None:
    assert codes(changed(tmp_path, "risk", ("last: 2026-10-01, reviewer", "last: 9999-12-31, reviewer"))) == ["K06"]


def test_a_residual_risk_does_not_lower_the_authority_that_an_acceptance_needs(tmp_path: Path) -> None:
    file = accepted(tmp_path) / KINDS["risk"]
    text = file.read_text().replace("target:", "residual: {likelihood: 1, impact: {privacy: 1}}\ntarget:")
    file.write_text(text.replace("approver: board", "approver: chief"))
    assert "K25" in codes(tmp_path)


def test_a_role_that_nobody_holds_may_accept_nothing(tmp_path: Path) -> None:
    file = accepted(tmp_path) / "people.yaml"
    file.write_text(file.read_text().replace("holders: [liisa]", "holders: []"))
    assert "K25" in codes(tmp_path)


def test_a_risk_that_is_closed_lacks_nothing(tmp_path: Path) -> None:
    closed = "id: R-002\ntitle: T\nstatus: closed\nidentified_in: audit\nclosed: {on: 2026-11-01, why: Twice}\n"
    assert codes(lay_out(tmp_path, {**FILES, "risks/R-002.yaml": closed})) == []
