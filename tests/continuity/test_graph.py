from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from kyber.continuity.graph import Circle, Graph, graph_of
from tests.continuity.graphs import graphs, service, stopped


def edges(graph: Graph) -> set[tuple[str, str]]:
    return {(id_, each.id) for id_, needs in graph.needs.items() for need in needs for each in need.either}


def has_circle(found: set[tuple[str, str]]) -> bool:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for one, other in found:
        sorter.add(one, other)
    try:
        sorter.prepare()
    except CycleError:
        return True
    return False


def test_what_stops_with_a_service_is_what_can_no_longer_be_held_up() -> None:
    for graph in graphs():
        for id_ in graph.services:
            impact = graph.impact(id_)
            assert {stop.id for stop in impact} == stopped(graph, id_)
            assert [(stop.generation, stop.id) for stop in impact] == sorted(
                (stop.generation, stop.id) for stop in impact
            )
            for stop in impact:
                assert (stop.path[0], stop.path[-1], len(stop.path)) == (id_, stop.id, stop.generation + 1)
                assert {(later, earlier) for earlier, later in pairwise(stop.path)} <= edges(graph)


def test_single_points_of_failure_are_those_whose_removal_stops_the_service() -> None:
    for graph in graphs():
        stops = {id_: stopped(graph, id_) for id_ in graph.services}
        for id_ in graph.services:
            fatal = tuple(sorted(one for one in stops if id_ in stops[one]))
            assert graph.single_points(id_) == fatal
            named = {other for one, other in edges(graph) if one == id_}
            assert graph.hidden_points(id_) == tuple(one for one in fatal if one not in named)
        assert graph.stops == {id_: len(ids) for id_, ids in stops.items()}


def test_every_circle_is_real_and_without_the_needs_that_close_them_there_is_none() -> None:
    for graph in graphs():
        known = edges(graph)
        for circle in graph.circles:
            ring = set(zip(circle.ids, (*circle.ids[1:], circle.ids[0]), strict=True))
            assert ring <= known
            assert circle.left_out in ring
            assert circle.ids[0] == min(circle.ids)
            assert len(set(circle.ids)) == len(circle.ids)
        closing = {circle.left_out for circle in graph.circles}
        assert len({circle.ids for circle in graph.circles}) == len(closing) == len(graph.circles)
        assert bool(graph.circles) == has_circle(known)
        assert not has_circle(known - closing)
        place = {id_: at for at, id_ in enumerate(graph.order)}
        assert all(place[other] < place[one] for one, other in known - closing)


def test_the_order_of_the_files_does_not_matter() -> None:
    for graph in graphs()[:50]:
        again = graph_of(reversed(graph.services.values()))
        assert (again.circles, again.order) == (graph.circles, graph.order)


def test_a_circle_begins_with_the_smallest_id_and_says_which_need_is_left_out() -> None:
    graph = graph_of([service("c", needs=["b"]), service("b", needs=["a"]), service("a", needs=["c"])])
    assert graph.circles == (Circle(("a", "c", "b"), ("b", "a")),)


def test_a_service_that_needs_itself_is_a_circle_of_one() -> None:
    assert graph_of([service("a", needs=["a"])]).circles == (Circle(("a",), ("a", "a")),)


def test_what_rests_on_a_need_that_was_left_out_is_incomplete() -> None:
    graph = graph_of(
        [service("a", needs=["nobody"]), service("b", needs=["a"]), service("c"), service("d", needs=["b", "c"])]
    )
    assert graph.incomplete == {"a", "b", "d"}
    assert graph.unknown["a"] == ("nobody",)


def test_two_lines_to_the_same_operator_are_one_hidden_point_of_failure() -> None:
    lines = [{"id": "line-1", "either": "line"}, {"id": "line-2", "either": "line"}]
    graph = graph_of(
        [
            service("records", needs=lines),
            service("line-1", needs=["operator"]),
            service("line-2", needs=["operator"]),
            service("operator"),
        ]
    )
    assert graph.single_points("records") == ("operator",)
    assert graph.hidden_points("records") == ("operator",)
    assert graph.impact("line-1") == ()
    assert [stop.path for stop in graph.impact("operator")][-1] == ("operator", "line-1", "records")


def test_an_alternative_that_nobody_knows_does_not_hold_a_service_up() -> None:
    either = [{"id": "a", "either": "x"}, {"id": "nobody", "either": "x"}]
    assert graph_of([service("s", needs=either), service("a")]).single_points("s") == ("a",)


def test_needs_that_are_less_critical_than_their_consumer_are_told_with_their_place() -> None:
    graph = graph_of(
        [
            service("records", criticality=1, needs=["power", "network", "unknown", "canteen"]),
            service("power", criticality=1),
            service("network", criticality=3, needs=["power"]),
            service("canteen"),
        ]
    )
    assert [(one.service.id, one.index, one.need.id) for one in graph.weaker()] == [("records", 1, "network")]


def test_the_first_of_several_services_with_an_id_counts() -> None:
    graph = graph_of([service("a", needs=["b"]), service("a"), service("b")])
    assert graph.single_points("a") == ("b",)


def test_two_thousand_services_one_on_the_other_are_no_trouble() -> None:
    chain = [service("s0000"), *(service(f"s{n:04}", needs=[f"s{n - 1:04}"]) for n in range(1, 2000))]
    graph = graph_of(chain)
    assert len(graph.single_points("s1999")) == 1999
    assert graph.impact("s0000")[-1].generation == 1999
