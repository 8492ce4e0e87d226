from itertools import pairwise, product
from math import isfinite
from typing import Any

import pytest

from kyber.continuity.graph import Graph, graph_of
from kyber.continuity.recovery import alone, recoveries
from kyber.continuity.restoring import Restoration, all_needed, restore
from kyber.continuity.service import Service
from tests.continuity.graphs import able, graphs, service, services

HOUR = 3600


def estimated(id_: str, p50: str, p90: str, *needs: Any, crew: int = 1, **fields: Any) -> Service:
    return service(id_, restore={"p50": p50, "p90": p90, "crew": crew}, needs=needs, **fields)


def times(found: Restoration) -> dict[str, tuple[float, float]]:
    """When each begins and is up, in hours, where all is certain."""
    return {one.id: (one.begins / HOUR, one.p50 / HOUR) for one in found.order}


def plain_graphs() -> list[Graph]:
    return [graph_of(services(seed, bad=False, plain=True)) for seed in range(100)]


def test_one_service_is_up_by_its_own_p50_and_p90() -> None:
    found = restore(graph_of([estimated("a", "4 h", "10 h", rto="4 h", mtpd="10 h")]), runs=20_000)
    assert found.order[0].p50 == pytest.approx(4 * HOUR, rel=0.03)
    assert found.order[0].p90 == pytest.approx(10 * HOUR, rel=0.03)
    assert found.order[0].within_rto == pytest.approx(0.5, abs=0.02)
    assert found.order[0].within_mtpd == pytest.approx(0.9, abs=0.02)
    assert (found.p50, found.p90) == (found.order[0].p50, found.order[0].p90)


def test_what_is_certain_stays_so_and_is_told() -> None:
    found = restore(graph_of([able("a", 3, rto="3 h"), service("b", rto="2 h"), service("c")]), runs=10)
    assert times(found) == {"a": (0, 3), "b": (0, 2), "c": (0, 0)}
    assert {one.id: one.certain.source for one in found.order if one.certain} == {
        "a": "estimate",
        "b": "objective",
        "c": "unknown",
    }
    assert {one.id: one.within_rto for one in found.order} == {"a": 1.0, "b": 1.0, "c": None}


def test_catching_up_on_work_counts_against_the_objective() -> None:
    found = restore(graph_of([able("a", 3, rto="3 h", mtpd="4 h", work_recovery_time="1 h")]), runs=10)
    assert (found.order[0].within_rto, found.order[0].within_mtpd) == (0.0, 1.0)


def test_a_chain_takes_the_sum_whatever_the_crew() -> None:
    graph = graph_of([able("a", 1, "b"), able("b", 2, "c"), able("c", 4)])
    for crew in (None, 1, 5):
        assert times(restore(graph, (), crew, 10)) == {"c": (0, 4), "b": (4, 6), "a": (6, 7)}


def test_one_person_restores_one_after_the_other() -> None:
    for graph in plain_graphs():
        found = restore(graph, (), 1, 2)
        assert found.p50 == sum(leg.seconds for leg in alone(graph).values())
        assert all(one.p50 == two.begins for one, two in pairwise(found.order))


def test_people_without_number_are_as_fast_as_the_critical_path() -> None:
    for graph in plain_graphs():
        recovery = recoveries(graph)
        for one in restore(graph, (), None, 2).order:
            assert one.begins == recovery[one.id].ready
            assert one.p50 == recovery[one.id].ready + (recovery[one.id].own or 0)


@pytest.mark.parametrize("crew", [1, 2, 4])
def test_never_more_people_than_there_are_and_never_before_what_is_needed(crew: int) -> None:
    for seed in range(100):
        graph = graph_of(services(seed))
        found = restore(graph, (), crew, 2)
        ups = {one.id: one.p50 for one in found.order}
        assert all(isfinite(one.p50) for one in found.order)
        for one in found.order:
            assert sum(each.crew for each in found.order if each.begins <= one.begins < each.p50) <= crew
            for need in graph.straight[one.id]:
                assert min(ups.get(each.id, float("inf")) for each in need.either) <= one.begins
        last = max((one.p50 for one in found.order), default=0)
        assert found.p50 == max((one.p50 + one.work for one in found.order), default=0)
        assert last <= sum(leg.seconds for leg in alone(graph).values())
        assert {*ups, *found.too_large, *found.waiting} == set(graph.services)


def test_with_fewer_people_than_it_takes_nothing_is_up_earlier() -> None:
    for graph in plain_graphs():
        enough = {one.id: one.p50 for one in restore(graph, (), None, 2).order}
        assert all(enough[one.id] <= one.p50 for one in restore(graph, (), 2, 2).order)


def test_the_most_critical_first_then_patient_safety_then_what_most_rests_on_then_by_id() -> None:
    graph = graph_of(
        [
            able("a", 1),
            able("b", 1, criticality=2),
            able("c", 1, criticality=2, patient_safety=True),
            able("d", 1),
            able("e", 1, "d"),
            able("f", 1, criticality=1),
        ]
    )
    assert [one.id for one in restore(graph, (), 1, 2).order] == ["f", "c", "b", "d", "a", "e"]


def test_a_need_is_as_urgent_as_what_rests_on_it() -> None:
    graph = graph_of([able("a", 1, criticality=2), able("records", 1, "zone", criticality=1), able("zone", 1)])
    assert [one.id for one in restore(graph, (), 1, 2).order] == ["zone", "records", "a"]


def test_orders_of_restoring_are_kept() -> None:
    needs = [{"id": "b", "restore_order": 2}, {"id": "c", "restore_order": 1}]
    found = restore(graph_of([able("a", 1, *needs), able("b", 1), able("c", 2)]), runs=2)
    assert times(found) == {"c": (0, 2), "b": (2, 3), "a": (3, 4)}


def test_orders_that_contradict_each_other_are_left_out_and_told() -> None:
    one = [{"id": "x", "restore_order": 1}, {"id": "y", "restore_order": 2}]
    other = [{"id": "x", "restore_order": 2}, {"id": "y", "restore_order": 1}]
    found = restore(graph_of([able("a", 1, *one), able("b", 1, *other), able("x", 1), able("y", 1)]), runs=2)
    assert found.contradicted == (("a", "x", "y"), ("b", "y", "x"))
    assert found.p50 == 2 * HOUR


def orders(graph: Graph) -> list[tuple[str, str, str]]:
    """For whom, what first, what then: each number before the next."""
    found = []
    for id_, needs in graph.straight.items():
        for one, other in pairwise(sorted({need.restore_order for need in needs if need.restore_order})):
            before = [[each.id for each in need.either] for need in needs if need.restore_order == one]
            after = [each.id for need in needs if need.restore_order == other for each in need.either]
            found += [
                (id_, first, then)
                for either, then in product(before, dict.fromkeys(after))
                if then not in either
                for first in either
            ]
    return found


def test_the_orders_that_are_left_out_are_those_that_lead_round_in_a_circle() -> None:
    for graph in graphs():
        wanted = orders(graph)
        before = {id_: {each.id for need in needs for each in need.either} for id_, needs in graph.straight.items()}
        for _, first, then in wanted:
            before[then].add(first)
        reached = {id_: set(others) for id_, others in before.items()}
        while any(not reached[other] <= reached[one] for one in reached for other in set(reached[one])):
            for one in reached:
                reached[one] |= {each for other in reached[one] for each in reached[other]}
        told = restore(graph, (), None, 1).contradicted
        assert sorted(set(told)) == sorted({order for order in wanted if order[2] in reached[order[1]]})


def test_what_needs_more_people_than_there_are_is_told_and_all_that_waits_for_it() -> None:
    graph = graph_of(
        [
            estimated("big", "1 h", "2 h", crew=4),
            able("rests", 1, "big"),
            able("other", 1, {"id": "big", "either": "x"}, {"id": "spare", "either": "x"}),
            able("spare", 2),
        ]
    )
    found = restore(graph, (), 3, 2)
    assert (found.too_large, found.waiting) == (("big",), ("rests",))
    assert times(found) == {"spare": (0, 2), "other": (2, 3)}
    assert restore(graph, (), 4, 2).too_large == ()


def test_some_services_are_restored_with_all_that_they_need_and_nothing_else() -> None:
    graph = graph_of([able("a", 1, "b"), able("b", 2, "c"), able("c", 4), able("d", 9)])
    assert all_needed(graph, ["b"]) == ("b", "c")
    assert restore(graph, ["b"], runs=2).p50 == 6 * HOUR
    with pytest.raises(KeyError):
        all_needed(graph, ["e"])


def test_the_same_seed_gives_the_same_numbers_whatever_else_there_is() -> None:
    one = estimated("a", "4 h", "10 h")
    alone_, beside = restore(graph_of([one])), restore(graph_of([estimated("b", "1 h", "9 h"), one]))
    assert alone_.order[0] in beside.order
    assert restore(graph_of([one]), seed=1) != alone_


def test_longer_estimates_never_make_a_service_faster_where_people_suffice() -> None:
    for hours in (1, 2, 3, 4):
        shorter = restore(graph_of([able("s", 1, "a"), estimated("a", f"{hours} h", "9 h")]), runs=200)
        longer = restore(graph_of([able("s", 1, "a"), estimated("a", f"{hours + 1} h", "12 h")]), runs=200)
        assert longer.p50 > shorter.p50
        assert longer.p90 > shorter.p90


def test_nothing_to_restore_takes_no_time() -> None:
    found = restore(graph_of([]))
    assert (found.order, found.p50, found.p90) == ((), 0.0, 0.0)
