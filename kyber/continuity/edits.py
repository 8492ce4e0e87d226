"""What people do with services, plans and exercises, as edits of their files; none of these functions writes."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from kyber import action, amend
from kyber.action import Action
from kyber.amend import Edit
from kyber.continuity import exercise, plan
from kyber.continuity.exercise import Exercise
from kyber.continuity.plan import Plan, state_of
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.register import Path_

Changes = Sequence[tuple[Path_, object]]
REVIEWED: str = "12 months"
"""How often a new plan is looked at."""


def add_service(root: Path, fields: Mapping[str, object]) -> Edit:
    """A new service; `fields` has its id and name. Raises AmendError, also where the id is taken."""
    return amend.named(root, f"continuity/services/{fields['id']}.yaml", Service, fields)


def analyse(one: Service, fields: Mapping[str, object], on: date, by: str) -> Edit:
    """A service with what an impact analysis said; what was not asked stays. Raises AmendError."""
    changes: list[tuple[Path_, object]] = [((name,), value) for name, value in fields.items()]
    changes.append((("bia",), {"last": on, "by": by}))
    return amend.amend(Path(one.at.file), Service, changes)


def add_plan(root: Path, used: frozenset[str], fields: Mapping[str, object]) -> tuple[str, Edit]:
    """A new plan, and the id that it is given. Raises AmendError."""
    id_ = amend.next_id(plan.PREFIX, used)
    return id_, amend.new(root, "continuity/plans", Plan, {"id": id_, **fields})


def drafted(register: ContinuityRegister, one: Service, kind: str, title: str, owner: str, words: Mapping[str, str]
            ) -> dict[str, object]:  # fmt: skip
    """The fields of a plan for a service, from what the register knows: what is needed in its order, then the service.

    `words` are the texts of steps: `alternative`, `restore`, `check`, `release`, `activation`, `tell`.
    """
    steps: list[dict[str, object]] = []

    def step(who: str | None, does: str, **more: object) -> None:
        steps.append({"no": len(steps) + 1, "who": who or owner, "does": does, **more})

    if one.manual_fallback is not None:
        step(one.owner, words["alternative"], how=one.manual_fallback.how)
    for message in one.communication:
        step(message.who, words["tell"].format(to=message.to), how=message.how, target_time=message.within)
    if kind == "recovery":
        for needed in _in_order_of_restoring(register, one):
            step(needed.tech_owner, words["restore"].format(name=needed.name))
        step(one.tech_owner, words["restore"].format(name=one.name))
        step(one.tech_owner, words["check"].format(name=one.name))
        step(one.owner, words["release"].format(name=one.name), **({"target_time": one.rto} if one.rto else {}))
    return {
        "title": title,
        "type": kind,
        "services": [one.id],
        "owner": owner,
        "version": "0.1",
        "review": {"interval": REVIEWED},
        "activation": [words["activation"].format(name=one.name)],
        "steps": steps or [{"no": 1, "who": owner, "does": words["restore"].format(name=one.name)}],
        "contacts": [{"name": one.supplier}] if one.supplier else None,
    }


def _in_order_of_restoring(register: ContinuityRegister, one: Service) -> Sequence[Service]:
    """All that a service rests on, however far away, by when restoring each can begin."""
    found = [id_ for id_, who in register.graph.resting.items() if one.id in who]
    known = register.recoveries
    ready = {need.leg.id: need.begins for need in known[one.id].needs}
    ordered = sorted(found, key=lambda id_: (ready.get(id_, known[id_].ready), known[id_].ready, id_))
    return [register.graph.services[id_] for id_ in ordered]


def approve(one: Plan, by: str, on: date, version: str | None) -> Edit:
    """A plan that management has approved as it is; which is a review as well. Raises AmendError."""
    approved = {"by": by, "on": on, "state": state_of(one)}
    changes: list[tuple[Path_, object]] = [(("approved",), approved), (("review", "last"), on)]
    if version:
        changes.append((("version",), version))
    return amend.amend(Path(one.at.file), Plan, changes)


def review(one: Plan, by: str, on: date) -> Edit:
    """A plan that was looked over. Raises AmendError."""
    return amend.amend(Path(one.at.file), Plan, [(("review", "last"), on), (("review", "reviewer"), by)])


def copied(one: Plan, where: str | None, on: date) -> Edit:
    """A plan whose offline copy was laid somewhere, or looked at. Raises AmendError."""
    if where is None and one.offline_copy is None:
        raise amend.AmendError(f"{one.id} has no offline copy yet: say where it lies with --where")
    changes: list[tuple[Path_, object]] = [(("offline_copy", "where"), where)] if where else []
    return amend.amend(Path(one.at.file), Plan, [*changes, (("offline_copy", "checked_on"), on)])


def add_exercise(root: Path, used: frozenset[str], fields: Mapping[str, object]) -> tuple[str, Edit]:
    """A new exercise, and the id that it is given. Raises AmendError."""
    id_ = amend.next_id(exercise.PREFIX, used)
    return id_, amend.new(root, "continuity/exercises", Exercise, {"id": id_, **fields})


def hold(root: Path, one: Exercise, used: frozenset[str], on: date, result: str, measured: Mapping[str, object] | None,
         findings: Sequence[tuple[str, Mapping[str, Any] | None]]) -> tuple[Edit, ...]:  # fmt: skip
    """An exercise that was held, and the actions that follow: each finding with the fields of an action, or without.

    Raises AmendError.
    """
    changes: list[tuple[Path_, object]] = [(("date",), on), (("result",), result)]
    if measured:
        changes.append((("measured",), dict(measured)))
    edits, taken, seen = [], set(used), []
    for what, fields in findings:
        if fields is None:
            seen.append({"what": what})
            continue
        id_ = amend.next_id(action.PREFIX, taken)
        taken.add(id_)
        edits.append(amend.new(root, "actions", Action, {"id": id_, **fields}))
        seen.append({"what": what, "action": id_})
    for at, each in enumerate(seen, len(one.findings)):
        changes.append((("findings", at), each))
    return (amend.amend(Path(one.at.file), Exercise, changes), *edits)
