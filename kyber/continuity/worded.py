"""What the graph of needs says, for a reader: the register in, tables, a tree, lines and records for programs out.

Texts of the register are as they stand there; who shows them masks them first.
"""

from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, Final

from kyber.continuity.graph import Graph, Stop
from kyber.continuity.recovery import Leg, Recovery, Restored
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service, by_criticality
from kyber.duration import Duration
from kyber.people import People
from kyber.render.sheet import Column, Sheet
from kyber.text import Words

if TYPE_CHECKING:
    from kyber.continuity.restoring import Restoration, Up  # loads numpy

NONE: Final = "–"
DEEPEST: Final = 40
"""Levels of needs that a tree shows."""
STEP: Final = 3
"""Letters by which a level is set in."""
LATEST: Final = "◄"
"""Marks the critical path."""
_FINE: Final = ((2 * 86_400, 3_600), (3_600, 300), (0, 60))
"""From how many seconds on a simulated time is told to which step."""


def length(seconds: int, words: Words) -> str:
    """A time as people say it."""
    return words.duration(Duration(seconds=seconds)) or words.many("unit.minute", 0)


def roughly(seconds: float, words: Words) -> str:
    """A simulated time, no finer than it is known."""
    step = next(step for least, step in _FINE if seconds >= least)
    return length(round(seconds / step) * step, words)


def named(service: Service) -> str:
    return f"{service.id} {service.name}"


# --- what stops ------------------------------------------------------------------------------------------------------


def impact_sheet(graph: Graph, people: People, id_: str, words: Words) -> Sheet:
    """What stops when a service stops, by generation, and itself first; with how work goes on and who tells whom."""
    heads = ("after", "service", "through", "criticality", "rto", "fallback", "told")
    wide = {"service": 3, "fallback": 4, "told": 4}
    stops = (Stop(id_, 0, (id_,)), *graph.impact(id_))
    rows = []
    for stop in stops:
        one = graph.services[stop.id]
        rows.append((
            str(stop.generation),
            named(one),
            stop.path[-2] if stop.generation else NONE,
            str(one.criticality or NONE),
            _span(one.rto, words),
            _fallback(one, words),
            _told(people, one, words),
        ))  # fmt: skip
    return Sheet(tuple(Column(words(f"graph.head.{head}"), weight=wide.get(head, 0)) for head in heads), tuple(rows))


def impact_records(graph: Graph, id_: str) -> Iterator[Mapping[str, Any]]:
    """The same for a program; times in seconds."""
    for stop in (Stop(id_, 0, (id_,)), *graph.impact(id_)):
        one = graph.services[stop.id]
        yield {
            "id": stop.id,
            "name": one.name,
            "generation": stop.generation,
            "path": list(stop.path),
            "criticality": one.criticality,
            "patient_safety": one.patient_safety,
            "rto": _seconds(one.rto),
            "mtpd": _seconds(one.mtpd),
            "fallback": None
            if one.manual_fallback is None
            else {"how": one.manual_fallback.how, "max_duration": _seconds(one.manual_fallback.max_duration)},
            "told": [
                {"who": each.who, "to": each.to, "how": each.how, "within": _seconds(each.within)}
                for each in one.communication
            ],
        }


def impact_notes(graph: Graph, id_: str, words: Words) -> Iterator[str]:
    """How many stop, and how many of them are critical."""
    stops = [graph.services[stop.id] for stop in graph.impact(id_)]
    if not stops:
        yield words("graph.impact.none", service=id_)
        return
    yield words.many("graph.impact.count", len(stops), service=id_)
    if critical := sum(one.is_critical for one in stops):
        yield words.many("graph.impact.critical", critical)
    if bare := [one.id for one in stops if one.is_critical and one.manual_fallback is None]:
        yield words.many("graph.impact.bare", len(bare), ids=tuple(bare))


def _fallback(one: Service, words: Words) -> str:
    if one.manual_fallback is None:
        return NONE
    return words("graph.fallback", how=one.manual_fallback.how, longest=one.manual_fallback.max_duration)


def _told(people: People, one: Service, words: Words) -> str:
    shown = people.shown
    tells = [
        words("graph.tells", who=shown(each.who), to=shown(each.to), how=each.how, within=each.within)
        for each in one.communication
    ]
    return "; ".join(tells) or NONE


# --- recovery --------------------------------------------------------------------------------------------------------


def recovery_sheet(register: ContinuityRegister, words: Words) -> Sheet:
    """How soon each service can be back, the most critical first."""
    heads = ("service", "criticality", "rto", "achievable", "gap", "path", "doubt")
    wide = {"service": 3, "path": 5, "doubt": 2}
    rows = []
    for one in by_criticality(tuple(register.graph.services.values())):
        found = register.recoveries[one.id]
        rows.append((
            named(one),
            str(one.criticality or NONE),
            _span(one.rto, words),
            _achievable(found, words),
            length(found.gap, words) if found.gap else NONE,
            " → ".join(leg.id for leg in found.path),
            ", ".join(words(f"graph.doubt.{doubt}") for doubt in doubts(found)) or NONE,
        ))  # fmt: skip
    return Sheet(tuple(Column(words(f"graph.head.{head}"), weight=wide.get(head, 0)) for head in heads), tuple(rows))


def recovery_notes(register: ContinuityRegister, words: Words) -> Iterator[str]:
    """How many services are late, and of how many it cannot be said."""
    found = register.recoveries.values()
    if not found:
        yield words("graph.none")
        return
    yield late_in_words(sum(bool(one.gap) for one in found), len(found), words)
    if open_ := sum(one.is_open for one in found):
        yield words.many("graph.recovery.open", open_)


def late_in_words(late: int, of: int, words: Words) -> str:
    """How many of so many services are back later than their RTO."""
    all_ = words.number(of)
    return words.many("graph.recovery.late", late, all=all_) if late else words("graph.recovery.in-time", all=all_)


def doubts(found: Recovery) -> Iterator[str]:
    """Why a time may be too short: `own`, `unknown`, `incomplete`, `guess`."""
    if found.own is None:
        yield "own"
    if found.unknown:
        yield "unknown"
    if found.is_incomplete:
        yield "incomplete"
    if found.is_guess:
        yield "guess"


def recovery_record(register: ContinuityRegister, id_: str) -> Mapping[str, Any]:
    """How soon a service can be back and what it loses, for a program; times in seconds."""
    found, loss = register.recoveries[id_], register.losses[id_]
    return {
        "id": id_,
        "name": register.graph.services[id_].name,
        "criticality": register.graph.services[id_].criticality,
        "rto": found.objective,
        "achievable": found.achievable,
        "gap": found.gap,
        "ready": found.ready,
        "own": found.own,
        "work_recovery_time": found.work,
        "serial": found.serial,
        "critical_path": [_leg(leg) for leg in found.path],
        "needs": [
            {
                **_leg(one.leg),
                "restore_order": one.restore_order,
                "begins": one.begins,
                "up": one.up,
                "was_up": one.was_up,
                "counts": one.counts,
            }
            for one in found.needs
        ],
        "doubts": list(doubts(found)),
        "unknown": list(found.unknown),
        "rpo": {
            "own": loss.own,
            "largest": loss.largest,
            "path": list(loss.path),
            "is_guess": loss.is_guess,
        },
        "single_points": list(register.graph.single_points(id_)),
        "hidden_points": list(register.graph.hidden_points(id_)),
    }


def recovery_lines(register: ContinuityRegister, id_: str, words: Words) -> Iterator[str]:
    """How soon a service can be back, as it is reckoned: the sum, and below it the tree of its needs."""
    graph, found, loss = register.graph, register.recoveries[id_], register.losses[id_]
    yield named(graph.services[id_])
    labels = [words(f"graph.sum.{key}") for key in ("ready", "own", "work", "achievable", "rto", "gap", "serial")]
    own = NONE if found.own is None else _taken(found.path[-1], words)
    values = [
        *(length(found.ready, words), own, length(found.work, words), _achievable(found, words)),
        NONE if found.objective is None else length(found.objective, words),
        length(found.gap, words) if found.gap else NONE,
        length(found.serial, words),
    ]
    widest = max(map(len, labels))
    for label, value in zip(labels, values, strict=True):
        yield f"  {label:<{widest}}  {value}"
    if loss.largest is not None:
        lost = length(loss.largest, words)
        yield words("graph.sum.loss", lost=lost, path=" → ".join(loss.path))
    if found.needs:
        yield ""
        yield words("graph.tree")
        yield from _tree(register, id_, "  ", {id_}, {leg.id for leg in found.path}, words)
    said = [words(f"graph.why.{doubt}", ids=found.unknown) for doubt in doubts(found)]
    if said:
        yield ""
        yield from said
    if hidden := graph.hidden_points(id_):
        yield ""
        yield words.many("graph.hidden", len(hidden), ids=hidden)


def _tree(
    register: ContinuityRegister, id_: str, before: str, seen: set[str], path: Set[str], words: Words
) -> Iterator[str]:
    """A line for each need, with its own needs below it where it stands first; marked where the path goes through."""
    needs = register.recoveries[id_].needs
    if needs and len(before) > DEEPEST * STEP:
        yield f"{before}└─ …"
        return
    for at, one in enumerate(needs, 1):
        is_last = at == len(needs)
        is_first = one.leg.id not in seen
        seen.add(one.leg.id)
        text = _branch(register, one, words)
        above = "" if is_first or not register.recoveries[one.leg.id].needs else f" {words('graph.tree.above')}"
        yield f"{before}{'└' if is_last else '├'}─ {text}{above}{f' {LATEST}' if one.leg.id in path else ''}"
        if is_first:
            yield from _tree(register, one.leg.id, f"{before}{' ' if is_last else '│'}  ", seen, path, words)


def _branch(register: ContinuityRegister, one: Restored, words: Words) -> str:
    name = named(register.graph.services[one.leg.id])
    order = f"{one.restore_order}. " if one.restore_order else ""
    if one.was_up:
        return words("graph.tree.was-up", name=f"{order}{name}")
    facts = {"begins": length(one.begins, words), "up": length(one.up, words), "taken": _taken(one.leg, words)}
    return words("graph.tree.need" if one.counts else "graph.tree.spare", name=f"{order}{name}", **facts)


def _taken(leg: Leg, words: Words) -> str:
    source = words(f"graph.source.{leg.source}")
    return source if leg.source == "unknown" else words("graph.taken", time=length(leg.seconds, words), source=source)


def _achievable(found: Recovery, words: Words) -> str:
    text = length(found.achievable, words)
    return words("graph.at-least", time=text) if found.is_open else text


def _leg(leg: Leg) -> Mapping[str, Any]:
    return {"id": leg.id, "seconds": leg.seconds, "source": leg.source}


# --- restoring -------------------------------------------------------------------------------------------------------


def restoration_sheet(graph: Graph, found: "Restoration", words: Words) -> Sheet:
    """When each service is back, in the order in which restoring usually begins."""
    heads = ("no", "service", "people", "begins", "p50", "p90", "rto", "within-rto", "within-mtpd")
    rows = tuple(
        (
            str(at),
            named(graph.services[one.id]),
            str(one.crew),
            roughly(one.begins, words),
            roughly(one.p50 + one.work, words),
            roughly(one.p90 + one.work, words),
            _span(graph.services[one.id].rto, words),
            _share(one.within_rto),
            _share(one.within_mtpd),
        )
        for at, one in enumerate(found.order, 1)
    )
    return Sheet(
        tuple(
            Column(words(f"graph.head.{head}"), right=head not in ("service",), weight=head == "service")
            for head in heads
        ),
        rows,
    )


def restoration_notes(found: "Restoration", words: Words) -> Iterator[str]:
    """When all are back, what was assumed, and what is never restored."""
    if found.order:
        whole = {"p50": roughly(found.p50, words), "p90": roughly(found.p90, words)}
        if found.crew is None:
            yield words("graph.whole.any", **whole)
        else:
            yield words.many("graph.whole.crew", found.crew, **whole)
    for key, ids in (("too-large", found.too_large), ("waiting", found.waiting)):
        if ids:
            yield words.many(f"graph.never.{key}", len(ids), ids=ids)
    if certain := [one for one in found.order if one.certain is not None]:
        yield words.many("graph.certain", len(certain), all=words.number(len(found.order)))
    if guesses := [one.id for one in certain if one.certain is not None and one.certain.is_guess]:
        yield words.many("graph.guesses", len(guesses), ids=tuple(guesses))
    if found.contradicted:
        pairs = tuple(
            words("graph.before", first=first, then=then, whose=id_) for id_, first, then in found.contradicted
        )
        yield words.many("graph.contradicted", len(pairs), orders=pairs)
    if found.order:
        yield words("graph.legend", runs=words.number(found.runs), seed=str(found.seed))
    else:
        yield words("graph.none")


def restoration_record(graph: Graph, found: "Restoration") -> Mapping[str, Any]:
    """The same for a program; times in seconds."""
    return {
        "runs": found.runs,
        "seed": found.seed,
        "crew": found.crew,
        "p50": round(found.p50),
        "p90": round(found.p90),
        "order": [_up(graph, one) for one in found.order],
        "too_large": list(found.too_large),
        "waiting": list(found.waiting),
        "contradicted": [{"for": id_, "first": first, "then": then} for id_, first, then in found.contradicted],
    }


def _up(graph: Graph, one: "Up") -> Mapping[str, Any]:
    return {
        "id": one.id,
        "name": graph.services[one.id].name,
        "crew": one.crew,
        "begins": round(one.begins),
        "p50": round(one.p50),
        "p90": round(one.p90),
        "work_recovery_time": one.work,
        "within_rto": one.within_rto,
        "within_mtpd": one.within_mtpd,
        "certain": None if one.certain is None else _leg(one.certain),
    }


def _share(share: float | None) -> str:
    """A share as whole per cents; 100 only where it is all of them."""
    if share is None:
        return NONE
    return f"{min(round(100 * share), 99) if share < 1 else 100} %"


def _span(span: Duration | None, words: Words) -> str:
    return NONE if span is None else words.duration(span)


def _seconds(span: Duration | None) -> int | None:
    return None if span is None else round(span.approximate_seconds)
