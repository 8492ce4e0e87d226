"""What people do with a risk, as edits of its file: a register, a risk and what is to hold, in; files and texts, out.

Each function gives what `kyber.amend.apply` writes. None of them writes, and none looks anything up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kyber import action, amend
from kyber.action import Action
from kyber.amend import AmendError, Edit
from kyber.register import ABSENT, Path_
from kyber.risks import control, risk
from kyber.risks.approval import Approval, state_of
from kyber.risks.checks import ACCEPTED_FOR, are_one
from kyber.risks.control import Control
from kyber.risks.matrix import rank
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Acceptance, Assessed, Risk, lacking

Changes = Sequence[tuple[Path_, object]]

FOLDERS: Mapping[type[Risk | Control | Action], tuple[str, str]] = {
    Risk: ("risks", risk.PREFIX),
    Control: ("controls", control.PREFIX),
    Action: ("actions", action.PREFIX),
}
"""Where the files of a kind are, and how their ids begin."""


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace, and the ids that were ever used in it."""

    root: Path
    used: frozenset[str]


def add(place: Place, model: type[Risk | Control | Action], fields: Mapping[str, object]) -> tuple[str, Edit]:
    """A new risk, control or action, and the id that it is given. Raises AmendError."""
    folder, prefix = FOLDERS[model]
    id_ = amend.next_id(prefix, place.used)
    return id_, amend.new(place.root, folder, model, {"id": id_, **fields})


def change(one: Risk, changes: Changes, text: str | None = None) -> Edit:
    """A risk with these fields set. Raises AmendError."""
    return amend.amend(Path(one.at.file), Risk, changes, text)


def define(one: Risk, fields: Mapping[str, object]) -> Edit:
    """A risk with fields of its definition set; one that lacks nothing any more is no longer preliminary.

    `statement` may hold parts of the statement. Raises AmendError.
    """
    changes: list[tuple[Path_, object]] = []
    for name, value in fields.items():
        if name == "statement" and isinstance(value, Mapping) and one.statement is not None:
            changes += [((name, part), text) for part, text in value.items()]
        else:
            changes.append(((name,), value))
    return opened(one, change(one, changes))


def opened(one: Risk, edit: Edit) -> Edit:
    """The edit, with the status that follows: a preliminary risk that lacks nothing any more is open, or treated."""
    made = after(edit)
    if one.status == "preliminary" and made.status == "preliminary" and not lacking(made):
        status = "open" if made.treatment == "accept" else "treating"
        return change(one, [(("status",), status)], edit.text)
    return edit


def after(edit: Edit) -> Risk:
    """The risk that an edited file holds."""
    from kyber.register import read

    made, _ = read(edit.text.encode(), str(edit.file), Risk)
    if made is None:
        raise AmendError(f"{edit.file} would hold no risk")
    return made


def assess(one: Risk, part: str, found: Assessed, *, votes: Sequence[Mapping[str, object]] = (),
           evidence: str | None = None, text: str | None = None) -> Edit:  # fmt: skip
    """A risk with an estimate: `inherent`, `current`, `target` or `residual`; the history has what counts today.

    `text` is what the file is to begin with, where it was edited before. Raises AmendError.
    """
    before: Assessed | None = getattr(one, part)
    if part == "residual" and before is None and one.current is not None:  # what is not judged anew stays
        before = one.current.model_copy(update={"rationale": None})
    changes: list[tuple[Path_, object]] = [((part,), estimate(found, before))]
    if part in ("current", "residual") and found.assessed_on and found.assessed_by:
        changes.append(_round(one, found.assessed_on, found.assessed_by, found, evidence, votes))
    if part == "residual" and one.status == "treating":
        changes.append((("status",), "monitored"))
    return opened(one, change(one, changes, text))


def estimate(found: Assessed, before: Assessed | None = None) -> dict[str, object]:
    """An estimate as a file has it: what is absent is left out; dimensions that are not judged anew stay."""
    impact = {**(before.impact if before else {}), **found.impact}
    made: dict[str, object] = {"likelihood": found.likelihood, "impact": impact}
    for name in ("rationale", "assessed_on", "assessed_by"):
        value = getattr(found, name)
        if value is None and before is not None and name == "rationale":
            value = before.rationale
        if value is not None:
            made[name] = value
    return made


def treat(one: Risk, treatment: str) -> Edit:
    """A risk with what is done about it; an open one is being treated, unless it is to be borne. Raises AmendError."""
    changes: list[tuple[Path_, object]] = [(("treatment",), treatment)]
    if one.status == "open" and treatment != "accept":
        changes.append((("status",), "treating"))
    return opened(one, change(one, changes))


def link(one: Risk, field: str, id_: str, *, remove: bool = False) -> Edit:
    """A risk with a control or an action more, or less. Raises AmendError."""
    there: tuple[str, ...] = getattr(one, field)
    if remove:
        if id_ not in there:
            raise AmendError(f"{one.id} does not name {id_} among its {field}")
        left = [each for each in there if each != id_]
        return change(one, [((field, there.index(id_)) if left else (field,), ABSENT)])
    if id_ in there:
        raise AmendError(f"{one.id} names {id_} among its {field} already")
    return change(one, [((field, len(there)) if there else (field,), id_ if there else [id_])])


def review(one: Risk, on: date, by: str, interval: str | None, evidence: str | None) -> Edit:
    """A risk that was looked at; its score, where it has one, is confirmed in the history. Raises AmendError."""
    changes: list[tuple[Path_, object]] = [(("review", "last"), on), (("review", "reviewer"), by)]
    if interval is not None:
        changes.append((("review", "interval"), interval))
    if (left := one.left) is not None:
        changes.append(_round(one, on, by, left, evidence))
    return opened(one, change(one, changes))


def _round(
    one: Risk, on: date, by: str, agreed: Assessed, evidence: str | None, votes: Sequence[Mapping[str, object]] = ()
) -> tuple[Path_, object]:
    """One more assessment in a risk's history."""
    entry: dict[str, object] = {"on": on, "by": by}
    if votes:
        entry["votes"] = list(votes)
    entry["agreed"] = {"likelihood": agreed.likelihood, "impact": dict(agreed.impact)}
    if evidence:
        entry["evidence"] = evidence
    return ("assessments", len(one.assessments)), entry


def accept(register: RiskRegister, one: Risk, decision: Mapping[str, Any]) -> Edit:
    """A risk that is borne as it is: `decision` has approver, approved_on, justification, decision_ref and expires.

    Raises AmendError where it may not be: nothing is assessed, the approver owns it or has no authority, or the end is
    more than twelve months on.
    """
    if not one.is_open:
        raise AmendError(f"{one.id} is closed")
    level = register.level_to_accept(one)
    if level is None or (missing := lacking(one)):
        raise AmendError(f"{one.id} cannot be accepted yet: it lacks {', '.join(missing) if level else 'an estimate'}")
    approver = str(decision["approver"])
    if not register.may_accept(approver, level):
        allowed = sorted({role for at, role in register.settings.authority.items() if register.may_accept(role, level)})
        raise AmendError(f"{approver} may not accept a risk that is {level}: {', '.join(allowed) or 'nobody'} may"
                         " (authority in kyber.yaml)")  # fmt: skip
    if one.owner is not None and are_one(register, approver, one.owner):
        raise AmendError(f"{approver} owns {one.id}: let somebody else decide")
    latest = ACCEPTED_FOR.after(decision["approved_on"])
    if not decision["approved_on"] < decision["expires"] <= latest:
        raise AmendError(f"the acceptance can hold until {latest} at the latest, and has to end after it begins")
    if decision["expires"] < register.today:
        raise AmendError(f"the acceptance would have ended on {decision['expires']}")
    held = {**decision, "accepted_state": state_of(one)}
    Acceptance.model_validate(held)
    return change(one, [(("status",), "accepted"), (("acceptance",), held)])


def close(one: Risk, on: date, why: str) -> Edit:
    """A risk that is no longer there. Raises AmendError."""
    return change(one, [(("status",), "closed"), (("closed",), {"on": on, "why": why})])


def approve(
    root: Path, register: RiskRegister, on: date, by: str, decision_ref: str, commit: str | None, notes: str | None
) -> Edit:
    """Management's approval of the list as it is: all but what is preliminary or closed. Raises AmendError."""
    listed = [one for one in register.prioritised() if one.status not in ("closed", "preliminary")]
    if not listed:
        raise AmendError("there is no risk to approve: all of them are preliminary or closed")
    highest = max((register.level(one) for one in listed), key=rank)
    if highest is not None and register.settings.authority and not register.may_accept(by, highest):
        raise AmendError(f"{by} may not approve a list with risks that are {highest} (authority in kyber.yaml)")
    document: dict[str, object] = {"on": on, "by": by, "decision_ref": decision_ref}
    if commit is not None:
        document["commit"] = commit
    if notes:
        document["notes"] = notes
    document["risks"] = [
        {"id": one.id, **({"level": str(level)} if (level := register.level(one)) else {}), "state": state_of(one)}
        for one in listed
    ]
    return amend.named(
        root, f"approvals/{on.isoformat()}-{amend.slug(decision_ref) or 'list'}.yaml", Approval, document
    )
