"""The checks of the register of continuity: plain functions in a list, each a register in, what is to be mended out."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from kyber.continuity.exercise import YEARLY, Exercise
from kyber.continuity.plan import state_of
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import lacking
from kyber.duration import Duration
from kyber.problem import Problem, Severity
from kyber.register import off_scale, out_of_order
from kyber.text import Key

NAMED: Final = 6
"""How many services are named at either end of a longer path."""
MEASURED: Final = 1
"""The criticality for which an estimate of what can be reached is not enough."""


def check_completeness(register: ContinuityRegister) -> Iterator[Problem]:
    """K80: what a service has to say once its impact was analysed."""
    for one in register.services:
        if one.bia is not None:
            for field in lacking(one):
                yield Problem(one.at, "K80", {"field": field})


def check_scale(register: ContinuityRegister) -> Iterator[Problem]:
    """K07: dimensions and classes of impact that the settings do not have."""
    dimensions, classes = register.settings.scales.impact, len(register.settings.matrix[0])
    for one in register.services:
        for at, point in enumerate(one.impact_curve or ()):
            if point.dimension not in dimensions:
                yield off_scale(one, ("impact_curve", at, "dimension"), point.dimension, dimensions)
            if point.level > classes:
                yield off_scale(one, ("impact_curve", at, "level"), point.level, f"1–{classes}")


def check_days(register: ContinuityRegister) -> Iterator[Problem]:
    """K06: days in the future, an exercise that ended before it was held, times in the wrong order."""
    today = register.today
    for service in register.services:
        if service.bia is not None:
            yield from out_of_order(service, ("bia", "last"), service.bia.last, last=today)
        if (backup := service.backup) is not None:
            yield from out_of_order(service, ("backup", "last_restore_test"), backup.last_restore_test, last=today)
    for plan in register.plans:
        if plan.approved is not None:
            yield from out_of_order(plan, ("approved", "on"), plan.approved.on, last=today)
        yield from out_of_order(plan, ("review", "last"), plan.review.last, last=today)
        if plan.offline_copy is not None:
            yield from out_of_order(plan, ("offline_copy", "checked_on"), plan.offline_copy.checked_on, last=today)
    for exercise in register.exercises:
        if exercise.is_held:
            yield from out_of_order(exercise, ("date",), exercise.date, last=today)
        yield from _measured_in_order(exercise, register.settings.zone)


def check_objectives(register: ContinuityRegister) -> Iterator[Problem]:
    """K41: an RTO above the longest that can be borne. K49: a fallback that ends before the service is back."""
    for one in register.services:
        if one.rto is None:
            continue
        if one.mtpd is not None and _longer(one.rto, one.mtpd):
            yield Problem(one.where("rto"), "K41", {"id": one.id, "rto": one.rto, "mtpd": one.mtpd})
        fallback = one.manual_fallback
        if fallback is not None and _longer(one.rto, fallback.max_duration):
            facts = {"id": one.id, "fallback": fallback.max_duration, "rto": one.rto}
            yield Problem(one.where("manual_fallback", "max_duration"), "K49", facts, Severity.WARNING)


def check_contracts(register: ContinuityRegister) -> Iterator[Problem]:
    """K43: a supplier that has promised less than the service needs, and nothing stands in for it."""
    for one in register.services:
        if one.rto is None:
            continue
        slow = [
            (at, need)
            for at, need in enumerate(one.depends_on)
            if need.rto_contract is not None and _longer(need.rto_contract, one.rto)
        ]
        late = {need.id for _, need in slow}
        enough = {need.either for need in one.depends_on if need.rto_contract is not None and need.id not in late}
        for at, need in slow:
            if need.either is None or need.either not in enough:
                facts = {"id": one.id, "need": need.id, "contract": need.rto_contract, "rto": one.rto}
                yield Problem(one.where("depends_on", at, "rto_contract"), "K43", facts, Severity.WARNING)


def check_measured(register: ContinuityRegister) -> Iterator[Problem]:
    """K44: what was measured is worse than the objective. K45: an estimate where only what was measured will do."""
    for one in register.services:
        capability, last = one.capability, register.measured(one)
        if last is not None and last.measured is not None:
            for field, found in (("rto", last.measured.rto), ("rpo", last.measured.rpo)):
                objective: Duration | None = getattr(one, field)
                if found is not None and objective is not None and found.total_seconds() > _seconds(objective):
                    facts = {"id": one.id, "field": field.upper(), "objective": objective}
                    facts |= {"measured": Duration(seconds=round(found.total_seconds())), "exercise": last.id}
                    yield Problem(one.where(field), "K44", facts, Severity.WARNING)
        elif capability is not None and capability.basis == "measured":
            for field in ("rto", "rpo"):
                reached, objective = getattr(capability, field), getattr(one, field)
                if reached is not None and objective is not None and _longer(reached, objective):
                    facts = {"id": one.id, "field": field.upper(), "objective": objective}
                    facts |= {"measured": reached, "exercise": "–"}
                    yield Problem(one.where("capability", field), "K44", facts, Severity.WARNING)
        is_guess = capability is None or capability.rto is None or capability.basis == "estimate"
        if one.criticality == MEASURED and one.bia is not None and is_guess and last is None:
            yield Problem(one.where("capability"), "K45", {"id": one.id}, Severity.WARNING)


def check_plans(register: ContinuityRegister) -> Iterator[Problem]:
    """K46: a critical service without a plan. K47: a plan not exercised for a year. K48: a plan not kept up."""
    today = register.today
    for service in register.services:
        if service.is_critical and not register.plans_of(service):
            facts = {"id": service.id, "criticality": service.criticality}
            yield Problem(service.where("criticality"), "K46", facts, Severity.WARNING)
    for plan in register.plans:
        last = register.last_exercise(plan)
        if last is None or YEARLY.after(last.date) < today:
            told: dict[str, object] = {"id": plan.id, "last": last.date if last else Key("continuity.never")}
            yield Problem(plan.at, "K47", told, Severity.WARNING)
        due, copy = plan.review_due, plan.offline_copy
        doubts: list[tuple[str, str, date | None]] = []
        if plan.approved is None:
            doubts.append(("version", "unapproved", None))
        elif plan.approved.state not in (None, state_of(plan)):
            doubts.append(("approved", "changed", None))
        if due is not None and due < today:
            doubts.append(("review", "review", due))
        if copy is None:
            doubts.append(("id", "no-copy", None))
        elif copy.checked_on is None or YEARLY.after(copy.checked_on) < today:
            doubts.append(("offline_copy", "copy", copy.checked_on))
        for field, why, day in doubts:
            told = {"id": plan.id, "why": Key(f"continuity.plan-lacks.{why}"), "day": day or "–"}
            yield Problem(plan.where(field), "K48", told, Severity.WARNING)


def check_analyses(register: ContinuityRegister) -> Iterator[Problem]:
    """K51: an impact analysis that is too old. K52: harm that is said to become smaller while a service is away."""
    for one in register.services:
        if one.bia is not None and YEARLY.after(one.bia.last) < register.today:
            facts = {"id": one.id, "last": one.bia.last}
            yield Problem(one.where("bia", "last"), "K51", facts, Severity.WARNING)
        highest: dict[str, tuple[int, Duration]] = {}
        points = sorted(enumerate(one.impact_curve or ()), key=lambda each: (_seconds(each[1].after), each[1].level))
        for at, point in points:
            before = highest.get(point.dimension)
            if before is not None and point.level < before[0]:
                facts = {"id": one.id, "dimension": point.dimension, "after": point.after, "before": before[1]}
                yield Problem(one.where("impact_curve", at, "level"), "K52", facts)
            else:
                highest[point.dimension] = point.level, point.after


def check_exercises(register: ContinuityRegister) -> Iterator[Problem]:
    """K53: an exercise that did not go well, of which nothing follows."""
    for one in register.exercises:
        if one.result in ("partial", "failed") and not any(each.action for each in one.findings):
            facts = {"id": one.id, "result": Key(f"continuity.result.{one.result}")}
            yield Problem(one.where("result"), "K53", facts, Severity.WARNING)


def check_graph(register: ContinuityRegister) -> Iterator[Problem]:
    """K05: services that need each other in a circle. K54: what is needed, alone, and less critical than who needs it.

    K50: what several critical services rest on without naming it, and nobody has a plan or an alternative for.
    """
    graph = register.graph
    for circle in graph.circles:
        one = graph.services[circle.ids[0]]
        path = _path((*circle.ids, circle.ids[0]))
        yield Problem(one.where("depends_on"), "K05", {"id": one.id, "field": path})
    for found in graph.weaker():
        if found.service.depends_on[found.index].either is not None:
            continue
        facts = {
            "id": found.service.id,
            "criticality": found.service.criticality,
            "need": found.need.id,
            "other": found.need.criticality,
        }
        yield Problem(found.service.where("depends_on", found.index), "K54", facts, Severity.WARNING)
    hidden: dict[str, list[str]] = {}
    for service in register.services:
        if service.is_critical:
            for id_ in graph.hidden_points(service.id):
                hidden.setdefault(id_, []).append(service.id)
    for id_, stopped in sorted(hidden.items()):
        one = graph.services[id_]
        if not one.is_critical and one.manual_fallback is None and not register.plans_of(one):
            told = {"id": id_, "services": tuple(_few(sorted(stopped)))}
            yield Problem(one.at, "K50", told, Severity.WARNING)


def check_recovery(register: ContinuityRegister) -> Iterator[Problem]:
    """K40: an RTO that what is needed does not allow. K42: an RPO that the backups, along the data, do not allow."""
    for service in register.graph.services.values():
        found, loss = register.recoveries[service.id], register.losses[service.id]
        if found.gap:
            facts = {
                "id": service.id,
                "rto": service.rto,
                "achievable": Duration(seconds=found.achievable),
                "path": _path([leg.id for leg in found.path]),
                "basis": Key("continuity.basis.guess" if found.is_guess else "continuity.basis.known"),
            }
            yield Problem(service.where("rto"), "K40", facts, Severity.WARNING)
        if service.rpo is not None and loss.largest is not None and register.loses(service):
            path = _path(loss.path)
            told = {"id": service.id, "rpo": service.rpo, "interval": Duration(seconds=loss.largest), "path": path}
            yield Problem(service.where("rpo"), "K42", told, Severity.WARNING)


CHECKS: Final[tuple[Callable[[ContinuityRegister], Iterator[Problem]], ...]] = (
    check_completeness,
    check_scale,
    check_days,
    check_objectives,
    check_contracts,
    check_measured,
    check_plans,
    check_analyses,
    check_exercises,
    check_graph,
    check_recovery,
)
"""Every check of the register. A new check is a new line."""


def check_continuity(register: ContinuityRegister) -> Iterator[Problem]:
    """All that is to be mended in the register of continuity, check by check."""
    return (problem for check in CHECKS for problem in check(register))


def _measured_in_order(one: Exercise, zone: ZoneInfo) -> Iterator[Problem]:
    found = one.measured
    if found is None:
        return
    for name in ("detected", "service_up"):
        moment: datetime | None = getattr(found, name)
        if moment is not None and moment < found.started:
            facts = {"field": f"measured.{name}", "day": _local(moment, zone), "limit": _local(found.started, zone)}
            yield Problem(one.where("measured", name), "K06", facts)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _path(ids: Sequence[str]) -> str:
    return " → ".join(_few(ids))


def _few(ids: Sequence[str]) -> Sequence[str]:
    """The first and the last of many."""
    return ids if len(ids) <= 2 * NAMED else (*ids[:NAMED], "…", *ids[-NAMED:])


def _seconds(span: Duration) -> float:
    return span.approximate_seconds


def _longer(one: Duration, other: Duration) -> bool:
    return _seconds(one) > _seconds(other)
