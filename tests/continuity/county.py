"""A small register of continuity that has nothing to mend, as files: name -> text. Tests change one thing in it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from kyber.join import check_workspace
from kyber.problem import Problem
from tests.risks.county import lay_out as files_of
from tests.risks.county import replace_in

TODAY: Final = date(2026, 11, 10)

SETTINGS = "organisation: Esimerkki\nlanguage: en\n"
PEOPLE = """\
roles:
  - {id: chief, title: Chief, holders: [aino]}
  - {id: keeper, title: Keeper, holders: [eero]}
people:
  - {id: aino, name: Aino}
  - {id: eero, name: Eero}
  - {id: olli, name: Olli, left: 2026-06-30}
"""
RECORDS = """\
# A comment that stays.
id: records
name: Patient records
owner: chief
tech_owner: keeper
criticality: 1
patient_safety: true
impact_curve:
  - {after: 1 h, dimension: safety, level: 3}
  - {after: 4 h, dimension: safety, level: 4}
  - {after: 4 h, dimension: operations, level: 4}
  - {after: 1 d, dimension: safety, level: 5}
mtpd: 12 h
rto: 6 h
rpo: 4 h
depends_on:
  - {id: network, restore_order: 1}
  - {id: messages, kind: data, restore_order: 2}
  - {id: carrier-a, kind: supplier, rto_contract: 4 h, either: carriers}
  - {id: carrier-b, kind: supplier, rto_contract: 8 h, either: carriers}
bia: {last: 2026-05-04, by: workshop}
work_recovery_time: 1 h
manual_fallback: {how: Paper, max_duration: 1 d}
backup: {method: Tapes, interval: 1 h, last_restore_test: 2026-09-01}
capability: {rto: 2 h, rpo: 1 h, basis: measured}
communication:
  - {who: chief, to: The wards, how: By phone, within: 30 min}
"""
NETWORK = """\
id: network
name: Network
owner: chief
tech_owner: keeper
criticality: 1
patient_safety: false
impact_curve: [{after: 4 h, dimension: operations, level: 3}]
mtpd: 1 d
rto: 4 h
holds_data: false
depends_on: [{id: power, kind: premises}]
bia: {last: 2026-05-04, by: workshop}
capability: {rto: 1 h, basis: contract}
"""
MESSAGES = """\
id: messages
name: Messages between systems
owner: chief
tech_owner: keeper
criticality: 1
patient_safety: false
impact_curve: [{after: 4 h, dimension: operations, level: 3}]
mtpd: 1 d
rto: 4 h
rpo: 4 h
bia: {last: 2026-05-04, by: workshop}
backup: {interval: 2 h}
capability: {rto: 1 h, basis: contract}
"""
POWER = """\
id: power
name: Power
owner: chief
tech_owner: keeper
criticality: 1
patient_safety: true
impact_curve: [{after: 10 min, dimension: safety, level: 4}]
mtpd: 1 h
rto: 30 min
holds_data: false
bia: {last: 2026-05-04, by: workshop}
capability: {rto: 30 min, basis: measured}
"""
CARRIER = """\
id: carrier-{name}
name: Carrier {name}
owner: chief
tech_owner: keeper
criticality: 3
patient_safety: false
impact_curve: []
mtpd: 5 d
rto: 8 h
holds_data: false
bia: {{last: 2026-05-04, by: workshop}}
capability: {{rto: 1 h, basis: contract}}
"""
PLAN = """\
id: P-001
title: Records are back
type: recovery
services: [records, network, messages, power]
owner: keeper
version: "1.0"
approved: {by: chief, on: 2026-03-02}
review: {interval: 12 months, last: 2026-03-02}
activation: [Records are away for half an hour]
steps:
  - {no: 1, who: keeper, does: Restore the network, target_time: 1 h}
  - {no: 2, who: keeper, does: Restore the records, target_time: 4 h}
contacts: [{name: Carrier, phone: "112"}]
offline_copy: {where: The red folder, checked_on: 2026-03-02}
"""
EXERCISE = """\
id: E-001
title: A restore
type: restore
plans: [P-001]
services: [records]
date: 2026-09-01
lead: keeper
objectives: [Records are back within six hours]
result: passed
measured:
  detected: 2026-09-01T08:05:00+03:00
  started: 2026-09-01T08:00:00+03:00
  service_up: 2026-09-01T13:00:00+03:00
  data_point: 2026-09-01T07:30:00+03:00
findings:
  - {what: The manual lacked a page, action: A-001}
"""
ACTION = """\
id: A-001
title: Write the page
owner: keeper
due: 2027-03-31
status: planned
"""
FILES: Final[Mapping[str, str]] = {
    "kyber.yaml": SETTINGS,
    "people.yaml": PEOPLE,
    "continuity/services/records.yaml": RECORDS,
    "continuity/services/network.yaml": NETWORK,
    "continuity/services/messages.yaml": MESSAGES,
    "continuity/services/power.yaml": POWER,
    "continuity/services/carrier-a.yaml": CARRIER.format(name="a"),
    "continuity/services/carrier-b.yaml": CARRIER.format(name="b"),
    "continuity/plans/P-001-records-are-back.yaml": PLAN,
    "continuity/exercises/E-001-a-restore.yaml": EXERCISE,
    "actions/A-001-write-the-page.yaml": ACTION,
}
KINDS: Final = {
    "records": "continuity/services/records.yaml",
    "network": "continuity/services/network.yaml",
    "messages": "continuity/services/messages.yaml",
    "power": "continuity/services/power.yaml",
    "plan": "continuity/plans/P-001-records-are-back.yaml",
    "exercise": "continuity/exercises/E-001-a-restore.yaml",
    "people": "people.yaml",
}


def lay_out(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    return files_of(folder, files)


def changed(folder: Path, kind: str, *changes: tuple[str, str]) -> Path:
    """The register, with texts in one of its files replaced; an empty one stands for the file's end."""
    replace_in(lay_out(folder) / KINDS[kind], *changes)
    return folder


def problems(folder: Path, today: date = TODAY) -> tuple[Problem, ...]:
    """What `kyber check` finds, but for what the clock and the logs ask for, of which this register has nothing."""
    return tuple(one for one in check_workspace(folder, today).left if one.code not in ("K62", "R20"))


def codes(folder: Path, today: date = TODAY) -> list[str]:
    return sorted(one.code for one in problems(folder, today))
