"""The register of continuity in the words of a language: services, plans and exercises, listed and each one whole."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from kyber.continuity.exercise import Exercise
from kyber.continuity.plan import Plan
from kyber.continuity.recovery import Recovery
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.duration import Duration
from kyber.people import People
from kyber.privacy import mask
from kyber.render.sheet import Column, Sheet
from kyber.text import Words

SERVICE_HEADS: Final = ("id", "criticality", "name", "owner", "rto", "achievable", "rpo", "mtpd", "plan", "exercised")
PLAN_HEADS: Final = ("id", "type", "title", "owner", "version", "approved", "review", "exercised", "copy")
EXERCISE_HEADS: Final = ("id", "date", "type", "title", "covers", "lead", "result")
ON_A_TERMINAL: Final = frozenset((*SERVICE_HEADS, *PLAN_HEADS, *EXERCISE_HEADS)) - {"owner", "mtpd", "lead"}
ON_A_NARROW_ONE: Final = ON_A_TERMINAL - {"plan", "version", "approved", "copy", "rpo", "type", "exercised"}
"""The columns that are shown where there is less room than in a file."""
WEIGHTS: Final = {"name": 2, "title": 3, "covers": 2}
"""How the columns that wrap share the room."""
NUMBERS: Final = frozenset(("criticality", "rto", "achievable", "rpo", "mtpd"))
LATE: Final = "!"
"""The sign of what does not hold, beside the value."""

Heads = frozenset[str] | None
Line = tuple[str, str]
"""A label and a text; a line without a label goes on with the one before."""


def services_listed(register: ContinuityRegister, services: Sequence[Service], words: Words, shown: Heads) -> Sheet:
    """One row a service, with the columns of SERVICE_HEADS that are shown; None: all of them."""
    return _sheet(SERVICE_HEADS, shown, [_service_cells(register, one, words) for one in services], words)


def plans_listed(register: ContinuityRegister, plans: Sequence[Plan], words: Words, shown: Heads) -> Sheet:
    """One row a plan, with the columns of PLAN_HEADS that are shown."""
    return _sheet(PLAN_HEADS, shown, [_plan_cells(register, one, words) for one in plans], words)


def exercises_listed(register: ContinuityRegister, exercises: Sequence[Exercise], words: Words, shown: Heads) -> Sheet:
    """One row an exercise, with the columns of EXERCISE_HEADS that are shown."""
    return _sheet(EXERCISE_HEADS, shown, [_exercise_cells(register, one, words) for one in exercises], words)


def service_record(register: ContinuityRegister, one: Service) -> Mapping[str, Any]:
    """A service for another program: its fields, and what follows from them under `computed`; times in seconds."""
    found, loss = register.recoveries[one.id], register.losses[one.id]
    last, measured = register.last_exercise(one), register.measured(one)
    return {
        **one.model_dump(mode="json", exclude_none=True),
        "computed": {
            "achievable_rto": found.achievable,
            "is_guess": found.is_guess or found.own is None,
            "gap": found.gap,
            "critical_path": [leg.id for leg in found.path],
            "achievable_rpo": loss.largest,
            "plans": [each.id for each in register.plans_of(one)],
            "last_exercise": last.id if last else None,
            "measured_by": measured.id if measured else None,
            "stops": register.graph.stops[one.id],
        },
    }


def plan_record(register: ContinuityRegister, one: Plan) -> Mapping[str, Any]:
    """A plan for another program: its fields, and what follows from them under `computed`."""
    last, due = register.last_exercise(one), one.review_due
    return {
        **one.model_dump(mode="json", exclude_none=True),
        "computed": {
            "review_due": due.isoformat() if due else None,
            "last_exercise": last.id if last else None,
        },
    }


def exercise_record(one: Exercise) -> Mapping[str, Any]:
    """An exercise for another program: its fields, and what was measured under `computed`, in seconds."""
    made: dict[str, Any] = {**one.model_dump(mode="json", exclude_none=True)}
    if one.measured is not None:
        made["computed"] = {"rto": _total(one.measured.rto), "rpo": _total(one.measured.rpo)}
    return made


def service_lines(register: ContinuityRegister, one: Service, words: Words) -> Iterator[Line]:
    """A service whole."""
    people, found, loss = register.people, register.recoveries[one.id], register.losses[one.id]
    if one.description:
        yield _label("description", words), mask(one.description)
    yield _label("owner", words), _who(people, one.owner)
    yield _label("tech-owner", words), _who(people, one.tech_owner)
    if one.criticality is not None:
        safety = f", {words('continuity.patient-safety')}" if one.patient_safety else ""
        yield _label("criticality", words), f"{one.criticality}{safety}"
    for field in ("mtpd", "rto", "rpo"):
        if (span := getattr(one, field)) is not None:
            yield _label(field, words), words.duration(span)
    yield _label("achievable", words), _achievable(found, words)
    if len(found.path) > 1:
        yield _label("path", words), " → ".join(leg.id for leg in found.path)
    if loss.largest is not None:
        yield _label("loss", words), f"{_span(loss.largest, words)} ({' → '.join(loss.path)})"
    yield from _measured(register, one, words)
    for need in one.depends_on:
        named = register.service.get(need.id)
        about = [words(f"continuity.need.{need.kind}"), *([f"{need.restore_order}."] if need.restore_order else [])]
        about += [need.either] if need.either else []
        yield _label("needs", words), f"{need.id}: {mask(named.name) if named else '?'} ({', '.join(about)})"
    if (stops := register.graph.stops[one.id]) > 0:
        yield _label("stops", words), words.many("continuity.stops", stops, id=one.id)
    for point in one.impact_curve or ():
        dimension = f"risks.dimension.{point.dimension}"
        named_so = words(dimension) if words.has(dimension) else point.dimension
        yield _label("impact", words), f"{words.duration(point.after)}: {mask(named_so)} {point.level}"
    if one.mbco:
        yield _label("mbco", words), mask(one.mbco)
    if (fallback := one.manual_fallback) is not None:
        text = words("continuity.fallback", how=mask(fallback.how), most=fallback.max_duration)
        yield _label("fallback", words), text
    if (backup := one.backup) is not None:
        tested = backup.last_restore_test or words("continuity.never")
        method = mask(backup.method) if backup.method else "–"
        yield _label("backup", words), words("continuity.backup", method=method, every=backup.interval, tested=tested)
    for message in one.communication:
        facts = {"who": _who(people, message.who), "to": mask(message.to), "how": mask(message.how)}
        yield _label("communication", words), words("continuity.tells", within=message.within, **facts)
    for plan in register.plans_of(one):
        yield _label("plans", words), f"{plan.id} {mask(plan.title)}"
    for exercise in register.exercises_of(one):
        yield (
            _label("exercises", words),
            f"{exercise.date} {exercise.id} {mask(exercise.title)} ({_result(exercise, words)})",
        )
    if one.hosts or one.log_sources:
        yield _label("watched", words), ", ".join((*one.hosts, *one.log_sources))
    if one.bia is not None:
        yield _label("bia", words), f"{one.bia.last}, {_who(people, one.bia.by)}"


def plan_lines(register: ContinuityRegister, one: Plan, words: Words) -> Iterator[Line]:
    """A plan whole."""
    yield _label("type", words), words(f"continuity.plan-type.{one.type}")
    yield _label("owner", words), _who(register.people, one.owner)
    approved = (
        f"{one.approved.on}, {_who(register.people, one.approved.by)}"
        if one.approved
        else words("continuity.not-approved")
    )
    yield _label("version", words), f"{one.version} ({approved})"
    due = one.review_due
    late = f" {LATE}" if due is not None and due < register.today else ""
    yield _label("review", words), f"{due or '–'}{late}"
    for id_ in one.services:
        named = register.service.get(id_)
        yield _label("services", words), f"{id_}: {mask(named.name) if named else '?'}"
    for text in one.activation:
        yield _label("activation", words), mask(text)
    for step in sorted(one.steps, key=lambda each: each.no):
        parts = [mask(part) for part in (step.when, step.where, step.how) if part]
        about = f" ({'; '.join(parts)})" if parts else ""
        by = f" ≤ {words.duration(step.target_time)}" if step.target_time else ""
        yield _label("steps", words), f"{step.no}. {_who(register.people, step.who)}: {mask(step.does)}{about}{by}"
    for contact in one.contacts:
        parts = [mask(part) for part in (contact.name, contact.phone, contact.email, contact.note) if part]
        yield _label("contacts", words), ", ".join(parts)
    copy = one.offline_copy
    yield _label("copy", words), f"{mask(copy.where)} ({copy.checked_on or words('continuity.never')})" if copy else "–"
    for exercise in register.exercises_of(one):
        yield (
            _label("exercises", words),
            f"{exercise.date} {exercise.id} {mask(exercise.title)} ({_result(exercise, words)})",
        )


def exercise_lines(register: ContinuityRegister, one: Exercise, words: Words) -> Iterator[Line]:
    """An exercise whole."""
    yield _label("type", words), words(f"continuity.exercise-type.{one.type}")
    yield _label("date", words), one.date.isoformat()
    yield _label("result", words), _result(one, words)
    yield _label("lead", words), _who(register.people, one.lead)
    if one.participants:
        yield _label("participants", words), ", ".join(_who(register.people, each) for each in one.participants)
    for id_ in one.plans:
        plan = register.plan.get(id_)
        yield _label("plans", words), f"{id_} {mask(plan.title) if plan else '?'}"
    if one.services:
        yield _label("services", words), ", ".join(one.services)
    if one.risks:
        yield _label("risks", words), ", ".join(one.risks)
    if one.scenario:
        yield _label("scenario", words), mask(one.scenario)
    for text in one.objectives:
        yield _label("objectives", words), mask(text)
    if one.measured is not None:
        for field, span in (("rto", one.measured.rto), ("rpo", one.measured.rpo)):
            if span is not None:
                yield _label(f"measured-{field}", words), _span(round(span.total_seconds()), words)
    for found in one.findings:
        yield _label("findings", words), f"{mask(found.what)}{f' → {found.action}' if found.action else ''}"


def _sheet(known: Sequence[str], shown: Heads, rows: Sequence[Mapping[str, str]], words: Words) -> Sheet:
    heads = [head for head in known if shown is None or head in shown]
    return Sheet(
        columns=tuple(
            Column(words(f"continuity.head.{head}"), right=head in NUMBERS, weight=WEIGHTS.get(head, 0))
            for head in heads
        ),
        rows=tuple(tuple(cells[head] for head in heads) for cells in rows),
    )


def _service_cells(register: ContinuityRegister, one: Service, words: Words) -> Mapping[str, str]:
    found, last = register.recoveries[one.id], register.last_exercise(one)
    return {
        "id": one.id,
        "criticality": str(one.criticality or "–"),
        "name": mask(one.name),
        "owner": register.people.shown(one.owner) if one.owner else "–",
        "rto": words.duration(one.rto) if one.rto else "–",
        "achievable": _achievable(found, words),
        "rpo": f"{words.duration(one.rpo)}{f' {LATE}' if register.loses(one) else ''}" if one.rpo else "–",
        "mtpd": words.duration(one.mtpd) if one.mtpd else "–",
        "plan": " ".join(each.id for each in register.plans_of(one)) or "–",
        "exercised": last.date.isoformat() if last else "–",
    }


def _plan_cells(register: ContinuityRegister, one: Plan, words: Words) -> Mapping[str, str]:
    last, due, copy = register.last_exercise(one), one.review_due, one.offline_copy
    late = f" {LATE}" if due is not None and due < register.today else ""
    return {
        "id": one.id,
        "type": words(f"continuity.plan-type.{one.type}"),
        "title": mask(one.title),
        "owner": register.people.shown(one.owner),
        "version": one.version,
        "approved": one.approved.on.isoformat() if one.approved else "–",
        "review": f"{due}{late}" if due else "–",
        "exercised": last.date.isoformat() if last else "–",
        "copy": copy.checked_on.isoformat() if copy and copy.checked_on else "–",
    }


def _exercise_cells(register: ContinuityRegister, one: Exercise, words: Words) -> Mapping[str, str]:
    return {
        "id": one.id,
        "date": one.date.isoformat(),
        "type": words(f"continuity.exercise-type.{one.type}"),
        "title": mask(one.title),
        "covers": " ".join((*one.plans, *one.services)) or "–",
        "lead": register.people.shown(one.lead),
        "result": _result(one, words),
    }


def _measured(register: ContinuityRegister, one: Service, words: Words) -> Iterator[Line]:
    exercise = register.measured(one)
    if exercise is None or exercise.measured is None:
        return
    for field, span, objective in (
        ("rto", exercise.measured.rto, one.rto),
        ("rpo", exercise.measured.rpo, one.rpo),
    ):
        if span is not None:
            worse = objective is not None and span.total_seconds() > objective.approximate_seconds
            text = f"{_span(round(span.total_seconds()), words)}{f' {LATE}' if worse else ''}"
            yield _label(f"measured-{field}", words), f"{text} ({exercise.id} {exercise.date})"


def _achievable(found: Recovery, words: Words) -> str:
    if not found.achievable:
        return "–"
    return f"{'≥ ' if found.is_open else ''}{_span(found.achievable, words)}{f' {LATE}' if found.gap else ''}"


def _in_short(one: Exercise, words: Words) -> str:
    return f"{one.date} {one.id} {mask(one.title)} ({_result(one, words)})"


def _result(one: Exercise, words: Words) -> str:
    return words(f"continuity.result.{one.result or 'planned'}")


def _who(people: People, who: str | None) -> str:
    return mask(people.shown(who)) if who else "–"


def _span(seconds: int, words: Words) -> str:
    return words.duration(Duration(seconds=seconds)) or words("continuity.at-once")


def _total(span: timedelta | None) -> int | None:
    return None if span is None else round(span.total_seconds())


def _label(key: str, words: Words) -> str:
    return words(f"continuity.label.{key}")
