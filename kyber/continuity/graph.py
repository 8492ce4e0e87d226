"""Who needs whom: services in, the graph of their needs out, with its circles, and what stops when a service stops.

Needs with the same `either` stand in for each other. A need of what nobody knows is left out everywhere.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Final

from kyber.continuity.service import Dependency, Service

Path = tuple[str, ...]
"""Ids of services: each needs the one before it."""
_DIGITS: Final = bytes.maketrans(b"01", b"\0\1")
_LAST: Final = 9
"""The place of a service whose criticality nobody knows."""


@dataclass(frozen=True, slots=True)
class Need:
    """One need of a service, or several of which one is enough."""

    either: tuple[Dependency, ...]
    """In the order in which they are written; at least one."""

    @property
    def restore_order(self) -> int | None:
        """The number of the need: the smallest of those that stand in for each other."""
        return min((one.restore_order for one in self.either if one.restore_order is not None), default=None)


@dataclass(frozen=True, slots=True)
class Circle:
    """Services that need each other in a circle."""

    ids: Path
    """Each service needs the next, and the last the first, which is the smallest of the ids."""
    left_out: tuple[str, str]
    """The need that closes it, as the service and what it needs: left out where times are added."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A service that stops because another one stopped."""

    id: str
    generation: int
    """1 for what needs the stopped one itself, 2 for what needs that, and so on."""
    path: Path
    """The ids from what stopped first to this one."""


@dataclass(frozen=True, slots=True)
class Weaker:
    """A need that is less critical than the service that needs it."""

    service: Service
    index: int
    """Where in its `depends_on` the need stands, from 0."""
    need: Service


@dataclass(frozen=True)
class Graph:
    """Services and what they need, by id and in the order of the ids; the first with an id counts."""

    services: Mapping[str, Service]
    needs: Mapping[str, tuple[Need, ...]]
    """What each needs, as far as it is known."""
    unknown: Mapping[str, tuple[str, ...]]
    """The ids that a service needs and nobody has."""
    circles: tuple[Circle, ...]
    order: tuple[str, ...]
    """Every id after those that it needs, but for the needs that close circles."""

    @cached_property
    def straight(self) -> Mapping[str, tuple[Need, ...]]:
        """What each needs, without the needs that close circles."""
        closing = {circle.left_out for circle in self.circles}
        return {
            id_: _grouped(each for need in needs for each in need.either if (id_, each.id) not in closing)
            for id_, needs in self.needs.items()
        } if closing else self.needs  # fmt: skip

    @cached_property
    def incomplete(self) -> frozenset[str]:
        """The services of which a need was left out, and all that rest on them: their times are too short."""
        found = {*(id_ for id_, ids in self.unknown.items() if ids), *(one.left_out[0] for one in self.circles)}
        for id_ in self.order:
            if any(each.id in found for need in self.straight[id_] for each in need.either):
                found.add(id_)
        return frozenset(found)

    @cached_property
    def consumers(self) -> Mapping[str, tuple[str, ...]]:
        """Who needs each, alone or as one of several."""
        found: dict[str, dict[str, None]] = {id_: {} for id_ in self.services}
        for id_, needs in self.needs.items():
            for need in needs:
                for each in need.either:
                    found[each.id][id_] = None
        return {id_: tuple(ids) for id_, ids in found.items()}

    def impact(self, id_: str) -> tuple[Stop, ...]:
        """What stops when this service stops; by generation, then id. Raises KeyError for an unknown id.

        A need stops once all that stand in for each other stopped; a service stops once one of its needs did.
        """
        stopped = {id_: Stop(id_, 0, (id_,))}
        last = [id_]
        while last:
            now = {one for each in last for one in self.consumers[each] if one not in stopped}
            found = [stop for one in sorted(now) if (stop := self._stop(one, stopped))]
            stopped |= {stop.id: stop for stop in found}
            last = [stop.id for stop in found]
        return tuple(stopped.values())[1:]

    def _stop(self, id_: str, stopped: Mapping[str, Stop]) -> Stop | None:
        gone = [need for need in self.needs[id_] if all(each.id in stopped for each in need.either)]
        if not gone:
            return None
        # a need is gone when the last of its alternatives is; the service stops with its first need that is gone
        last = [max((stopped[each.id] for each in need.either), key=lambda stop: stop.generation) for need in gone]
        first = min(last, key=lambda stop: stop.generation)
        return Stop(id_, first.generation + 1, (*first.path, id_))

    def single_points(self, id_: str) -> tuple[str, ...]:
        """The other services whose stop alone stops this one, by id. Raises KeyError for an unknown id."""
        return tuple(one for one in self._named(self._fatal[id_]) if one != id_)

    def hidden_points(self, id_: str) -> tuple[str, ...]:
        """Those of them that the service does not itself name as a need."""
        named = {each.id for need in self.needs[id_] for each in need.either}
        return tuple(one for one in self.single_points(id_) if one not in named)

    @cached_property
    def stops(self) -> Mapping[str, int]:
        """How many others stop when each stops."""
        counts = dict.fromkeys(self.services, -1)
        for fatal in self._fatal.values():
            for one in self._named(fatal):
                counts[one] += 1
        return counts

    @cached_property
    def resting(self) -> Mapping[str, frozenset[str]]:
        """Who rests on each, however far away, also where something else could stand in."""
        bit = {id_: 1 << at for at, id_ in enumerate(self.services)}
        found = dict.fromkeys(self.services, 0)
        for id_ in reversed(self.order):
            for need in self.straight[id_]:
                for each in need.either:
                    found[each.id] |= found[id_] | bit[id_]
        return {id_: frozenset(self._named(bits)) for id_, bits in found.items()}

    def rank(self, id_: str) -> tuple[int, bool, int, str]:
        """A service's place among all: the most critical come first, then what patient safety rests on, then what most
        rests on, then by id. A need is as urgent as the most urgent of those that rest on it, and so comes before them.
        Raises KeyError for an unknown id."""
        resting = self.resting[id_]
        urgent = min(_urgency(self.services[one]) for one in (id_, *resting))
        return *urgent, -len(resting), id_

    def weaker(self) -> Iterator[Weaker]:
        """The needs whose number of criticality is larger than that of the service that needs them."""
        for one in self.services.values():
            for index, each in enumerate(one.depends_on):
                need = self.services.get(each.id)
                if need is None or one.criticality is None or need.criticality is None:
                    continue
                if need.criticality > one.criticality:
                    yield Weaker(one, index, need)

    @cached_property
    def _fatal(self) -> Mapping[str, int]:
        """For each service, all whose stop stops it, itself too: a bit each, by the order of the ids.

        That is the least solution of: itself, and for each need what is fatal to every one of its alternatives.
        It is reached at once where needs come first, and by repeating where they run in circles.
        """
        fatal = {id_: 1 << at for at, id_ in enumerate(self.services)}
        changed = True
        while changed:
            changed = False
            for id_ in self.order:
                before = found = fatal[id_]
                for need in self.needs[id_]:
                    shared = fatal[need.either[0].id]
                    for each in need.either[1:]:
                        shared &= fatal[each.id]
                    found |= shared
                fatal[id_] = found
                changed |= found != before
            changed &= bool(self.circles)
        return fatal

    def _named(self, bits: int) -> Iterator[str]:
        """The ids whose bits are set."""
        return compress(self.services, f"{bits:b}"[::-1].encode().translate(_DIGITS))


def graph_of(services: Iterable[Service]) -> Graph:
    """The graph of these services."""
    known: dict[str, Service] = {}
    for one in services:
        known.setdefault(one.id, one)
    known = dict(sorted(known.items()))
    needs = {id_: _grouped(each for each in one.depends_on if each.id in known) for id_, one in known.items()}
    unknown = {
        id_: tuple(dict.fromkeys(each.id for each in one.depends_on if each.id not in known))
        for id_, one in known.items()
    }
    order, circles = walked({id_: [each.id for need in found for each in need.either] for id_, found in needs.items()})
    return Graph(known, needs, unknown, circles, order)


def _urgency(service: Service) -> tuple[int, bool]:
    return service.criticality or _LAST, not service.patient_safety


def _grouped(dependencies: Iterable[Dependency]) -> tuple[Need, ...]:
    """Dependencies as needs: those with the same `either` together, where the first of them stands."""
    groups: dict[object, list[Dependency]] = {}
    for at, one in enumerate(dependencies):
        groups.setdefault(at if one.either is None else one.either, []).append(one)
    return tuple(Need(tuple(group)) for group in groups.values())


def walked(needs: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], tuple[Circle, ...]]:
    """The ids in an order in which needs come first, and a circle for each need that leads back to where one is.

    A walk in depth from the first id on. Without the needs that lead back there are no circles (Tarjan, Depth-first
    search and linear graph algorithms, SIAM Journal on Computing 1, 1972).
    """
    order: dict[str, None] = {}
    circles: dict[tuple[str, str], Circle] = {}
    for start in needs:
        if start in order:
            continue
        way = {start: iter(needs[start])}  # ids from the start to here, and which of their needs are left to see
        while way:
            here, left = next(reversed(way.items()))
            there = next(left, None)
            if there is None:
                del way[here]
                order[here] = None
            elif there in way:
                circles.setdefault((here, there), _circle(tuple(way), here, there))
            elif there not in order:
                way[there] = iter(needs[there])
    return tuple(order), tuple(sorted(circles.values(), key=lambda one: one.ids))


def _circle(way: Path, here: str, there: str) -> Circle:
    ids = way[way.index(there) :]
    first = ids.index(min(ids))
    return Circle((*ids[first:], *ids[:first]), (here, there))
