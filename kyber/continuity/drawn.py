"""The graph of needs as a drawing: the register and the words in, boxes and lines out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from kyber.continuity.graph import Graph
from kyber.continuity.recovery import Recovery
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.continuity.worded import NONE, doubts, late_in_words, length
from kyber.render.graphs import Box, Drawing, Edge, Link, Mark
from kyber.text import Words

MOST: Final = 60
"""How many services a picture has room for."""


def drawing(register: ContinuityRegister, title: str, id_: str | None, words: Words, most: int = MOST) -> Drawing:
    """All services, or one and what is around it. Where there are too many, what comes first by `Graph.rank`, with all
    that it needs; or what is nearest."""
    graph = register.graph
    wanted = _around(graph, id_) if id_ is not None else sorted(graph.services, key=graph.rank)
    shown = sorted(wanted[:most])
    boxes = tuple(_box(graph.services[one], register.recoveries[one], words) for one in shown)
    late = sum(box.mark is Mark.GAP for box in boxes)
    notes = [words.many("graph.left-out", len(wanted) - len(shown))] if len(shown) < len(wanted) else []
    told = (box for box in boxes if box.mark is Mark.GAP)
    edges = tuple(_edges(register, frozenset(shown)))
    used = {edge.link for edge in edges}
    return Drawing(
        title=title,
        described=" ".join(
            (
                words.many("graph.drawn", len(boxes)),
                late_in_words(late, len(boxes), words),
                *(f"{box.name}: {'; '.join(box.lines)}." for box in told),
            )
        ),
        boxes=boxes,
        edges=edges,
        marks=tuple((mark, words(f"graph.mark.{mark}")) for mark in Mark),
        links=tuple((link, words(f"graph.link.{link}")) for link in Link if link in used),
        left=words("graph.left"),
        right=words("graph.right"),
        notes=tuple(notes),
    )


def _around(graph: Graph, id_: str) -> Sequence[str]:
    """A service, all that it rests on and all that rests on it: the nearest first."""
    needs = {one: [each.id for need in found for each in need.either] for one, found in graph.needs.items()}
    far = _distances(id_, lambda one: graph.consumers[one]) | _distances(id_, lambda one: needs[one])
    return sorted(far, key=lambda one: (far[one], graph.rank(one)))


def _distances(start: str, steps: Callable[[str], Iterable[str]]) -> dict[str, int]:
    far = {start: 0}
    queue = [start]
    for one in queue:
        for each in steps(one):
            if each not in far:
                far[each] = far[one] + 1
                queue.append(each)
    return far


def _box(one: Service, found: Recovery, words: Words) -> Box:
    rto = NONE if found.objective is None else length(found.objective, words)
    achievable = length(found.achievable, words)
    open_ = any(doubt != "guess" for doubt in doubts(found))
    key = "late" if found.gap else "reached" if not open_ else "at-least" if found.achievable else "unknown"
    lines = (
        one.id,
        words("graph.box.objective", criticality=one.criticality or NONE, rto=rto),
        words(f"graph.box.{key}", time=achievable, gap=length(found.gap or 0, words)),
    )
    return Box(one.id, one.name, lines, _mark(found))


def _mark(found: Recovery) -> Mark:
    if found.objective is None:
        return Mark.NONE
    if found.gap:
        return Mark.GAP
    return Mark.DOUBT if any(doubts(found)) else Mark.FINE


def _edges(register: ContinuityRegister, shown: frozenset[str]) -> Iterator[Edge]:
    graph = register.graph
    closing = {circle.left_out for circle in graph.circles}
    for id_ in sorted(shown):
        path = register.recoveries[id_].path
        latest = path[-2].id if len(path) > 1 else None
        links: Mapping[str, Link] = {
            each.id: _link((id_, each.id) in closing, each.id == latest, len(need.either) > 1)
            for need in graph.needs[id_]
            for each in need.either
            if each.id in shown
        }
        for need_id, link in links.items():
            yield Edge(need_id, id_, link)


def _link(is_closing: bool, is_latest: bool, has_other: bool) -> Link:
    if is_closing:
        return Link.CIRCLE
    if is_latest:
        return Link.LATEST
    return Link.EITHER if has_other else Link.NEED
