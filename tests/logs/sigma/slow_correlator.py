"""Correlations as plainly as they can be written: for each event, look at every event. Only for tests.

Rules are functions from an event to whether it matches; correlations are mappings as in the YAML, with `name` beside.
An event is a mapping with `time` (microseconds) and fields. What comes out is bursts, as sets of numbers of events.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import ceil
from typing import Any

from kyber.logs.sigma.correlation import SECONDS

Event = Mapping[str, Any]
Group = tuple[str, ...]

TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
    "eq": lambda value, limit: value == limit,
    "neq": lambda value, limit: value != limit,
}


@dataclass(frozen=True)
class Occurrence:
    """Something that a correlation counts: when, what it is told apart by, and the event whose fields it has."""

    time: int
    key: object
    step: int
    event: Event
    rule: str
    path: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class SlowBurst:
    """A burst: its group, first event, first and last firing, firings, and the occurrences in their windows."""

    name: str
    group: Group
    begin: int
    first: int
    last: int
    fired: tuple[Occurrence, ...]
    inside: tuple[Occurrence, ...]


def texts(value: Any) -> list[str]:
    """What a field holds, as texts without regard to case; nothing where it is null or absent."""
    listed = value if isinstance(value, list) else [value]
    shown = ["true" if one is True else "false" if one is False else str(one) for one in listed if one is not None]
    return list(dict.fromkeys(one.lower() for one in shown))


def read(one: Occurrence, names: Sequence[str]) -> list[Group]:
    """Every combination of what some fields hold, through the aliases on the way to the rule."""
    fields = list(names)
    for place, correlation in enumerate(one.path):
        below = one.path[place + 1]["name"] if place + 1 < len(one.path) else one.rule
        aliases = correlation.get("aliases", {})
        fields = [aliases.get(name, {}).get(below, name) for name in fields]
    return list(product(*(texts(one.event.get(name)) for name in fields)))


def as_list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def span_of(correlation: Mapping[str, Any]) -> int:
    written = correlation["timespan"]
    return int(Fraction(written[:-1]) * SECONDS[written[-1]] * 1_000_000)


def correlate(
    correlation: Mapping[str, Any],
    known: Mapping[str, Mapping[str, Any]],
    rules: Mapping[str, Callable[[Event], bool]],
    events: Sequence[Event],
) -> list[SlowBurst]:
    """The bursts of one correlation. `known`: the correlations it may build on, and `rules`: the rules, by name."""
    found: list[Occurrence] = []
    for step, name in enumerate(correlation["rules"]):
        if name in rules:
            found += [
                Occurrence(event["time"], number, step, event, name, (correlation,))
                for number, event in enumerate(events)
                if rules[name](event)
            ]
        else:
            for burst in correlate(known[name], known, rules, events):
                found += [
                    Occurrence(one.time, (name, burst.group, burst.begin), step, one.event, one.rule,
                               (correlation, *one.path))
                    for one in burst.fired
                ]  # fmt: skip
    span = span_of(correlation)
    names = as_list(correlation.get("group-by"))
    groups = sorted({group for one in found for group in read(one, names)})
    bursts = []
    for group in groups:
        mine = [one for one in found if group in read(one, names)]
        fired = [
            one
            for one in mine
            if judged(correlation, [other for other in mine if one.time - span < other.time <= one.time])
        ]
        times = sorted({one.time for one in fired})
        for begin, end in runs(times, span):
            firing = tuple(one for one in fired if begin <= one.time <= end)
            inside = tuple(one for one in mine if begin - span < one.time <= end)
            first = min(one.time for one in inside)
            bursts.append(SlowBurst(correlation["name"], group, first, begin, end, firing, inside))
    return bursts


def runs(times: Sequence[int], span: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for time in times:
        if found and time - found[-1][1] <= span:
            found[-1] = (found[-1][0], time)
        else:
            found.append((time, time))
    return found


def judged(correlation: Mapping[str, Any], window: Sequence[Occurrence]) -> bool:
    """Whether the condition holds for what is in a window."""
    value = measured(correlation, window)
    condition = correlation.get("condition") or {"gte": len(correlation["rules"])}
    bounds = {name: Fraction(str(limit)) for name, limit in condition.items() if name in TESTS}
    return value is not None and all(TESTS[name](value, limit) for name, limit in bounds.items())


def measured(correlation: Mapping[str, Any], window: Sequence[Occurrence]) -> Fraction | None:
    kind = correlation["type"]
    if kind == "event_count":
        return Fraction(len({one.key for one in window}))
    if kind == "temporal":
        return Fraction(len({one.step for one in window}))
    if kind == "temporal_ordered":
        return Fraction(longest(window, len(correlation["rules"])))
    fields = as_list(correlation["condition"]["field"])
    # A row for each group that the event is in does not repeat its values: they are those of the event.
    values = [value for one in window for value in read(one, fields)]
    if kind == "value_count":
        return Fraction(len(set(values)))
    numbers = sorted(Fraction(value[0]) for value in values if is_number(value[0]))
    if not numbers:
        return None
    many = len(numbers)
    if kind == "value_sum":
        return sum(numbers, Fraction())
    if kind == "value_avg":
        return sum(numbers, Fraction()) / many
    if kind == "value_median":
        return (numbers[(many - 1) // 2] + numbers[many // 2]) / 2
    percentile = Fraction(str(correlation["condition"]["percentile"]))
    return numbers[max(1, ceil(percentile * many / 100)) - 1]


def longest(window: Sequence[Occurrence], steps: int) -> int:
    """The most steps, some perhaps left out, that happened one after the other or at the same time."""
    best = 0
    reached: dict[int, list[tuple[int, int]]] = {}  # step -> (length, time of its last) of chains that end there
    for step in range(steps):
        reached[step] = [(1, one.time) for one in window if one.step == step]
        for earlier in range(step):
            for length, time in reached[earlier]:
                reached[step] += [(length + 1, one.time) for one in window if one.step == step and one.time >= time]
        reached[step] = sorted(set(reached[step]))
        best = max([best, *(length for length, _ in reached[step])])
    return best


def is_number(text: str) -> bool:
    try:
        Fraction(text)
    except (ValueError, ZeroDivisionError):
        return False
    return "/" not in text and "_" not in text
