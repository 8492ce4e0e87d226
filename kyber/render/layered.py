"""A layered drawing: boxes and lines between them in, where each stands and runs out; from left to right.

Layers by the longest path; a line over several layers has a place of its own in each, so that it crosses no box; order
by barycentres, height by least squares (Sugiyama, Tagawa, Toda, Methods for visual understanding of hierarchical system
structures, IEEE Transactions on Systems, Man, and Cybernetics 11, 1981).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Line = tuple[str, str]
"""From the box on the left to the one on the right."""
Point = tuple[float, float]

SWEEPS: Final = 16
"""How often the order within the layers is looked over."""
_Place = str | tuple[str, str, int]
"""A box, or where a line runs through a layer."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of boxes and the space between them."""

    wide: float
    high: float
    between: float
    """From layer to layer."""
    apart: float
    """From box to box in a layer."""
    line: float
    """What a line takes that runs through a layer."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where all stands, from (0, 0)."""

    boxes: Mapping[str, Point]
    """The upper left corners."""
    lines: Mapping[Line, tuple[Point, ...]]
    """Where a line goes through, from box to box: pairs of points, each pair at one height."""
    width: float
    height: float


def layered(boxes: Sequence[str], lines: Iterable[Line], sizes: Sizes) -> Layout:
    """Where boxes and lines stand. The lines must not run in a circle."""
    lines = list(dict.fromkeys(lines))
    layer = _layers(boxes, lines)
    chains = {line: _chain(line, layer) for line in lines}
    columns: list[list[_Place]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for box in boxes:
        columns[layer[box]].append(box)
    for (left, _), chain in chains.items():
        for at, place in enumerate(chain[1:-1], layer[left] + 1):
            columns[at].append(place)
    links = [link for chain in chains.values() for link in pairwise(chain)]
    columns = _ordered(columns, links)
    middle = _heights(columns, links, sizes)
    top = min((middle[box] for box in boxes), default=0.0) - sizes.high / 2
    top = min([top, *(middle[place] for place in middle)])
    step = sizes.wide + sizes.between

    def ends(place: _Place, column: int) -> tuple[Point, Point]:
        return (column * step, middle[place] - top), (column * step + sizes.wide, middle[place] - top)

    runs = {}
    for (left, right), chain in chains.items():
        points = [point for at, place in enumerate(chain, layer[left]) for point in ends(place, at)]
        runs[left, right] = tuple(points[1:-1])
    return Layout(
        boxes={box: (layer[box] * step, middle[box] - top - sizes.high / 2) for box in boxes},
        lines=runs,
        width=max(len(columns) * step - sizes.between, 0.0),
        height=max((middle[place] - top + sizes.high / 2 for place in middle), default=0.0),
    )


def _layers(boxes: Sequence[str], lines: Sequence[Line]) -> Mapping[str, int]:
    """How many lines lead to each box at most, one after the other."""
    right: dict[str, list[str]] = defaultdict(list)
    count = dict.fromkeys(boxes, 0)
    for one, other in lines:
        right[one].append(other)
        count[other] += 1
    layer = dict.fromkeys(boxes, 0)
    ready = [box for box in boxes if not count[box]]
    for box in ready:
        for other in right[box]:
            layer[other] = max(layer[other], layer[box] + 1)
            count[other] -= 1
            if not count[other]:
                ready.append(other)
    return layer


def _chain(line: Line, layer: Mapping[str, int]) -> tuple[_Place, ...]:
    left, right = line
    return (left, *((left, right, at) for at in range(layer[left] + 1, layer[right])), right)


def _ordered(columns: list[list[_Place]], links: Sequence[tuple[_Place, _Place]]) -> list[list[_Place]]:
    """The columns in the order with the fewest crossings that was met."""
    left, right = _neighbours(links)
    best, fewest = columns, _crossings(columns, right)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        columns = [list(column) for column in columns]
        at: dict[_Place, float] = {place: n for column in columns for n, place in enumerate(column)}
        for column in columns if forward else reversed(columns):
            near = left if forward else right
            mean = {place: _mean([at[one] for one in near[place]], at[place]) for place in column}
            column.sort(key=lambda place: mean[place])
            at.update({place: n for n, place in enumerate(column)})
        if (found := _crossings(columns, right)) < fewest:
            best, fewest = columns, found
    return best


def _crossings(columns: Sequence[Sequence[_Place]], right: Mapping[_Place, Sequence[_Place]]) -> int:
    """How many pairs of links cross: pairs whose right ends stand in the other order than their left ones."""
    crossings = 0
    for one, other in pairwise(columns):
        at = {place: n for n, place in enumerate(other)}
        seen = [0] * len(other)
        for place in one:
            ends = [at[end] for end in right[place]]
            crossings += sum(sum(seen[end + 1 :]) for end in ends)
            for end in ends:
                seen[end] += 1
    return crossings


def _heights(
    columns: Sequence[Sequence[_Place]], links: Sequence[tuple[_Place, _Place]], sizes: Sizes
) -> Mapping[_Place, float]:
    """The middle of each place: as near to its neighbours as order and space allow."""
    left, right = _neighbours(links)
    offsets: list[list[float]] = []
    middle: dict[_Place, float] = {}
    for column in columns:
        found: list[float] = []
        bottom = 0.0
        for place in column:
            high = sizes.high if isinstance(place, str) else sizes.line
            found.append(bottom + high / 2)
            bottom += high + (sizes.apart if isinstance(place, str) else 0)
        offsets.append(found)
        middle |= {place: offset - bottom / 2 for place, offset in zip(column, found, strict=True)}
    for sweep in range(SWEEPS):
        pairs = list(zip(columns, offsets, strict=True))
        for column, offset in pairs if sweep % 2 == 0 else reversed(pairs):
            near = {place: [middle[one] for one in (*left[place], *right[place])] for place in column}
            wanted = [_mean(near[place], middle[place]) - over for place, over in zip(column, offset, strict=True)]
            # a line is bent where it goes through a layer, a box is not: lines are kept straight first
            weights = [len(near[place]) + (1.0 if isinstance(place, str) else 4.0) for place in column]
            fitted = _rising(wanted, weights)
            middle |= {place: at + over for place, at, over in zip(column, fitted, offset, strict=True)}
    return middle


def _rising(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The numbers nearest to those wanted, by weighted least squares, of which none is smaller than the one before:
    neighbours in the wrong order are given their mean (pool adjacent violators; Ayer and others, An empirical
    distribution function for sampling with incomplete information, 1955)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(wanted, weights, strict=True):
        count = 1
        while pools and pools[-1][0] > value:
            mean, before, many = pools.pop()
            value, weight, count = (
                (mean * before + value * weight) / (before + weight),
                before + weight,
                count + many,
            )
        pools.append((value, weight, count))
    return [mean for mean, _, count in pools for _ in range(count)]


def _neighbours(
    links: Iterable[tuple[_Place, _Place]],
) -> tuple[Mapping[_Place, list[_Place]], Mapping[_Place, list[_Place]]]:
    left: dict[_Place, list[_Place]] = defaultdict(list)
    right: dict[_Place, list[_Place]] = defaultdict(list)
    for one, other in links:
        left[other].append(one)
        right[one].append(other)
    return left, right


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
