"""Restoring services with so many people, many times over: a graph in; when each is up, and in which order, out.

How long a service takes is lognormal through its p50 and p90: ln q(p) = μ + σ·z(p), with z the standard normal's
quantile (Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, ch. 14). Who begins next is taken from a
list (Graham, Bounds on multiprocessing timing anomalies, 1969): the first that has what it needs and for which people
are free. Each service draws from a stream of its own, which follows from the seed and its id.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from math import inf, log
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kyber.chance import stream
from kyber.continuity.graph import Graph, walked
from kyber.continuity.recovery import Leg, alone, seconds
from kyber.continuity.service import Service

RUNS: Final = 1_000
"""How often everything is restored unless more or fewer are asked for."""
SEED: Final = 20_260_101
"""What chance starts from unless something else is asked for."""
MOST: Final = 20_000_000
"""How many services are restored at most, over all runs."""

Z90: Final = NormalDist().inv_cdf(0.9)
"""The standard normal's 90th percentile."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """When a service is up, over all runs; seconds from the beginning."""

    id: str
    crew: int
    """How many people restoring it ties."""
    begins: float
    """When its restoring begins, at the median."""
    p50: float
    p90: float
    """By when it is up in half of the runs, and in nine of ten."""
    work: int
    """How long it takes to catch up on work after that."""
    within_rto: float | None
    within_mtpd: float | None
    """The share of the runs in which it is up, and the work caught up, in time; None where there is no such time."""
    certain: Leg | None
    """What was taken for certain, where nobody estimated how long restoring takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What restoring services takes."""

    order: tuple[Up, ...]
    """The services in the order in which their restoring usually begins."""
    p50: float
    p90: float
    """When all of them are up and the work caught up, in seconds."""
    too_large: tuple[str, ...]
    """What needs more people than there are, and is never restored."""
    waiting: tuple[str, ...]
    """What rests on those, and is never restored either."""
    contradicted: tuple[tuple[str, str, str], ...]
    """Orders that were left out since others, or the needs, say the opposite: for whom, what first, what then."""
    crew: int | None
    """How many people there are; None: as many as it takes."""
    runs: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Wait:
    """Something that a service waits for: one of these is enough."""

    either: tuple[str, ...]


def all_needed(graph: Graph, ids: Collection[str]) -> tuple[str, ...]:
    """These services and all that they rest on, also what could stand in; by id. Raises KeyError for an unknown id."""
    for id_ in ids:
        graph.services[id_]
    return tuple(id_ for id_ in graph.services if id_ in ids or not graph.resting[id_].isdisjoint(ids))


def restore(
    graph: Graph, ids: Collection[str] = (), crew: int | None = None, runs: int = RUNS, seed: int = SEED
) -> Restoration:
    """Restore these services, else all, and all that they need, so many times.

    A service begins when its needs are up, those of smaller `restore_order` are up before the others begin, and people
    are free. Those go first to what `Graph.rank` puts first.
    """
    chosen = all_needed(graph, ids) if ids else tuple(graph.services)
    too_large = tuple(id_ for id_ in chosen if crew is not None and _crew(graph.services[id_]) > crew)
    waiting = _waiting(graph, chosen, too_large)
    ranked = sorted(set(chosen) - {*too_large, *waiting}, key=graph.rank)
    waits = {id_: [_Wait(tuple(each.id for each in need.either)) for need in graph.straight[id_]] for id_ in ranked}
    before, contradicted = _orders(graph, frozenset(ranked))
    for later, others in before.items():
        waits[later] += others
    certain = alone(graph)
    length = np.array([_lengths(graph.services[id_], certain[id_], runs, seed) for id_ in ranked])
    length = length.reshape(len(ranked), runs)
    plan = _plan(ranked, waits, [_crew(graph.services[id_]) for id_ in ranked])
    begins = np.array([_run(plan, one, crew) for one in length.T.tolist()]).reshape(runs, len(ranked)).T
    ups = begins + length
    found = [_up(graph.services[id_], certain[id_], begins[at], ups[at]) for at, id_ in enumerate(ranked)]
    back = ups + np.array([_work(graph.services[id_]) for id_ in ranked]).reshape(-1, 1)
    whole = back.max(axis=0) if ranked else np.zeros(runs)
    p50, p90 = np.quantile(whole, (0.5, 0.9)).tolist()
    return Restoration(
        order=tuple(sorted(found, key=lambda one: one.begins)),
        p50=p50,
        p90=p90,
        too_large=too_large,
        waiting=waiting,
        contradicted=contradicted,
        crew=crew,
        runs=runs,
        seed=seed,
    )


def _crew(service: Service) -> int:
    return service.restore.crew if service.restore is not None else 1


def _work(service: Service) -> int:
    return seconds(service.work_recovery_time) if service.work_recovery_time else 0


def _waiting(graph: Graph, chosen: Sequence[str], too_large: Sequence[str]) -> tuple[str, ...]:
    """What never has what it needs, since all that stand in for each other are too large, or wait for such."""
    never = set(too_large)
    for id_ in graph.order:
        if any(all(each.id in never for each in need.either) for need in graph.straight[id_]):
            never.add(id_)
    return tuple(id_ for id_ in chosen if id_ in never and id_ not in too_large)


def _orders(graph: Graph, there: frozenset[str]) -> tuple[Mapping[str, list[_Wait]], tuple[tuple[str, str, str], ...]]:
    """What waits for what by `restore_order`; and which of these orders contradict each other or the needs.

    An order contradicts where it leads round in a circle with needs and other orders: where both its ends are in one
    strongly connected component. All orders of a component are left out.
    """
    wanted = list(_wanted(graph, there))
    component = _components(graph, [(first, then) for _, either, then in wanted for first in either])
    before: dict[str, list[_Wait]] = defaultdict(list)
    contradicted = []
    for id_, either, then in wanted:
        opposed = [first for first in either if component[first] == component[then]]
        if opposed:
            contradicted += [(id_, first, then) for first in opposed]
        else:
            before[then].append(_Wait(either))
    return before, tuple(contradicted)


def _wanted(graph: Graph, there: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """For each service: which of its needs, one of them is enough, come before which."""
    for id_, needs in graph.straight.items():
        if id_ not in there:
            continue
        by_number: dict[int, list[tuple[str, ...]]] = defaultdict(list)
        for need in needs:
            if need.restore_order is not None and (either := tuple(one.id for one in need.either if one.id in there)):
                by_number[need.restore_order].append(either)
        numbers = sorted(by_number)
        for number, following in pairwise(numbers):
            for either in by_number[number]:
                for then in dict.fromkeys(id_ for one in by_number[following] for id_ in one):
                    if then not in either:
                        yield id_, either, then


def _components(graph: Graph, orders: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The strongly connected components of needs and orders together: for each service one of its component.

    A walk in depth, and one against all needs and orders from what was left last (Sharir, A strong-connectivity
    algorithm and its applications in data flow analysis, 1981).
    """
    before = {id_: [each.id for need in needs for each in need.either] for id_, needs in graph.straight.items()}
    for first, then in orders:
        before[then].append(first)
    after: dict[str, list[str]] = {id_: [] for id_ in before}
    for id_, others in before.items():
        for other in others:
            after[other].append(id_)
    component: dict[str, str] = {}
    for start in reversed(walked(before)[0]):
        if start in component:
            continue
        component[start] = start
        queue = [start]
        for one in queue:
            for other in after[one]:
                if other not in component:
                    component[other] = start
                    queue.append(other)
    return component


def _lengths(service: Service, certain: Leg, runs: int, seed: int) -> Floats:
    """How long restoring a service takes in each run."""
    if service.restore is None:
        return np.full(runs, float(certain.seconds))
    p50, p90 = seconds(service.restore.p50), seconds(service.restore.p90)
    deviation = max(log(p90 / p50), 0.0) / Z90
    return p50 * np.exp(deviation * stream(seed, service.id, "restore").standard_normal(runs))


def _up(service: Service, certain: Leg, begins: Floats, ups: Floats) -> Up:
    work = _work(service)
    p50, p90 = np.quantile(ups, (0.5, 0.9)).tolist()
    rto, mtpd = (
        None if length is None else float(np.mean(ups + work <= seconds(length) + 1e-6))
        for length in (service.rto, service.mtpd)
    )
    return Up(
        id=service.id,
        crew=_crew(service),
        begins=float(np.median(begins)),
        p50=p50,
        p90=p90,
        work=work,
        within_rto=rto,
        within_mtpd=mtpd,
        certain=certain if service.restore is None else None,
    )


# --- one run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """Services by their place in the list, and what they wait for, by number."""

    crew: Sequence[int]
    """How many people each ties."""
    count: Sequence[int]
    """How many waits each has."""
    ends: Sequence[Sequence[int]]
    """The waits that a service ends when it is up."""
    whose: Sequence[int]
    """Who has each wait."""


def _plan(ranked: Sequence[str], waits: Mapping[str, Sequence[_Wait]], crew: Sequence[int]) -> _Plan:
    at = {id_: number for number, id_ in enumerate(ranked)}
    ends: list[list[int]] = [[] for _ in ranked]
    whose: list[int] = []
    for id_ in ranked:
        for wait in waits[id_]:
            for one in wait.either:
                if one in at:
                    ends[at[one]].append(len(whose))
            whose.append(at[id_])
    return _Plan(crew, [len(waits[id_]) for id_ in ranked], ends, whose)


def _run(plan: _Plan, lengths: Sequence[float], crew: int | None) -> list[float]:
    """When the restoring of each begins. What can begin stands in a queue for each number of people that it ties."""
    begins = [inf] * len(lengths)
    left, over = list(plan.count), [False] * len(plan.whose)
    queues: dict[int, list[int]] = {size: [] for size in sorted(set(plan.crew))}
    for one, count in enumerate(left):
        if not count:
            heappush(queues[plan.crew[one]], one)
    working: list[tuple[float, int]] = []
    free, now = inf if crew is None else crew, 0.0
    while True:
        while fitting := [queue[0] for size, queue in queues.items() if queue and size <= free]:
            one = min(fitting)
            heappop(queues[plan.crew[one]])
            begins[one] = now
            free -= plan.crew[one]
            heappush(working, (now + lengths[one], one))
        if not working:
            return begins
        now = working[0][0]
        while working and working[0][0] == now:
            done = heappop(working)[1]
            free += plan.crew[done]
            for wait in plan.ends[done]:
                if not over[wait]:
                    over[wait] = True
                    left[plan.whose[wait]] -= 1
                    if not left[plan.whose[wait]]:
                        heappush(queues[plan.crew[plan.whose[wait]]], plan.whose[wait])
