from itertools import combinations
from random import Random
from xml.etree import ElementTree

import pytest

from kyber.render.graphs import Box, Drawing, Edge, Link, Mark, svg
from kyber.render.layered import Layout, Sizes, layered

SIZES = Sizes(wide=100, high=40, between=50, apart=10, line=8)
SVG = "{http://www.w3.org/2000/svg}"


def laid_out(seed: int) -> tuple[list[tuple[str, str]], Layout]:
    chance = Random(seed)
    boxes = [f"b{n}" for n in range(chance.randint(1, 25))]
    lines = [
        (boxes[low], boxes[high]) for high in range(len(boxes)) for low in chance.sample(range(high), min(high, 2))
    ]
    chance.shuffle(boxes)
    return lines, layered(boxes, lines, SIZES)


def drawing(*boxes: Box, edges: tuple[Edge, ...] = (), title: str = "T") -> Drawing:
    marks = tuple((mark, mark.name) for mark in Mark)
    links = tuple((link, link.name) for link in Link)
    return Drawing(
        title=title,
        described="D",
        boxes=boxes,
        edges=edges,
        marks=marks,
        links=links,
        left="l",
        right="r",
        notes=("n",),
    )


def test_no_box_lies_over_another_and_all_lie_within_the_picture() -> None:
    for seed in range(100):
        _, layout = laid_out(seed)
        for (x, y), (u, v) in combinations(layout.boxes.values(), 2):
            assert x != u or abs(y - v) >= SIZES.high + SIZES.apart - 1e-6
        for x, y in layout.boxes.values():
            assert 0 <= x <= layout.width - SIZES.wide
            assert -1e-6 <= y <= layout.height - SIZES.high + 1e-6


def test_lines_run_to_the_right_and_through_no_box() -> None:
    for seed in range(100):
        lines, layout = laid_out(seed)
        for left, right in lines:
            points = layout.lines[left, right]
            assert points[0] == (layout.boxes[left][0] + SIZES.wide, layout.boxes[left][1] + SIZES.high / 2)
            assert points[-1] == (layout.boxes[right][0], layout.boxes[right][1] + SIZES.high / 2)
            assert [x for x, _ in points] == sorted(x for x, _ in points)
            for (x, y), (_, over) in zip(points[1:-1:2], points[2:-1:2], strict=True):
                assert y == over
                assert not any(x == u and v < y < v + SIZES.high for u, v in layout.boxes.values())


def test_two_pairs_are_not_crossed_without_need() -> None:
    layout = layered(["a", "b", "c", "d"], [("a", "d"), ("b", "c")], SIZES)
    assert (layout.boxes["a"][1] < layout.boxes["b"][1]) == (layout.boxes["d"][1] < layout.boxes["c"][1])


def test_how_a_box_stands_is_told_by_sign_and_frame_as_well_as_by_colour() -> None:
    text = svg(drawing(*(Box(mark, mark.name, ("one", "two"), mark) for mark in Mark)))
    for sign in "▲?✓–":
        assert text.count(f">{sign}<") == 2  # in the box and in the legend
    frames = [line.split("<rect ")[1].split("/>")[0] for line in text.splitlines() if line.startswith("<g><title>")]
    assert len({frame.split("stroke-width=")[1] for frame in frames}) == len(frames) == len(Mark)


@pytest.mark.parametrize(
    "name",
    [
        "\x1b[31m=1+1\n\u202e\x00",
        "</text><a href='javascript:1'>x</a>",
        "]]><script>alert(1)</script>",
        '" onload="x',
        "漢字" * 40,
        "a" * 200,
    ],
)
def test_names_do_no_harm_and_stay_within_their_box(name: str) -> None:
    text = svg(drawing(Box("a", name, (name, name), Mark.GAP), edges=(Edge("a", "a", Link.NEED),), title=name))
    root = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "defs", "marker", "path", "rect", "text", "g", "line"),
    }
    assert not any(key.startswith("on") or "href" in key for element in root.iter() for key in element.attrib)
    shown = [element.text or "" for group in root.iter(f"{SVG}g") for element in group.iter(f"{SVG}text")]
    assert max(map(len, shown)) <= 34


def test_the_picture_tells_what_it_is_to_who_does_not_see_it() -> None:
    root = ElementTree.fromstring(svg(drawing(title="Services & needs")))
    assert root.findtext(f"{SVG}title") == "Services & needs"
    assert root.findtext(f"{SVG}desc") == "D"
    assert root.get("role") == "img"


def test_a_need_that_closes_a_circle_points_back() -> None:
    boxes = (Box("a", "A", (), Mark.NONE), Box("b", "B", (), Mark.NONE))
    text = svg(drawing(*boxes, edges=(Edge("a", "b", Link.NEED), Edge("b", "a", Link.CIRCLE))))
    ways = [line for line in text.splitlines() if line.startswith("<path")]
    ends = {}
    for way in ways:
        numbers = [point.strip("MC") for point in way.split('"')[1].split()]
        ends[way.split("url(#")[1].split(")")[0]] = [float(point.split(",")[0]) for point in (numbers[0], numbers[-1])]
    assert ends["need"] == sorted(ends["need"])
    assert ends["circle"] == sorted(ends["circle"], reverse=True)


def test_edges_to_what_is_not_drawn_are_left_out() -> None:
    text = svg(drawing(Box("a", "A", (), Mark.FINE), edges=(Edge("b", "a", Link.NEED),)))
    assert "<path" not in text.split("</defs>")[1]


def test_nothing_to_draw_is_a_picture_too() -> None:
    ElementTree.fromstring(svg(drawing()))
