"""The checks of a register of risks: plain functions in a list, each a register in, what is to be mended out."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from kyber.action import check_actions
from kyber.duration import Duration
from kyber.problem import Problem, Severity
from kyber.register import off_scale, out_of_order
from kyber.risks.approval import state_of
from kyber.risks.matrix import rank
from kyber.risks.register import RiskRegister
from kyber.risks.risk import PARTS, Assessed, Estimate, Quant, Risk, lacking
from kyber.text import Key

ACCEPTED_FOR: Final = Duration.parse("12 months")
"""How long an acceptance may hold."""
WARNS_BEFORE: Final = Duration.parse("90 d")
"""How long before its end an acceptance is spoken of."""
CONFIRMED: Final = 3
"""How many times one score may be confirmed with nothing to show for it."""
EVENT_WORDS: Final = 2
"""How many words an event has at least: who or what, and what happens."""
RATES: Final = (1e-6, 1e3)
"""How seldom and how often in a year something may happen that is simulated."""
LOSSES: Final = (0.01, 1e12)
"""How small and how large a loss may be that is simulated."""
WIDEST: Final = 10_000
"""How many times its p5 a p95 may be. Soon beyond that, the mean of a lognormal exceeds its p95, and only what nobody
has estimated decides it."""


def check_completeness(register: RiskRegister) -> Iterator[Problem]:
    """K80: what every risk that is no longer preliminary has to say."""
    for one in register.risks:
        if one.is_open and one.status != "preliminary":
            for field in lacking(one):
                yield Problem(one.at, "K80", {"field": field})
        if one.status == "closed" and one.closed is None:
            yield Problem(one.where("status"), "K19", {"id": one.id})


def check_scale(register: RiskRegister) -> Iterator[Problem]:
    """K07: classes and dimensions that the settings do not have."""
    scale = register.scale
    for one in register.risks:
        estimates: list[tuple[tuple[str | int, ...], Estimate | None]] = [
            ((name,), getattr(one, name)) for name in PARTS
        ]
        estimates += [(("assessments", at, "agreed"), each.agreed) for at, each in enumerate(one.assessments)]
        for path, found in estimates:
            if found is None:
                continue
            if found.likelihood > scale.likelihoods:
                yield off_scale(one, (*path, "likelihood"), found.likelihood, f"1–{scale.likelihoods}")
            for dimension, value in found.impact.items():
                if dimension not in scale.dimensions:
                    yield off_scale(one, (*path, "impact", dimension), dimension, scale.dimensions)
                elif value > scale.impacts:
                    yield off_scale(one, (*path, "impact", dimension), value, f"1–{scale.impacts}")


def check_numbers(register: RiskRegister) -> Iterator[Problem]:
    """K07: numbers for a simulation that contradict each other, or are of an absurd size."""
    for one in register.risks:
        if one.quant is not None:
            for path, value, expected in unusable(one.quant):
                yield off_scale(one, ("quant", *path), f"{value:.15g}", expected)


def unusable(quant: Quant) -> Iterator[tuple[tuple[str, str], float, str]]:
    """The numbers that nothing can be simulated from: the field, its value, and what is allowed."""
    for field, (low, high), allowed in (
        ("frequency", (quant.frequency.p5, quant.frequency.p95), RATES),
        ("loss", (quant.loss.p5, quant.loss.p95), LOSSES),
    ):
        for name, value in (("p5", low), ("p95", high)):
            if not allowed[0] <= value <= allowed[1]:
                yield (field, name), value, f"{allowed[0]:.15g}–{allowed[1]:.15g}"
                break
        else:
            if low > high:
                yield (field, "p95"), high, f"≥ p5 ({low:.15g})"
            elif high > WIDEST * low:
                yield (field, "p95"), high, f"≤ {WIDEST} × p5 ({WIDEST * low:.15g})"
    for field, name, middle, (low, high) in (
        ("frequency", "p50", quant.frequency.p50, (quant.frequency.p5, quant.frequency.p95)),
        ("loss", "mode", quant.loss.mode, (quant.loss.p5, quant.loss.p95)),
    ):
        if middle is not None and low <= high and not low <= middle <= high:
            yield (field, name), middle, f"{low:.15g}–{high:.15g}"


def check_categories(register: RiskRegister) -> Iterator[Problem]:
    """K07: a category that the settings have no appetite for, so that nothing of it is ever above it."""
    known = register.settings.appetite
    for one in register.risks:
        if one.is_open and one.category is not None and known and register.appetite(one) is None:
            facts = {"field": "category", "value": one.category, "expected": tuple(known)}
            yield Problem(one.where("category"), "K07", facts, Severity.WARNING)


def check_days(register: RiskRegister) -> Iterator[Problem]:
    """K06: days in the wrong order, or in the future."""
    today = register.today
    for one in register.risks:
        for name in PARTS:
            found: Assessed | None = getattr(one, name)
            if found is not None:
                yield from out_of_order(
                    one, (name, "assessed_on"), found.assessed_on, first=one.identified_on, last=today
                )
        yield from out_of_order(one, ("identified_on",), one.identified_on, last=today)
        if one.review is not None:
            yield from out_of_order(one, ("review", "last"), one.review.last, first=one.identified_on, last=today)
        if one.closed is not None:
            yield from out_of_order(one, ("closed", "on"), one.closed.on, first=one.identified_on, last=today)
        if (accepted := one.acceptance) is not None:
            on, end = accepted.approved_on, accepted.expires
            yield from out_of_order(one, ("acceptance", "approved_on"), on, first=one.identified_on, last=today)
            yield from out_of_order(one, ("acceptance", "expires"), end, first=on, last=ACCEPTED_FOR.after(on))
        for at, each in enumerate(one.assessments):
            before = one.assessments[at - 1].on if at else one.identified_on
            yield from out_of_order(one, ("assessments", at, "on"), each.on, first=before, last=today)
    for control in register.controls:
        for at, shown in enumerate(control.evidence):
            yield from out_of_order(control, ("evidence", at, "date"), shown.date, last=today)
            yield from out_of_order(control, ("evidence", at, "valid_until"), shown.valid_until, first=shown.date)
        if control.test is not None:
            yield from out_of_order(control, ("test", "last"), control.test.last, last=today)
    for approval in register.approvals:
        yield from out_of_order(approval, ("on",), approval.on, last=today)


def check_assessments(register: RiskRegister) -> Iterator[Problem]:
    """K10, K11, K20: risks that were not assessed, whose target is above today, or whose score rests on nothing."""
    scale = register.scale
    for one in _assessable(register):
        if (current := one.current) is not None and (missing := current.unexplained()):
            yield Problem(one.where("current"), "K10", {"id": one.id, "missing": missing}, Severity.WARNING)
        target, today = rank(scale.level(one.target)), rank(scale.level(one.current))
        if one.target is not None and target > today > 0:
            facts = {"id": one.id, "target": _level(register, one.target), "current": _level(register, one.current)}
            yield Problem(one.where("target"), "K11", facts, Severity.WARNING)
        last = one.assessments[-CONFIRMED:]
        if (
            len(last) == CONFIRMED == len({each.on for each in last})
            and len({(each.agreed.likelihood, each.agreed.whole) for each in last}) == 1
            and not any(each.evidence for each in last[1:])
        ):
            place = one.where("assessments", len(one.assessments) - 1)
            yield Problem(place, "K20", {"id": one.id, "times": CONFIRMED}, Severity.NOTE)


def check_statements(register: RiskRegister) -> Iterator[Problem]:
    """K18: what is called an event is a topic."""
    for one in register.risks:
        if one.statement is not None and one.is_open and _is_topic(one.statement.event, one.statement.cause):
            yield Problem(one.where("statement", "event"), "K18", {"id": one.id}, Severity.WARNING)


def check_treatment(register: RiskRegister) -> Iterator[Problem]:
    """K12, K13, K14, K16: what is credited or promised, and is not there."""
    scale = register.scale
    for one in _assessable(register):
        controls = register.controls_of(one)
        active = [each for each in controls if each.status == "active"]
        before = max(rank(scale.level(one.inherent)), rank(scale.level(one.current)))
        if one.residual is not None and 0 < rank(scale.level(one.residual)) < before and not active:
            yield Problem(one.where("residual"), "K12", {"id": one.id}, Severity.ERROR)
        yield from _twice(register, one)
        for at, id_ in enumerate(one.controls):
            found = register.control.get(id_)
            if found is not None and found.status in ("degraded", "retired"):
                facts = {"id": one.id, "control": id_, "status": Key(f"risks.control-status.{found.status}")}
                yield Problem(one.where("controls", at), "K14", facts, Severity.WARNING)
        if register.is_above_appetite(one) and one.status != "accepted" and not _is_dated(register, one):
            facts = {"id": one.id, "level": _level(register, one.left), "appetite": _named(register.appetite(one))}
            yield Problem(one.at, "K16", facts, Severity.WARNING)


def check_reviews(register: RiskRegister) -> Iterator[Problem]:
    """K15: risks that nobody has looked at for too long."""
    for one in _assessable(register):
        due = register.review_due(one)
        if register.is_overdue(one):
            yield Problem(one.where("review", "last"), "K15", {"id": one.id, "due": due}, Severity.WARNING)


def check_acceptances(register: RiskRegister) -> Iterator[Problem]:
    """K21 to K26: acceptances that are missing, over, or bind nobody."""
    for one in register.risks:
        accepted = one.acceptance
        if one.status == "accepted" and accepted is None:
            yield Problem(one.where("status"), "K21", {"id": one.id})
        if accepted is None or not one.is_open:
            continue
        place = one.where("acceptance", "expires")
        if accepted.expires < register.today:
            yield Problem(place, "K22", {"id": one.id, "expires": accepted.expires})
        elif accepted.expires <= WARNS_BEFORE.after(register.today):
            yield Problem(place, "K23", {"id": one.id, "expires": accepted.expires}, Severity.WARNING)
        if accepted.accepted_state != state_of(one):
            yield Problem(one.where("acceptance", "accepted_state"), "K24", {"id": one.id})
        approver, level = one.where("acceptance", "approver"), register.level_to_accept(one)
        if level is not None and not register.may_accept(accepted.approver, level):
            facts = {"id": one.id, "approver": accepted.approver, "level": _named(level)}
            yield Problem(approver, "K25", facts)
        if one.owner is not None and are_one(register, accepted.approver, one.owner):
            yield Problem(approver, "K26", {"id": one.id, "approver": accepted.approver}, Severity.WARNING)


def check_controls(register: RiskRegister) -> Iterator[Problem]:
    """K30 to K33: controls that nothing shows to work, or that hold nothing down; risks that nothing holds down."""
    used = {id_ for one in register.risks for id_ in one.controls}
    for one in register.controls:
        if one.status == "active" and not one.evidence:
            yield Problem(one.where("status"), "K30", {"id": one.id}, Severity.WARNING)
        shown = [each for each in one.evidence if each.valid_until is None or each.valid_until >= register.today]
        if one.is_in_place and one.evidence and not shown:
            last = max(each.valid_until for each in one.evidence if each.valid_until is not None)
            yield Problem(one.where("evidence"), "K31", {"id": one.id, "until": last}, Severity.WARNING)
        if one.is_in_place and one.test is not None and (one.test.due is None or one.test.due < register.today):
            facts = {"id": one.id, "due": one.test.due or Key("risks.never")}
            yield Problem(one.where("test"), "K32", facts, Severity.WARNING)
        if one.id not in used and one.status != "retired":
            yield Problem(one.at, "K33", {"id": one.id, "what": Key("risks.lone-control")}, Severity.NOTE)
    for risk in _assessable(register):
        if risk.treatment == "mitigate" and not risk.controls:
            yield Problem(risk.at, "K33", {"id": risk.id, "what": Key("risks.lone-risk")}, Severity.WARNING)


def check_tasks(register: RiskRegister) -> Iterator[Problem]:
    """K05, K06, K17: what is to be done, whoever asked for it."""
    return check_actions(register.actions, register.today)


CHECKS: Final[tuple[Callable[[RiskRegister], Iterator[Problem]], ...]] = (
    check_completeness,
    check_scale,
    check_categories,
    check_numbers,
    check_days,
    check_assessments,
    check_statements,
    check_treatment,
    check_reviews,
    check_acceptances,
    check_controls,
    check_tasks,
)
"""Every check of this domain. A new check is a new line."""


def check_risks(register: RiskRegister) -> Iterator[Problem]:
    """All that is to be mended in a register of risks, check by check."""
    return (problem for check in CHECKS for problem in check(register))


def _assessable(register: RiskRegister) -> Iterator[Risk]:
    return (one for one in register.risks if one.is_open and one.status != "preliminary")


def _level(register: RiskRegister, found: Assessed | None) -> Key:
    return _named(register.scale.level(found))


def _named(level: object) -> Key:
    return Key(f"risks.level.{level}" if level else "risks.level.none")


def _is_topic(event: str, cause: str) -> bool:
    words = re.findall(r"\w+", event)
    return len(words) < EVENT_WORDS or event.casefold() == cause.casefold()


def _twice(register: RiskRegister, one: Risk) -> Iterator[Problem]:
    """K13: what is in place is also still to come: under one title, as two controls or as a control and an action."""
    there = {each.title.casefold(): each.id for each in register.controls_of(one) if each.is_in_place}
    coming = [(each.title, each.id) for each in register.controls_of(one) if each.status in ("planned", "implementing")]
    coming += [(each.title, each.id) for each in register.actions_of(one) if each.is_open]
    for title, id_ in coming:
        if (found := there.get(title.casefold())) is not None:
            yield Problem(one.at, "K13", {"id": one.id, "there": found, "planned": id_}, Severity.WARNING)
    for at, id_ in enumerate(one.controls):
        if id_ in one.controls[:at]:
            yield Problem(one.where("controls", at), "K13", {"id": one.id, "there": id_, "planned": id_},
                          Severity.WARNING)  # fmt: skip


def _is_dated(register: RiskRegister, one: Risk) -> bool:
    return any(each.is_open and each.due is not None for each in register.actions_of(one))


def are_one(register: RiskRegister, approver: str, owner: str) -> bool:
    """Whether the one who decides is the one who answers for it: by name, or as the only people behind two roles."""
    if approver == owner:
        return True
    decides = {person.id for person in register.people.held_by(approver, register.today)}
    answers = {person.id for person in register.people.held_by(owner, register.today)}
    return bool(decides) and decides == answers
