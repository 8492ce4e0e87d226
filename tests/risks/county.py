"""A small register of risks that has nothing to mend, as files: name -> text. Tests change one thing in it."""

import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from kyber.join import check_workspace
from kyber.problem import Problem
from kyber.risks.approval import state_of
from kyber.risks.register import RiskRegister, load_register
from kyber.workspace import examine

TODAY: Final = date(2026, 11, 10)

SETTINGS = """\
organisation: Esimerkki
language: en
appetite: {privacy: minor, operations: moderate}
authority: {moderate: chief, intolerable: board}
"""
PEOPLE = """\
roles:
  - {id: chief, title: Chief, holders: [aino]}
  - {id: keeper, title: Keeper, holders: [eero]}
  - {id: board, title: Board, holders: [liisa]}
people:
  - {id: aino, name: Aino}
  - {id: eero, name: Eero}
  - {id: liisa, name: Liisa}
  - {id: olli, name: Olli, left: 2026-06-30}
"""
RISK = """\
# A comment that stays.
id: R-001
title: A stolen account opens records
status: treating
identified_in: interview
identified_on: 2026-05-04
statement:
  cause: Passwords are used again elsewhere
  event: A stranger signs in with an account of ours
  consequence: Records of patients are read by somebody who may not
category: privacy
owner: keeper
inherent: {likelihood: 4, impact: {privacy: 5}, rationale: As if nothing were done}
current:
  likelihood: 3
  impact: {privacy: 4, reputation: 3}
  rationale: Two attempts in 2025
  assessed_on: 2026-10-01
  assessed_by: keeper
target: {likelihood: 2, impact: {privacy: 3}}
treatment: mitigate
review: {interval: 6 months, last: 2026-10-01, reviewer: keeper}
controls: [C-001]
actions: [A-001]
assessments:
  - {on: 2026-10-01, by: workshop, agreed: {likelihood: 3, impact: {privacy: 4}}}
"""
CONTROL = """\
id: C-001
title: A second factor
owner: keeper
type: preventive
status: active
evidence:
  - {kind: report, ref: IT-4, date: 2026-09-01, valid_until: 2027-09-01}
test: {interval: 12 months, last: 2026-09-01, result: passed}
"""
ACTION = """\
id: A-001
title: A second factor for partners
owner: keeper
due: 2027-03-31
status: planned
"""
ACCEPTANCE = """\
acceptance:
  approver: board
  approved_on: 2026-10-15
  justification: Nothing more can be had for the money
  expires: 2027-09-30
  decision_ref: Board 12/2026
  accepted_state: {state}
"""
FILES: Final[Mapping[str, str]] = {
    "kyber.yaml": SETTINGS,
    "people.yaml": PEOPLE,
    "risks/R-001-a-stolen-account.yaml": RISK,
    "controls/C-001-a-second-factor.yaml": CONTROL,
    "actions/A-001-a-second-factor-for-partners.yaml": ACTION,
}
KINDS: Final = {
    "risk": "risks/R-001-a-stolen-account.yaml",
    "control": "controls/C-001-a-second-factor.yaml",
    "action": "actions/A-001-a-second-factor-for-partners.yaml",
    "settings": "kyber.yaml",
    "people": "people.yaml",
}


def lay_out(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def replace_in(file: Path, *changes: tuple[str, str]) -> None:
    """Texts in a file replaced; an empty one stands for the file's end."""
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new) if old else text + new
    file.write_text(text, encoding="utf-8")


def changed(folder: Path, kind: str, *changes: tuple[str, str]) -> Path:
    """The register, with texts in one of its files replaced; an empty one stands for the file's end."""
    replace_in(lay_out(folder) / KINDS[kind], *changes)
    return folder


def accepted(folder: Path) -> Path:
    """The risk, accepted as it is."""
    file = lay_out(folder) / KINDS["risk"]
    text = file.read_text(encoding="utf-8").replace("status: treating", "status: accepted")
    file.write_text(text, encoding="utf-8")
    file.write_text(text + ACCEPTANCE.format(state=state_of(register(folder).risks[0])), encoding="utf-8")
    return folder


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder, as somebody whose name is Eero."""
    who = ("-c", "user.name=Eero", "-c", "user.email=eero@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def register(folder: Path) -> RiskRegister:
    found, problems = load_register(folder, examine(folder)[0].settings, TODAY)
    assert problems == ()
    return found


def problems(folder: Path, today: date = TODAY) -> tuple[Problem, ...]:
    return check_workspace(folder, today).left


def codes(folder: Path, today: date = TODAY) -> list[str]:
    return [problem.code for problem in problems(folder, today)]
