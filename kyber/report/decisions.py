"""What management is asked to decide: the register of risks and that of continuity in; three decisions at most out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kyber.continuity.section import achievable
from kyber.continuity.section import anchor as service_anchor
from kyber.continuity.service import Service
from kyber.document import Line, said
from kyber.render.money import day
from kyber.report.given import Given
from kyber.risks.matrix import rank
from kyber.risks.risk import Risk
from kyber.risks.section import anchor as risk_anchor
from kyber.risks.section import cost, expiring, undated

MOST: Final = 3
"""How many decisions are asked for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Something to be decided: what, what it costs, and what stays if it is refused."""

    weight: tuple[int, int, str]
    """What is smaller comes first."""
    what: Line
    cost: str
    left: str


def decisions(given: Given) -> tuple[Decision, ...]:
    """All that follow from the registers: the highest level of risk, or the most critical service, first."""
    found = (*_acceptances(given), *_untreated(given), *_services(given))
    return tuple(sorted(found, key=lambda one: one.weight))


def _acceptances(given: Given) -> Iterator[Decision]:
    register, words = given.snapshot.risks, given.words
    for one in expiring(register):
        if register.is_above_appetite(one) and one.acceptance is not None:
            text = words("report.decide.acceptance", id=one.id, title=one.title, day=day(one.acceptance.expires, words))
            yield _of_risk(given, one, 0, text, words("report.left.risk", **_levels(given, one)))


def _untreated(given: Given) -> Iterator[Decision]:
    words = given.words
    for one in undated(given.snapshot.risks):
        text = words("report.decide.treatment", id=one.id, title=one.title)
        yield _of_risk(given, one, 1, text, words("report.left.risk", **_levels(given, one)))


def _of_risk(given: Given, one: Risk, kind: int, text: str, left: str) -> Decision:
    register = given.snapshot.risks
    price = cost(register.actions_of(one), given.words)
    return Decision((-rank(register.level(one)), kind, one.id), said(text, risk_anchor(one.id)), price, left)


def _services(given: Given) -> Iterator[Decision]:
    view, words = given.continuity, given.words
    for one in view.critical:
        if view.gap(one) and one.rto is not None:
            facts = {"name": one.name, "time": achievable(view, one).rstrip(" !"), "rto": one.rto}
            text = words("report.decide.service", **facts)
            weight = (-5 if one.criticality == 1 else -4, 2, one.id)
            left = words("report.left.service", **facts)
            yield Decision(weight, said(text, service_anchor(one.id)), _of_service(given, one), left)


def _of_service(given: Given, one: Service) -> str:
    """What the open actions cost that risks of the service and its exercises name."""
    register = given.snapshot.risks
    ids = {id_ for risk in given.risks.open if one.id in risk.services for id_ in risk.actions}
    for exercise in given.snapshot.continuity.exercises_of(one):
        ids |= {each.action for each in exercise.findings if each.action}
    return cost([each for each in register.actions if each.id in ids], given.words)


def _levels(given: Given, one: Risk) -> dict[str, str]:
    register, words = given.snapshot.risks, given.words
    appetite = register.appetite(one)
    return {
        "level": words(f"risks.level.{register.level(one) or 'none'}"),
        "appetite": words(f"risks.level.{appetite or 'none'}"),
    }
