"""Duties in law that come round: a plain table of what a task can be there for, and how surely it may be said.

No provision is quoted, and no entry says that a duty is met. What is marked as a reference was not read, and is shown
as to be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

DutyId = Literal[
    "cybersecurity-management",
    "cybersecurity-risk-management",
    "information-security-plan",
    "preparedness-plan",
    "preparedness-training",
    "log-use",
    "information-security",
]
Mark = Literal["seen", "headings", "reference"]


@dataclass(frozen=True, slots=True)
class Duty:
    """A duty: where it stands, and what of that was seen: its substance, its headings, or only that it exists.

    What it asks for is said in the catalogues under `clock.duty.ID`.
    """

    ground: str
    mark: Mark


DUTIES: Final[Mapping[DutyId, Duty]] = {
    "cybersecurity-management": Duty("Kyberturvallisuuslaki 124/2025", "seen"),
    "cybersecurity-risk-management": Duty("Kyberturvallisuuslaki 124/2025", "seen"),
    "information-security-plan": Duty("THL:n määräys 3/2024", "seen"),
    "preparedness-plan": Duty("VNA 308/2023 1 §", "headings"),
    "preparedness-training": Duty("VNA 308/2023 1 §", "headings"),
    "log-use": Duty("Tiedonhallintalaki 906/2019 17 §", "seen"),
    "information-security": Duty("Tiedonhallintalaki 906/2019 13 §, 4 a luku", "reference"),
}
"""Every duty that an annual clock is to have a task for. A new duty is a new line, and a new text in each language."""
