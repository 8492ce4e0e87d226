"""This domain's part of the report: the register and the last report in; rows, a picture, numbers out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from kyber.continuity.drawn import drawing
from kyber.continuity.exercise import Exercise
from kyber.continuity.plan import Plan
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.continuity.worded import length
from kyber.document import Block, Chart, Line, Paragraph, Piece, Row, linked, row, said
from kyber.privacy import mask
from kyber.render.graphs import svg
from kyber.render.money import whole_day
from kyber.render.parts import table_of
from kyber.render.safe import every_text
from kyber.text import Words

SHOWN: Final = 4
"""How many services stand on the first page."""
DRAWN: Final = 24
"""How many services the picture of the report has room for."""
NONE: Final = "–"


@dataclass(frozen=True, kw_only=True)
class ContinuityView:
    """What the report knows of services. `risks`: the ids of open risks that touch a service, by its id."""

    register: ContinuityRegister
    before: Mapping[str, str] | None
    risks: Mapping[str, Sequence[str]]
    anchors: Mapping[str, str]
    words: Words
    safe: Callable[[str], str] = mask
    """What is done with texts before they are drawn, as a picture may shorten them."""

    @cached_property
    def critical(self) -> tuple[Service, ...]:
        """The critical services: those that are back too late or lose too much first, then by criticality."""
        found = [one for one in self.register.services if one.is_critical]
        return tuple(
            sorted(found, key=lambda one: (not self.is_short(one), one.criticality or 9, -self.gap(one), one.id))
        )

    @cached_property
    def shown(self) -> tuple[Service, ...]:
        """Those of the annex: the critical ones, and others that fall short of their objective."""
        critical = {one.id for one in self.critical}
        others = (one for one in self.register.services if one.id not in critical and self.is_short(one))
        return (*self.critical, *sorted(others, key=lambda one: (one.criticality or 9, one.id)))

    def name(self, id_: str) -> str:
        """What a service is called; one that is not there as it is written."""
        found = self.register.graph.services.get(id_)
        return found.name if found else id_

    def gap(self, one: Service) -> int:
        """By how many seconds it is back later than its objective."""
        return self.register.recoveries[one.id].gap or 0

    def is_short(self, one: Service) -> bool:
        """Whether it is back too late or loses too much."""
        return bool(self.gap(one)) or self.register.loses(one)


def anchor(id_: str) -> str:
    """What links to a service lead to."""
    return f"service-{id_}"


def values(view: ContinuityView) -> Iterator[tuple[str, str]]:
    """What the next report compares itself with."""
    for one in sorted(view.critical, key=lambda each: each.id):
        yield f"name.{one.id}", one.name
        yield f"gap.{one.id}", str(view.gap(one))
    for each in view.register.exercises:
        yield f"title.{each.id}", each.title
        yield f"exercise.{each.id}", each.result or "planned"
    yield "services.critical", str(len(view.critical))
    yield "services.late", str(sum(bool(view.gap(one)) for one in view.critical))
    yield "services.unplanned", str(sum(not view.register.plans_of(one) for one in view.critical))


def _nothing(view: ContinuityView) -> Paragraph:
    """That there are no services, or none that may be shown."""
    key = "none" if view.register.reckoned is None else "withheld"
    return Paragraph(said(view.words(f"report.services.{key}")))


def in_short(view: ContinuityView) -> tuple[Block, ...]:
    """The critical services, those with gaps first."""
    words = view.words
    if not view.register.services:
        return (_nothing(view),)
    late = sum(bool(view.gap(one)) for one in view.critical)
    total = words.number(len(view.critical))
    shown = view.critical[:SHOWN]
    last = view.register.last_exercise
    rows = tuple(
        row(
            said(one.name, anchor(one.id)),
            words("report.recovery", rto=_of_objective(view, one), rpo=_loss(view, one)),
            _exercised(view, last(one), view.register.measured(one)),
        )
        for one in shown
    )
    heads = ("service", "recovery", "exercised")
    blocks: list[Block] = [
        Paragraph(said(words.many("report.services.late", late, all=total))),
        table_of("services", heads, rows, words, {"service": 3, "recovery": 4, "exercised": 3}),
    ]
    if len(view.critical) > len(shown):
        more = words.many("report.more", len(view.critical) - len(shown))
        blocks.append(Paragraph(said(more, "services-all"), "note"))
    return tuple(blocks)


def gaps(view: ContinuityView) -> tuple[Block, ...]:
    """The critical services and all that fall short, with their plans, exercises and risks; and what they need."""
    words, register = view.words, view.register
    if not register.services:
        return (_nothing(view),)
    rows = tuple(
        row(
            said(one.name),
            *_cells(view, one),
            linked((each.id, f"plan-{each.id}") for each in register.plans_of(one)),
            linked((id_, view.anchors.get(f"risk-{id_}", "")) for id_ in view.risks.get(one.id, ())),
            anchor=anchor(one.id),
        )
        for one in view.shown
    )
    heads = ("service", "criticality", "rto", "achievable", "rpo", "exercised", "plans", "risks")
    table = table_of(
        "services-all", heads, rows, words, {"service": 4, "exercised": 3, "achievable": 2, "rpo": 2, "risks": 2}
    )
    left = len(register.services) - len(view.shown)
    title = words("report.graph.title")
    drawn = every_text(drawing(register, title, None, words, DRAWN), view.safe)
    return (
        table,
        *((Paragraph(said(words.many("report.services.others", left)), "note"),) if left else ()),
        Chart(title=title, svg=svg(drawn), described=drawn.described),
    )


def plans(view: ContinuityView) -> tuple[Block, ...]:
    """The plans, and the exercises that were held or are planned."""
    words, register = view.words, view.register
    plan_rows = tuple(_plan(view, one) for one in sorted(register.plans, key=lambda each: each.id))
    held = sorted(register.exercises, key=lambda each: (each.date, each.id), reverse=True)
    plan_heads = ("plan", "type", "owner", "approved", "review", "services", "exercised")
    heads = ("exercise", "type", "day", "result", "covers")
    return (
        table_of("plans", plan_heads, plan_rows, words, {"plan": 4, "owner": 2, "services": 2, "exercised": 2}),
        table_of("exercises", heads, tuple(_exercise(view, one) for one in held), words, {"exercise": 4, "covers": 3}),
    )


def _plan(view: ContinuityView, one: Plan) -> Row:
    words, register = view.words, view.register
    due, last = one.review_due, register.last_exercise(one)
    late = words("report.late-mark") if due is not None and due < register.today else ""
    return row(
        said(f"{one.id} {one.title}"),
        words(f"continuity.plan-type.{one.type}"),
        register.people.shown(one.owner),
        whole_day(one.approved.on, words) if one.approved else words("continuity.not-approved"),
        f"{whole_day(due, words)}{late}" if due else NONE,
        linked((view.name(id_), view.anchors.get(f"service-{id_}", "")) for id_ in one.services),
        said(f"{whole_day(last.date, words)} {last.id}", f"exercise-{last.id}") if last else words("continuity.never"),
        anchor=f"plan-{one.id}",
    )


def _exercise(view: ContinuityView, one: Exercise) -> Row:
    words = view.words
    covers = [*((id_, f"plan-{id_}") for id_ in one.plans)]
    covers += [(view.name(id_), view.anchors.get(f"service-{id_}", "")) for id_ in one.services]
    return row(
        said(f"{one.id} {one.title}"),
        words(f"continuity.exercise-type.{one.type}"),
        whole_day(one.date, words),
        words(f"continuity.result.{one.result or 'planned'}"),
        linked(covers),
        anchor=f"exercise-{one.id}",
    )


def _cells(view: ContinuityView, one: Service) -> tuple[str | Line, ...]:
    """Criticality; what is asked and what can be reached; what can be lost; the last exercise and what it measured."""
    words, register = view.words, view.register
    return (
        str(one.criticality or NONE),
        words.duration(one.rto) if one.rto else NONE,
        achievable(view, one),
        _loss(view, one),
        _exercised(view, register.last_exercise(one), register.measured(one)),
    )


def achievable(view: ContinuityView, one: Service) -> str:
    """How soon it can be back; a sign where that is too late, and where it may take longer still."""
    words, found = view.words, view.register.recoveries[one.id]
    if found.is_open and not found.gap:
        return words("report.not-known")
    time = length(found.achievable, words)
    time = words("graph.at-least", time=time) if found.is_open else time
    return f"{time}{words('report.late-mark')}" if found.gap else time


def _of_objective(view: ContinuityView, one: Service) -> str:
    words = view.words
    return words("report.rto.both", rto=one.rto, time=achievable(view, one)) if one.rto else NONE


def _loss(view: ContinuityView, one: Service) -> str:
    words, loss = view.words, view.register.losses[one.id].largest
    if one.rpo is None:
        return NONE
    if loss is None:
        return words("report.rpo.unknown", rpo=one.rpo)
    key = "report.rpo.short" if view.register.loses(one) else "report.rpo.fine"
    return words(key, rpo=one.rpo, loss=length(loss, words))


def _exercised(view: ContinuityView, last: Exercise | None, measured: Exercise | None) -> Line:
    words = view.words
    if last is None:
        return said(words("continuity.never"))
    pieces = [Piece(f"{whole_day(last.date, words)} {last.id}", f"exercise-{last.id}")]
    if measured is not None and measured.measured is not None and (took := measured.measured.rto) is not None:
        pieces.append(Piece(words("report.measured", time=length(round(took.total_seconds()), words))))
    return tuple(pieces)
