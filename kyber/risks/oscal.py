"""The register as a plan of action and milestones of OSCAL, so that other programs can take it in.

Source: https://pages.nist.gov/OSCAL-Reference/models/v1.1.3/plan-of-action-and-milestones/json-outline/. Every uuid is
made of the organisation and the id of what it names: the same register gives the same uuids.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from kyber.action import Action
from kyber.risks.control import Control
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Assessed, Risk

VERSION: Final = "1.1.3"
"""The version of OSCAL that is written."""
SYSTEM: Final = "urn:kyber:risks"
"""The name under which classes and levels are stated, and of what is not OSCAL's own."""
STATUSES: Final[Mapping[str, str]] = {
    "preliminary": "open",
    "open": "open",
    "treating": "remediating",
    "monitored": "open",
    "accepted": "deviation-approved",
    "closed": "closed",
}
"""The status of a risk -> that of OSCAL."""
LIFECYCLES: Final[Mapping[str, str]] = {
    "proposed": "recommendation",
    "planned": "planned",
    "ongoing": "planned",
    "done": "completed",
    "cancelled": "recommendation",
}
"""The status of an action -> the stage of OSCAL's response."""


def poam(register: RiskRegister, risks: Sequence[Risk], made: datetime, version: str) -> dict[str, Any]:
    """The document, as plain JSON values. `made` is when, with its offset; `version` is that of the register."""
    name = uuid5(NAMESPACE_URL, f"{SYSTEM}/{register.settings.organisation}")
    roles = _roles(register)
    metadata = {
        "title": f"{register.settings.organisation}: risk register",
        "last-modified": made.isoformat(timespec="seconds"),
        "version": version,
        "oscal-version": VERSION,
        **({"roles": roles} if roles else {}),
        "parties": _parties(register, name),
    }
    observations = [found for one in risks for found in _observations(one, name)]
    items = [_item(one, name) for one in risks]
    return {
        "plan-of-action-and-milestones": {
            "uuid": str(uuid5(name, "poam")),
            "metadata": metadata,
            "system-id": {"identifier-type": SYSTEM, "id": str(name)},
            **({"observations": observations} if observations else {}),
            **({"risks": [_risk(register, one, name) for one in risks]} if risks else {}),
            "poam-items": items,
        }
    }


def _roles(register: RiskRegister) -> list[dict[str, Any]]:
    return [{"id": role.id, "title": role.title} for role in register.people.roles if _is_token(role.id)]


def _parties(register: RiskRegister, name: UUID) -> list[dict[str, Any]]:
    """The organisation, and its people."""
    organisation = {"uuid": str(name), "type": "organization", "name": register.settings.organisation}
    people = register.people.people
    return [
        organisation,
        *({"uuid": str(uuid5(name, f"person/{one.id}")), "type": "person", "name": one.name} for one in people),
    ]


def _is_token(text: str) -> bool:
    return (text[:1].isalpha() or text[:1] == "_") and all(letter.isalnum() or letter in "_-." for letter in text)


def _item(one: Risk, name: UUID) -> dict[str, Any]:
    seen = [found["uuid"] for found in _observations(one, name)]
    return {
        "uuid": str(uuid5(name, f"item/{one.id}")),
        "title": one.title,
        "description": _statement(one),
        "props": [_prop("id", one.id), _prop("status", one.status)],
        **({"related-observations": [{"observation-uuid": uuid} for uuid in seen]} if seen else {}),
        "related-risks": [{"risk-uuid": str(uuid5(name, f"risk/{one.id}"))}],
    }


def _risk(register: RiskRegister, one: Risk, name: UUID) -> dict[str, Any]:
    props = [_prop("id", one.id), *([_prop("owner", one.owner)] if one.owner else [])]
    props += [_prop("category", one.category)] if one.category else []
    found: dict[str, Any] = {
        "uuid": str(uuid5(name, f"risk/{one.id}")),
        "title": one.title,
        "description": _statement(one),
        "statement": _statement(one),
        "props": props,
        "status": STATUSES[one.status],
    }
    characterizations = [
        _characterization(register, part, estimate, stated, name)
        for part, stated in (
            ("inherent", "initial"),
            ("current", "initial"),
            ("target", "initial"),
            ("residual", "adjusted"),
        )
        if (estimate := getattr(one, part)) is not None
    ]
    if characterizations:
        found["characterizations"] = characterizations
    controls = [_mitigation(each, name) for each in register.controls_of(one)]
    if controls:
        found["mitigating-factors"] = controls
    if (due := register.review_due(one)) is not None:
        found["deadline"] = _moment(due, register)
    remediations = [_remediation(register, one, each, name) for each in register.actions_of(one)]
    if one.treatment and not remediations:
        remediations = [_treatment(one, name)]
    if remediations:
        found["remediations"] = remediations
    seen = [each["uuid"] for each in _observations(one, name)]
    if seen:
        found["related-observations"] = [{"observation-uuid": uuid} for uuid in seen]
    return found


def _statement(one: Risk) -> str:
    if one.statement is None:
        return one.title
    return "\n\n".join((one.statement.cause, one.statement.event, one.statement.consequence))


def _characterization(register: RiskRegister, part: str, estimate: Assessed, stated: str, name: UUID) -> dict[str, Any]:
    level = register.scale.level(estimate)
    values = [
        ("likelihood", str(estimate.likelihood)),
        *((f"impact-{_token(dimension)}", str(value)) for dimension, value in estimate.impact.items()),
        *([("level", str(level))] if level else []),
    ]
    by = estimate.assessed_by
    person = next((each for each in register.people.people if each.id == by), None)
    actor = {"type": "party", "actor-uuid": str(uuid5(name, f"person/{person.id}") if person else name)}
    return {
        "props": [_prop("estimate", part), *([_prop("assessed-by", by)] if by else [])],
        "origin": {"actors": [actor]},
        "facets": [
            {"name": facet, "system": SYSTEM, "value": value, "props": [{"name": "state", "value": stated}]}
            for facet, value in values
        ],
    }


def _mitigation(control: Control, name: UUID) -> dict[str, Any]:
    return {
        "uuid": str(uuid5(name, f"control/{control.id}")),
        "description": control.description or control.title,
        "props": [_prop("id", control.id), _prop("status", control.status)],
    }


def _remediation(register: RiskRegister, one: Risk, action: Action, name: UUID) -> dict[str, Any]:
    made: dict[str, Any] = {
        "uuid": str(uuid5(name, f"response/{one.id}/{action.id}")),
        "lifecycle": LIFECYCLES[action.status],
        "title": action.title,
        "description": action.description or action.title,
        "props": [
            {"name": "type", "value": one.treatment or "mitigate"},
            _prop("id", action.id),
            _prop("status", action.status),
            *([_prop("owner", action.owner)] if action.owner else []),
        ],
    }
    day = action.done_on or action.due
    if day is not None:
        made["tasks"] = [
            {
                "uuid": str(uuid5(name, f"task/{one.id}/{action.id}")),
                "type": "milestone",
                "title": action.title,
                "timing": {"on-date": {"date": _moment(day, register)}},
            }
        ]
    return made


def _treatment(one: Risk, name: UUID) -> dict[str, Any]:
    treatment = one.treatment or "mitigate"
    return {
        "uuid": str(uuid5(name, f"response/{one.id}")),
        "lifecycle": "planned",
        "title": treatment,
        "description": one.acceptance.justification if one.acceptance else treatment,
        "props": [{"name": "type", "value": treatment}],
    }


def _observations(one: Risk, name: UUID) -> Iterator[dict[str, Any]]:
    """What each assessment rests on, where it says so."""
    for at, each in enumerate(one.assessments):
        if each.evidence:
            yield {
                "uuid": str(uuid5(name, f"observation/{one.id}/{at}")),
                "description": each.evidence,
                "methods": ["EXAMINE"],
                "types": ["historic"],
                "collected": f"{each.on.isoformat()}T00:00:00Z",
            }


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": SYSTEM, "value": " ".join(value.split())}


def _token(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-." else "-" for letter in text)


def _moment(day: date, register: RiskRegister) -> str:
    return datetime.combine(day, time(), register.settings.zone).isoformat()
