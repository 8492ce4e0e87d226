from typing import Any

import pytest

from kyber.continuity.graph import graph_of
from kyber.continuity.recovery import Recovery, losses, recoveries
from kyber.continuity.service import Service
from tests.continuity.graphs import Clock, able, graphs, service

HOUR = 3600


def of(*found: Service) -> Recovery:
    """The recovery of the first of them."""
    return recoveries(graph_of(found))[found[0].id]


def path(found: Recovery) -> list[tuple[str, float]]:
    return [(leg.id, leg.seconds / HOUR) for leg in found.path]


def need(id_: str, order: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": id_, **({"restore_order": order} if order else {}), **fields}


def test_recovery_is_what_a_clock_shows_that_is_looked_at_every_hour() -> None:
    for clock, one in ((Clock(graph), each) for graph in graphs() for each in recoveries(graph).values()):
        ready, restored = clock.ready(one.id)
        assert one.ready == ready * HOUR
        assert one.achievable == one.ready + (one.own or 0) + one.work
        assert sum(leg.seconds for leg in one.path[:-1]) == one.ready
        assert {leg.id for leg in one.path} <= restored | {one.id}
        assert len({leg.id for leg in one.path}) == len(one.path)
        assert one.path[-1].id == one.id
        assert one.serial >= one.ready + (one.own or 0)


def test_needs_without_a_number_are_restored_at_once_and_numbers_one_after_the_other() -> None:
    needs = [need("power", 1), need("network", 2), need("directory", 2), need("paper")]
    found = of(
        able("records", 2, *needs, work_recovery_time="1 h", rto="8 h"),
        *(able("power", 1), able("network", 3), able("directory", 2), able("paper", 3)),
    )
    assert (found.ready, found.own, found.work, found.achievable) == (4 * HOUR, 2 * HOUR, 1 * HOUR, 7 * HOUR)
    assert path(found) == [("power", 1), ("network", 3), ("records", 2)]
    assert (found.gap, found.serial) == (0, 11 * HOUR)
    assert [(one.leg.id, one.begins / HOUR, one.up / HOUR) for one in found.needs] == [
        ("paper", 0, 3),
        ("power", 0, 1),
        ("network", 1, 4),
        ("directory", 1, 3),
    ]


def test_a_need_begins_only_when_its_own_needs_are_up() -> None:
    found = of(able("a", 1, "b"), able("b", 2, "c"), able("c", 4))
    assert (found.ready, path(found)) == (6 * HOUR, [("c", 4), ("b", 2), ("a", 1)])


def test_catching_up_on_the_work_of_needs_does_not_count() -> None:
    assert of(able("a", 1, "b"), able("b", 2, work_recovery_time="9 h")).achievable == 3 * HOUR


def test_the_earliest_of_those_that_stand_in_for_each_other_is_enough() -> None:
    found = of(able("a", 1, need("b", either="x"), need("c", either="x")), able("b", 9), able("c", 2))
    assert (found.achievable, found.serial) == (3 * HOUR, 3 * HOUR)
    assert [(one.leg.id, one.counts) for one in found.needs] == [("b", False), ("c", True)]


def test_one_of_which_nobody_knows_how_long_it_takes_is_not_taken_for_the_earliest() -> None:
    found = of(able("a", 1, need("b", either="x"), need("c", either="x")), service("b"), able("c", 2))
    assert found.achievable == 3 * HOUR


def test_what_was_restored_for_a_smaller_number_is_not_restored_again() -> None:
    found = of(able("a", 1, need("b", 1), need("c", 2)), able("b", 2, "c"), able("c", 4))
    assert (found.achievable, found.serial) == (7 * HOUR, 7 * HOUR)
    assert [one.was_up for one in found.needs] == [False, True]


def test_a_promise_of_the_supplier_comes_before_the_objective_and_what_can_be_reached_before_both() -> None:
    promised = need("b", rto_contract="3 h")
    assert of(able("a", 1, promised), service("b", rto="9 h")).achievable == 4 * HOUR
    assert of(able("a", 1, promised), able("b", 2, rto="9 h")).achievable == 3 * HOUR
    assert not of(able("a", 1, promised), service("b", rto="9 h")).is_guess


def test_an_objective_is_taken_for_a_need_as_a_guess_and_never_for_the_service_itself() -> None:
    found = of(service("a", needs=["b"], rto="2 h"), service("b", rto="3 h"))
    assert (found.ready, found.own, found.achievable, found.gap) == (3 * HOUR, None, 3 * HOUR, 1 * HOUR)
    assert found.is_guess
    assert not of(able("a", 1)).is_guess


def test_a_service_of_which_nobody_knows_how_long_it_takes_is_named() -> None:
    found = of(able("a", 1, "b"), service("b", needs=["c"]), service("c"))
    assert found.unknown == ("b", "c")
    assert found.achievable == 1 * HOUR


@pytest.mark.parametrize("needs", [["nobody"], ["b"]])
def test_bad_input_gives_a_result_that_is_marked(needs: list[str]) -> None:
    found = of(able("a", 1, *needs), able("b", 2, "a"))
    assert found.is_incomplete
    assert found.achievable == (1 if needs == ["nobody"] else 3) * HOUR


def test_the_largest_loss_along_the_data_that_is_needed_counts() -> None:
    data = {"id": "lab", "kind": "data"}
    found = losses(
        graph_of(
            [
                service("records", needs=[data, "power"], capability={"rpo": "1 h"}),
                service("lab", needs=[{"id": "devices", "kind": "data"}], backup={"interval": "4 h"}, rpo="1 h"),
                service("devices", rpo="12 h"),
                service("power", rpo="48 h"),
                service("desk", needs=[data], holds_data=False),
                service("door", holds_data=False),
            ]
        )
    )
    records = found["records"]
    assert (records.own, records.largest) == (1 * HOUR, 12 * HOUR)
    assert (records.path, records.is_guess) == (("devices", "lab", "records"), True)
    assert (found["lab"].own, found["lab"].is_guess) == (4 * HOUR, True)
    assert (found["desk"].own, found["desk"].largest) == (None, 12 * HOUR)
    assert (found["door"].largest, found["door"].path) == (None, ())


def test_of_data_that_stands_in_for_each_other_the_smaller_loss_is_enough() -> None:
    either = [{"id": id_, "kind": "data", "either": "x"} for id_ in ("a", "b")]
    found = losses(graph_of([service("s", needs=either, rpo="1 h"), service("a", rpo="9 h"), service("b", rpo="5 h")]))
    assert found["s"].path == ("b", "s")


def test_no_service_loses_less_than_its_own_data() -> None:
    for one in (one for graph in graphs() for one in losses(graph).values()):
        assert one.own is None or (one.largest is not None and one.largest >= one.own)
        assert (one.largest is None) == (one.path == ())
