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
Ground = Literal[
    "cybersecurity-act",
    "thl-regulation",
    "preparedness-decree",
    "log-data",
    "information-security",
    "gdpr",
]
Mark = Literal["seen", "headings", "reference"]


@dataclass(frozen=True, slots=True)
class Duty:
    """A duty: where it stands, and what of that was seen: its substance, its headings, or only that it exists.

    What it asks for is said in the catalogues under `clock.duty.ID`, and where it stands under `clock.ground.GROUND`.
    """

    ground: Ground
    mark: Mark


DUTIES: Final[Mapping[DutyId, Duty]] = {
    "cybersecurity-management": Duty("cybersecurity-act", "seen"),
    "cybersecurity-risk-management": Duty("cybersecurity-act", "seen"),
    "information-security-plan": Duty("thl-regulation", "seen"),
    "preparedness-plan": Duty("preparedness-decree", "headings"),
    "preparedness-training": Duty("preparedness-decree", "headings"),
    "log-use": Duty("log-data", "seen"),
    "information-security": Duty("information-security", "reference"),
}
"""Every duty that an annual clock is to have a task for. A new duty is a new line, and a new text in each language."""
