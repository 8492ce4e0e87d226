"""Services that need each other at random, and slow, plain answers to what the graph of their needs is asked."""

from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from typing import Any

from kyber.continuity.graph import Graph, graph_of
from kyber.continuity.service import Dependency, Service


def service(id_: str, **fields: Any) -> Service:
    """A service of which nothing but this is known."""
    needs = [{"id": each} if isinstance(each, str) else each for each in fields.pop("needs", ())]
    return Service.model_validate({"id": id_, "name": id_.upper(), "depends_on": needs, **fields})


def able(id_: str, hours: int, *needs: Any, **fields: Any) -> Service:
    """A service of which it is known how long restoring it takes."""
    return service(id_, capability={"rto": f"{hours} h"}, needs=needs, **fields)


def services(seed: int, *, bad: bool = True, plain: bool = False) -> list[Service]:
    """Some services. `bad` ones may need each other in circles, or what nobody knows; `plain` ones need each other with
    nothing but an alternative now and then, and all have times."""
    chance = Random(seed)
    names = [f"s{n}" for n in range(chance.randint(1, 9))]
    bad = bad and seed % 2 == 0
    found = []
    for at, name in enumerate(names):
        known = [*names[:at], *(["nobody", *names] if bad and chance.random() < 0.2 else [])]
        needs = [chance.choice(known) for _ in range(chance.randint(0, 5))] if known else []
        fields: dict[str, Any] = {"depends_on": [_need(each, plain, chance) for each in needs]}
        if plain or chance.random() < 0.5:
            fields["capability"] = {"rto": _hours(chance)}
        if chance.random() < 0.8:
            fields["rto"] = _hours(chance)
        if not plain and chance.random() < 0.5:
            fields["work_recovery_time"] = _hours(chance)
        found.append(service(name, **fields))
    chance.shuffle(found)
    return found


def _hours(chance: Random) -> str:
    return f"{chance.randint(1, 6)} h"


def _need(id_: str, plain: bool, chance: Random) -> dict[str, Any]:
    need: dict[str, Any] = {"id": id_, "either": chance.choice([None, None, "x", "y"])}
    if not plain:
        need["restore_order"] = chance.choice([None, 1, 2, 3])
        need["rto_contract"] = chance.choice([None, None, "2 h", "5 h"])
        need["kind"] = chance.choice(["technical", "data"])
    return {name: value for name, value in need.items() if value is not None}


@cache
def graphs() -> Sequence[Graph]:
    """Five hundred of them."""
    return [graph_of(services(seed)) for seed in range(500)]


Group = list[Dependency]


def groups(one: Service, left_out: Sequence[str] = ()) -> list[Group]:
    """The needs of a service: those of which one is enough together."""
    found: dict[Any, Group] = {}
    for at, each in enumerate(one.depends_on):
        if each.id not in left_out:
            found.setdefault(each.either or at, []).append(each)
    return list(found.values())


def stopped(graph: Graph, id_: str) -> set[str]:
    """What is down once this one is: what cannot be held up by what is still up, until nothing more falls."""
    up = set(graph.services) - {id_}
    while True:
        fallen = {
            one
            for one in up
            for group in groups(graph.services[one], graph.unknown[one])
            if not any(each.id in up for each in group)
        }
        if not fallen:
            return set(graph.services) - up - {id_}
        up -= fallen


class Clock:
    """Restores what a service needs by looking at the clock every hour."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[str, tuple[int, set[str]]] = {}

    def hours(self, need: Dependency) -> int | None:
        one = self.graph.services[need.id]
        found = (one.capability.rto if one.capability else None) or need.rto_contract or one.rto
        return found.seconds // 3600 if found else None

    def ready(self, id_: str) -> tuple[int, set[str]]:
        """After how many hours all that the service needs is up, and what was restored until then."""
        if id_ not in self.known:
            closing = [circle.left_out[1] for circle in self.graph.circles if circle.left_out[0] == id_]
            self.known[id_] = self.watch(groups(self.graph.services[id_], [*self.graph.unknown[id_], *closing]))
        return self.known[id_]

    def watch(self, units: list[Group]) -> tuple[int, set[str]]:
        number = [min((each.restore_order for each in unit if each.restore_order), default=0) for unit in units]
        up: dict[tuple[int, int], int] = {}
        chosen: dict[int, str] = {}
        hour = 0
        while True:
            before = len(chosen)
            turn = min((number[at] for at in range(len(units)) if at not in chosen and number[at]), default=0)
            there = self.restored(one for at, one in chosen.items() if 0 < number[at] < turn)
            for at, unit in enumerate(units):
                if at in chosen or number[at] > turn:
                    continue
                for place, each in enumerate(unit):
                    if (at, place) not in up and number[at] and each.id in there:
                        up[at, place] = hour
                    elif (at, place) not in up and self.ready(each.id)[0] <= hour:
                        up[at, place] = hour + (self.hours(each) or 0)
                sure = [place for place, each in enumerate(unit) if self.hours(each) is not None] or range(len(unit))
                for place in sure:
                    if at not in chosen and up.get((at, place), hour + 1) <= hour:
                        chosen[at] = unit[place].id
            if len(chosen) == len(units):
                return hour, self.restored(chosen.values())
            hour += len(chosen) == before  # another number may begin in the same hour

    def restored(self, ids: Iterable[str]) -> set[str]:
        return {one for id_ in ids for one in (id_, *self.ready(id_)[1])}
