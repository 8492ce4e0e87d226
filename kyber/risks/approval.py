"""What was accepted, and what was approved: a risk in, the hash that binds a decision to it out.

A hash is SHA-256 over the JSON of RFC 8785, so that another program comes to the same one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final

from pydantic import Field

from kyber.people import Owner
from kyber.register import Day, Id, Part, Record, Ref, Text
from kyber.risks.risk import Assessed, Risk

GLOB: Final = "approvals/*.yaml"

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Approved(Part):
    """One risk of an approved list."""

    id: Annotated[Id, Ref("risk")]
    """The risk."""
    level: Text | None = None
    """Its level then; absent where it was not assessed."""
    state: Hash
    """SHA-256 of what it was then: the same as of an acceptance."""


class Approval(Record):
    """Management's approval of the list of risks as a whole."""

    on: Day
    """When."""
    by: Owner
    """Who approved it: a role, or a person who holds one."""
    decision_ref: Text
    """The decision's number or the minutes it stands in."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")] | None = None
    """The commit that holds the list as it was approved."""
    notes: Text | None = None
    """Anything that was decided with it."""
    risks: tuple[Approved, ...]
    """The risks of the list, in its order."""

    def of(self, id_: str) -> Approved | None:
        """What was approved of a risk; None where it was not in the list."""
        return next((one for one in self.risks if one.id == id_), None)


def state_of(risk: Risk) -> str:
    """SHA-256, in hexadecimal, of what a decision about a risk rests on: statement, estimates, treatment and controls.

    Source: RFC 8785. An absent field is null; rationale, day and assessor belong to an estimate; controls are sorted.
    """
    import rfc8785

    held: Any = {
        "statement": None if risk.statement is None else risk.statement.model_dump(),
        "current": _estimate(risk.current),
        "residual": _estimate(risk.residual),
        "treatment": risk.treatment,
        "controls": sorted(risk.controls),
    }
    return hashlib.sha256(rfc8785.dumps(held)).hexdigest()


def latest(approvals: Sequence[Approval]) -> Approval | None:
    """The approval that counts: the last one."""
    return max(approvals, key=lambda one: (one.on, one.at), default=None)


def _estimate(found: Assessed | None) -> Mapping[str, object] | None:
    if found is None:
        return None
    return {
        "likelihood": found.likelihood,
        "impact": dict(found.impact),
        "rationale": found.rationale,
        "assessed_on": _iso(found.assessed_on),
        "assessed_by": found.assessed_by,
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
