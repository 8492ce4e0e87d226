"""K60 to K63, K06 and K07 of the annual clock, each with what makes it appear and what keeps it quiet."""

from datetime import date
from pathlib import Path

import pytest

from kyber.calendar.checks import MOST
from kyber.calendar.duties import DUTIES
from kyber.join import check_workspace, dues, read_workspace
from kyber.problem import Severity
from kyber.text import LANGUAGES, words_for

TODAY = date(2026, 11, 10)
PEOPLE = """\
roles:
  - {id: chief, title: Chief, holders: [aino], deputies: [eero]}
  - {id: keeper, title: Keeper, holders: [eero]}
people:
  - {id: aino, name: Aino}
  - {id: eero, name: Eero}
"""
TASK = """\
id: T-001
title: All of it
ring: management
owner: chief
rule: {month: 11, day: 20}
starts: 2026-01-01
lead_time: 4 w
output: Minutes
basis: [A decision]
"""
LEGAL = f"duties: [{', '.join(DUTIES)}]\n"


def lay_out(folder: Path, **files: str) -> Path:
    """A workspace with one task that is there for every duty; a name like `calendar__T_002` is a path."""
    found = {"kyber": "organisation: County\nlanguage: en\n", "people": PEOPLE, "calendar/T-001": TASK + LEGAL}
    found |= {name.replace("__", "/").replace("_", "-"): text for name, text in files.items()}
    for name, text in found.items():
        if text:
            file = folder / f"{name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return folder


def codes(folder: Path, today: date = TODAY) -> list[str]:
    found = check_workspace(folder, today).left
    for problem in found:
        for language in LANGUAGES:
            assert all(words_for(language).problem(problem))
    return [problem.code for problem in found]


def test_a_clock_that_has_nothing_to_mend_is_left_alone(tmp_path: Path) -> None:
    assert codes(lay_out(tmp_path)) == []


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("K60", "day: 20", "day: 9"),
        ("K61", "owner: chief\n", ""),
        ("K61", "owner: chief", "owner: keeper"),
        ("K61", "owner: chief", "owner: keeper\ndeputy: eero"),  # who holds the role
        ("K62", "log-use, ", ""),
        ("K02", "owner: chief", "owner: nobody"),
        ("K02", "basis:", "targets: {plans: [none]}\nbasis:"),
        ("K06", "basis:", "until: 2025-12-31\nbasis:"),
        ("K06", "basis:", "done: [{on: 2026-11-11, for: 2026-11-20}]\nbasis:"),
        ("K07", "basis:", "done: [{on: 2026-11-09, for: 2026-11-21}]\nbasis:"),
        ("K07", "duties: [", "duties: [something, "),
        ("K07", "ring: management", "ring: sports"),
        ("K80", "output: Minutes\n", ""),
        ("K80", "rule: {month: 11, day: 20}\n", ""),
        ("K81", "basis: [A decision]", "basis: []"),
        ("K81", "rule: {month: 11, day: 20}", "rule: yearly"),
        ("K90", "rule: {month: 11, day: 20}", "rule: {month: 11, dya: 20}"),
    ],
)
def test_each_mistake_has_its_code(tmp_path: Path, code: str, old: str, new: str) -> None:
    assert old in TASK + LEGAL
    assert code in codes(lay_out(tmp_path, calendar__T_001=(TASK + LEGAL).replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("day: 20", "day: 10"),  # today
        ("day: 20", "day: 9\n  # late, and done"),
        ("basis:", "done: [{on: 2026-11-09}]\nbasis:"),
        ("owner: chief", "owner: keeper\ndeputy: aino"),
        ("owner: chief", "owner: keeper\ndeputy: chief"),
    ],
)
def test_what_is_in_order_is_left_alone(tmp_path: Path, old: str, new: str) -> None:
    text = (TASK + LEGAL).replace(old, new)
    if "late, and done" in new:
        text = (TASK + LEGAL).replace("day: 20", "day: 9") + "done: [{on: 2026-11-09, for: 2026-11-09}]\n"
    assert codes(lay_out(tmp_path, calendar__T_001=text)) == []


def test_a_task_that_comes_every_month_needs_a_deputy_and_a_yearly_one_does_not(tmp_path: Path) -> None:
    other = TASK.replace("T-001", "T-002").replace("owner: chief", "owner: keeper")
    lay_out(tmp_path, calendar__T_002=other)
    assert codes(tmp_path) == []
    lay_out(tmp_path, calendar__T_002=other.replace("{month: 11, day: 20}", "{every: month}\nuntil: 2026-11-10"))
    assert codes(tmp_path) == ["K61", "K60"]  # once, for ten months
    assert check_workspace(tmp_path, TODAY).left[1].facts["due"][0] == date(2026, 1, 30)


def test_a_rule_that_would_pass_months_over_is_an_error(tmp_path: Path) -> None:
    text = (TASK + LEGAL).replace("{month: 11, day: 20}", "FREQ=MONTHLY").replace("2026-01-01", "2026-10-31")
    assert codes(lay_out(tmp_path, calendar__T_001=text)) == ["K60", "K07"]


def test_a_rule_whose_phase_is_never_met_is_an_error(tmp_path: Path) -> None:
    text = (TASK + LEGAL).replace("{month: 11, day: 20}", "FREQ=DAILY;INTERVAL=7;BYDAY=MO")  # from a Thursday
    assert codes(lay_out(tmp_path, calendar__T_001=text)) == ["K81"]


def test_each_duty_without_a_task_is_said_and_a_workspace_without_tasks_hears_it_once(tmp_path: Path) -> None:
    assert codes(lay_out(tmp_path, calendar__T_001=TASK)) == ["K62"] * len(DUTIES)
    found = check_workspace(tmp_path, TODAY).left
    assert [problem.severity for problem in found].count(Severity.NOTE) == 1  # what is only known to exist
    (tmp_path / "calendar" / "T-001.yaml").unlink()
    assert codes(tmp_path) == []  # there is nothing to keep up
    lay_out(tmp_path, calendar__T_001="", continuity__services__s="id: s\nname: S\n")
    (tmp_path / "calendar" / "T-001.yaml").unlink(missing_ok=True)
    assert codes(tmp_path).count("K62") == 1


def test_what_another_check_says_is_not_said_again_by_the_clock(tmp_path: Path) -> None:
    action = "id: A-001\ntitle: T\nstatus: planned\nowner: chief\ndue: 2026-11-01\n"
    assert codes(lay_out(tmp_path, actions__A_001=action)) == ["K17"]
    source = "id: s\nname: S\nstatus: planned\npurpose: P\nowner: chief\nretention: 1 y\nstored_in: X\n"
    late = source + "review: {interval: 1 y, last: 2025-11-01}\n"
    (tmp_path / "actions" / "A-001.yaml").unlink()
    assert codes(lay_out(tmp_path, sources__s=late)) == ["K60"]


def test_a_month_with_more_than_an_owner_can_see_to_is_spoken_of(tmp_path: Path) -> None:
    for number in range(2, MOST + 2):
        assert "K63" not in codes(tmp_path) if number > 2 else True
        lay_out(tmp_path, **{f"calendar__T_{number:03}": TASK.replace("T-001", f"T-{number:03}")})
    assert codes(tmp_path) == ["K63"]


def test_a_waiver_bears_a_missed_task_until_its_day(tmp_path: Path) -> None:
    waiver = "waivers: [{code: K60, id: T-001, until: 2026-12-01, why: Moved}]\n"
    lay_out(tmp_path, calendar__T_001=(TASK + LEGAL).replace("day: 20", "day: 9"), waivers=waiver)
    assert codes(tmp_path) == []


# --- what every domain yields -----------------------------------------------------------------------------------------

RECORDS = {
    "risks__R_001": "id: R-001\ntitle: R\nstatus: open\nidentified_in: workshop\nidentified_on: 2026-05-04\n"
    "owner: chief\nreview: {interval: 6 months, last: 2026-09-01, reviewer: keeper}\n",
    "controls__C_001": "id: C-001\ntitle: C\nowner: keeper\ntype: preventive\nstatus: active\n"
    "test: {interval: 12 months, last: 2026-02-01}\n",
    "actions__A_001": "id: A-001\ntitle: A\nstatus: done\nowner: chief\ndue: 2026-08-01\ndone_on: 2026-07-30\n",
    "actions__A_002": "id: A-002\ntitle: A\nstatus: proposed\ndue: 2026-12-01\n",
    "sources__s": "id: s\nname: S\nowner: chief\nreview: {interval: 12 months, last: 2026-03-01}\n",
    "continuity__services__e": "id: e\nname: E\ntech_owner: keeper\nbia: {last: 2026-04-01, by: W}\n"
    "backup: {interval: 1 d, last_restore_test: 2026-05-01}\n",
    "continuity__plans__P_001": "id: P-001\ntitle: P\ntype: recovery\nowner: chief\nversion: '1'\n"
    "approved: {by: chief, on: 2026-01-15}\nreview: {interval: 12 months}\nactivation: [A]\nsteps: []\n"
    "offline_copy: {where: Safe, checked_on: 2026-02-15}\n",
    "continuity__exercises__E_001": "id: E-001\ntitle: E\ntype: tabletop\nplans: [P-001]\ndate: 2026-06-01\n"
    "lead: chief\ninterval: 6 months\nresult: passed\n",
    "incidents__I_001": "id: I-001\ntitle: I\nnoticed: 2026-11-09T23:30:00Z\nowner: keeper\npersonal_data: true\n",
    "rules__mine": "title: Quiet\nid: 2f7c9d3a-1111-4222-8333-123456789abc\nlogsource: {product: windows}\n"
    "filter: {rules: any, selection: {User: x}, condition: selection}\n"
    "kyber: {owner: keeper, expires: 2026-12-24}\n",
}


def test_every_domain_says_what_falls_due_and_what_was_done(tmp_path: Path) -> None:
    snapshot, _ = read_workspace(lay_out(tmp_path, **RECORDS), TODAY)
    found = {
        (one.kind, one.id if one.kind != "filter-end" else "mine", str(one.due), one.owner, str(one.state(TODAY)))
        for one in dues(snapshot, date(2027, 12, 31))
    }
    assert found == {
        ("task", "T-001", "2026-11-20", "chief", "due"),
        ("task", "T-001", "2027-11-19", "chief", "coming"),
        ("risk-review", "R-001", "2026-09-01", "keeper", "done"),
        ("risk-review", "R-001", "2027-03-01", "keeper", "coming"),
        ("control-test", "C-001", "2026-02-01", "keeper", "done"),
        ("control-test", "C-001", "2027-02-01", "keeper", "coming"),
        ("action", "A-001", "2026-08-01", "chief", "done"),
        ("source-review", "s", "2026-03-01", "chief", "done"),
        ("source-review", "s", "2027-03-01", "chief", "coming"),
        ("impact-analysis", "e", "2026-04-01", None, "done"),
        ("impact-analysis", "e", "2027-04-01", None, "coming"),
        ("restore-test", "e", "2026-05-01", "keeper", "done"),
        ("restore-test", "e", "2027-05-01", "keeper", "coming"),
        ("plan-review", "P-001", "2026-01-15", "chief", "done"),
        ("plan-review", "P-001", "2027-01-15", "chief", "coming"),
        ("offline-copy", "P-001", "2026-02-15", "chief", "done"),
        ("offline-copy", "P-001", "2027-02-15", "chief", "coming"),
        ("exercise-held", "E-001", "2026-06-01", "chief", "done"),
        ("exercise", "P-001", "2026-12-01", "chief", "due"),
        ("incident-cybersecurity-act-first", "I-001", "2026-11-11", "keeper", "due"),
        ("incident-cybersecurity-act-follow-up", "I-001", "2026-11-13", "keeper", "due"),
        ("incident-cybersecurity-act-final", "I-001", "2026-12-13", "keeper", "coming"),
        ("incident-gdpr-first", "I-001", "2026-11-13", "keeper", "due"),
        ("filter-end", "mine", "2026-12-24", "keeper", "coming"),
    }


def test_every_kind_has_a_name_in_each_language(tmp_path: Path) -> None:
    snapshot, _ = read_workspace(lay_out(tmp_path, **RECORDS), TODAY)
    kinds = {one.kind for one in dues(snapshot, date(2027, 12, 31))} | {"approval", "acceptance", "introduction"}
    for language in LANGUAGES:
        assert all(words_for(language).has(f"clock.kind.{kind}") for kind in kinds)
        assert all(words_for(language).has(f"clock.duty.{duty}") for duty in DUTIES)
        assert all(words_for(language).has(f"clock.ground.{duty.ground}") for duty in DUTIES.values())
