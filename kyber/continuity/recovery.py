"""How soon services can be back, and how much work is lost: the graph of their needs in, times with their reasons out.

All is taken to be down at once, and every service to be restored by people of its own; times are seconds from there.
The method is that of the critical path (Kelley, Walker, Critical-path planning and scheduling, 1959), with needs as
the activities that go before; recovery time, recovery point and their objectives are as in ISO 22300:2021.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from kyber.continuity.graph import Graph, Need, Path
from kyber.continuity.service import Basis, Dependency, Service
from kyber.duration import Duration

Source = Basis | Literal["objective", "unknown"]
"""What a time rests on: what can be reached, a promise of the supplier, the objective as a guess, or nothing."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A service that is restored, and how long that takes alone."""

    id: str
    seconds: int
    """0 where nothing is known."""
    source: Source

    @property
    def is_guess(self) -> bool:
        """Whether nobody says that this can be reached."""
        return self.source in ("objective", "unknown")


@dataclass(frozen=True, slots=True)
class Restored:
    """One of the needs of a service, as it is restored for it; seconds."""

    leg: Leg
    restore_order: int | None
    begins: int
    """When its own needs and those of smaller numbers are up."""
    up: int
    was_up: bool
    """Whether it was up before its turn, since something of a smaller number needs it."""
    counts: bool
    """Whether it is the one that counts of those that stand in for each other: the one that is up first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How soon a service can be back; seconds."""

    id: str
    needs: tuple[Restored, ...]
    """What is restored for it, in the order of the numbers."""
    ready: int
    """When all that it needs is up."""
    own: int | None
    """How long restoring it takes then; None where nobody knows: an objective is not a capability."""
    work: int
    """How long it takes to catch up on work after that."""
    path: tuple[Leg, ...]
    """The critical path: what keeps it waiting, from the first to the service itself."""
    serial: int
    """How long one crew takes that restores all of it one after the other, without catching up on work."""
    unknown: Path
    """The services that it rests on and of which nobody says how long they take; counted as no time."""
    is_incomplete: bool
    """Whether a need was left out: one that nobody knows, or one that closes a circle."""
    objective: int | None
    """Within what time it is to be back."""

    @property
    def achievable(self) -> int:
        """When it is back and the work caught up; a lower bound where `own` is unknown."""
        return self.ready + (self.own or 0) + self.work

    @property
    def gap(self) -> int | None:
        """By how much that is later than the objective; 0 where it is not; None without an objective."""
        return None if self.objective is None else max(self.achievable - self.objective, 0)

    @property
    def is_open(self) -> bool:
        """Whether it may take longer, since something is not known."""
        return self.own is None or bool(self.unknown) or self.is_incomplete

    @property
    def is_guess(self) -> bool:
        """Whether a need on the critical path has no more than an objective to go by."""
        return any(leg.is_guess for leg in self.path[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """How much work is lost, as the seconds since the last copy."""

    id: str
    own: int | None
    """Of the service's own data; None where it holds none, or nobody says."""
    is_guess: bool
    """Whether the largest loss is but an objective."""
    largest: int | None
    """The largest of its own and of the data that it needs, however far away."""
    path: Path
    """From whose data that is to the service; empty where there is none."""


def seconds(length: Duration) -> int:
    """A duration in seconds; a month is a twelfth of a mean Gregorian year."""
    return round(length.approximate_seconds)


def takes(service: Service, need: Dependency | None = None) -> Leg:
    """How long restoring a service takes once its needs are up, for who needs it: what can be reached, else what the
    supplier promised to that one, else the objective as a guess."""
    if service.capability is not None and service.capability.rto is not None:
        return Leg(service.id, seconds(service.capability.rto), service.capability.basis)
    if need is not None and need.rto_contract is not None:
        return Leg(service.id, seconds(need.rto_contract), "contract")
    return Leg(service.id, seconds(service.rto), "objective") if service.rto else Leg(service.id, 0, "unknown")


def _is_able(service: Service) -> bool:
    """Whether it is known how long restoring it takes."""
    return service.capability is not None and service.capability.rto is not None


def alone(graph: Graph) -> Mapping[str, Leg]:
    """How long each service takes, by id; the longest where those that need it go by different times."""
    legs = {id_: [takes(service)] for id_, service in graph.services.items()}
    for needs in graph.straight.values():
        for need in needs:
            for each in need.either:
                if not _is_able(graph.services[each.id]):  # else it is the same for all
                    legs[each.id].append(takes(graph.services[each.id], each))
    return {id_: max(found[1:] or found, key=lambda leg: leg.seconds) for id_, found in legs.items()}


def recoveries(graph: Graph) -> Mapping[str, Recovery]:
    """How soon each service can be back, by id."""
    found: dict[str, Recovery] = {}
    legs = alone(graph)
    able = {id_: legs[id_] for id_, service in graph.services.items() if _is_able(service)}
    state = _State({id_: 1 << at for at, id_ in enumerate(graph.services)}, able, {}, {})
    planes = _planes(legs[id_].seconds for id_ in graph.services)
    unknown = sum(bit for id_, bit in state.bit.items() if legs[id_].source == "unknown")
    for id_ in graph.order:
        service = graph.services[id_]
        needs, way = _restored(graph, graph.straight[id_], found, state)
        rests = _union(state, (one.leg.id for one in needs if one.counts))
        own = able.get(id_, Leg(id_, 0, "unknown"))
        state.rests[id_], state.way[id_] = rests, way
        found[id_] = Recovery(
            id=id_,
            needs=needs,
            ready=max((one.up for one in needs if one.counts), default=0),
            own=own.seconds if id_ in able else None,
            work=seconds(service.work_recovery_time) if service.work_recovery_time else 0,
            path=(*way, own),
            serial=sum((rests & plane).bit_count() << at for at, plane in enumerate(planes)) + own.seconds,
            unknown=tuple(one for one, bit in state.bit.items() if bit & rests & unknown) if rests & unknown else (),
            is_incomplete=id_ in graph.incomplete,
            objective=seconds(service.rto) if service.rto else None,
        )
    return {id_: found[id_] for id_ in graph.services}


def losses(graph: Graph) -> Mapping[str, Loss]:
    """How much work each service loses with all the data that it needs, by id.

    What can be reached counts, else the interval of the backup, else the objective as a guess. Of needs that stand in
    for each other the one that loses least is enough.
    """
    found: dict[str, Loss] = {}
    for id_ in graph.order:
        own, is_guess = _own_loss(graph.services[id_])
        largest = Loss(id=id_, own=own, is_guess=is_guess, largest=own, path=() if own is None else (id_,))
        for need in graph.straight[id_]:
            data = [found[each.id] for each in need.either if each.kind == "data"]
            known = [(one.largest, one) for one in data if one.largest is not None]
            if not known:
                continue
            length, least = min(known, key=lambda one: one[0])
            if largest.largest is None or length > largest.largest:
                path = (*least.path, id_)
                largest = Loss(id=id_, own=own, is_guess=least.is_guess, largest=length, path=path)
        found[id_] = largest
    return {id_: found[id_] for id_ in graph.services}


def unnamed(found: Recovery, gone: Collection[str]) -> Recovery:
    """The same times, without the ids of services that may not be shown."""

    def bare(leg: Leg) -> Leg:
        return replace(leg, id="") if leg.id in gone else leg

    unknown = tuple(one for one in found.unknown if one not in gone)
    return replace(
        found,
        needs=tuple(replace(one, leg=bare(one.leg)) for one in found.needs),
        path=tuple(map(bare, found.path)),
        unknown=unknown,
        is_incomplete=found.is_incomplete or len(unknown) < len(found.unknown),
    )


def unnamed_loss(found: Loss, gone: Collection[str]) -> Loss:
    """The same loss, without the ids of services that may not be shown."""
    return replace(found, path=tuple(one for one in found.path if one not in gone))


_Way = tuple[int, tuple[Leg, ...]]
"""A moment, and what is restored until then, one after the other."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is known of the services so far."""

    bit: Mapping[str, int]
    able: Mapping[str, Leg]
    """How long it takes, where that is the same for all that need it."""
    rests: dict[str, int]
    """The bits of all that a service rests on."""
    way: dict[str, tuple[Leg, ...]]
    """What keeps a service waiting before it can begin."""


def _restored(
    graph: Graph, needs: Iterable[Need], found: Mapping[str, Recovery], state: _State
) -> tuple[tuple[Restored, ...], tuple[Leg, ...]]:
    """What is restored for a service, and what keeps it waiting: those without a number from the start, the numbers
    one after the other."""
    by_number: dict[int, list[Need]] = {}
    for need in needs:
        by_number.setdefault(need.restore_order or 0, []).append(need)
    restored: list[Restored] = []
    start: _Way = (0, ())
    ready: _Way = (0, ())
    there = 0
    for number in sorted(by_number):
        end = start
        chosen = []
        for need in by_number[number]:
            each = [_one(graph, one, number, start[0], there, found, state) for one in need.either]
            first = min(each, key=lambda one: (one.leg.source == "unknown", one.up))
            restored += (replace(one, counts=True) if one is first else one for one in each)
            chosen.append(first.leg.id)
            if first.up > end[0]:
                before = state.way[first.leg.id] if found[first.leg.id].ready >= start[0] else start[1]
                end = (first.up, (*before, first.leg))
        ready = max(ready, end, key=lambda way: way[0])
        if number:
            start = end
            there |= _union(state, chosen)
    return tuple(restored), ready[1]


def _one(
    graph: Graph, need: Dependency, number: int, start: int, there: int, found: Mapping[str, Recovery], state: _State
) -> Restored:
    leg = state.able.get(need.id) or takes(graph.services[need.id], need)
    was_up = bool(there & state.bit[need.id])
    begins = start if was_up else max(start, found[need.id].ready)
    return Restored(leg, number or None, begins, begins if was_up else begins + leg.seconds, was_up, counts=False)


def _union(state: _State, ids: Iterable[str]) -> int:
    """The bits of these services and all that they rest on."""
    found = 0
    for id_ in ids:
        found |= state.bit[id_] | state.rests[id_]
    return found


def _planes(lengths: Iterable[int]) -> list[int]:
    """Numbers by their binary digits: for each digit, from the last, a bit for each number that has it."""
    planes: list[int] = []
    for at, length in enumerate(lengths):
        planes += [0] * (length.bit_length() - len(planes))
        for digit in range(length.bit_length()):
            planes[digit] |= (length >> digit & 1) << at
    return planes


def _own_loss(service: Service) -> tuple[int | None, bool]:
    """The loss of the service's own data, and whether it is a guess."""
    if not service.holds_data:
        return None, False
    if service.capability is not None and service.capability.rpo is not None:
        return seconds(service.capability.rpo), False
    if service.backup is not None:
        return seconds(service.backup.interval), False
    return (None, False) if service.rpo is None else (seconds(service.rpo), True)
