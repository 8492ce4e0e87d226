"""A near miss of a rule or a correlation in, what a person reads of it out, or a record for a program.

The texts must be masked, and made plain for a person, before they come here.
"""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kyber.finding import NearMiss, NearWindow
from kyber.render.excerpt import excerpt
from kyber.render.times import iso, moment, span
from kyber.text import Words

PATTERNS_SHOWN: Final = 3
"""Of the comparisons of which any would have done, how many a person sees."""
ROOM: Final = 60
"""Characters of a value that a person sees, at most half a line."""


def near(miss: NearMiss, words: Words, width: int) -> Iterator[RenderableType]:
    """A rule that was near: what it lacked, how often, and what stood there instead."""
    room = max(ROOM, width // 2)
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(ratio=1, overflow="fold")
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(miss.rule.title_in(words.language), "bold"), Text(words.many("findings.events", miss.count)))
    yield head
    level = words(f"findings.level.{miss.level}")
    yield _indented(Text(f"{miss.rule.path or miss.rule.id} · {level}, {words.many('near.met', miss.met)}", "dim"), 2)
    lacked = Text(f"{words('near.lacked')} ", "dim")
    place = None
    for at, one in enumerate(miss.asked[:PATTERNS_SHOWN]):
        lacked.append(f" {words('near.or')} " if at else "", "dim")
        if place != (one.part, one.field):
            place = (one.part, one.field)
            lacked.append(f"{one.part}: ", "dim").append(one.field or words("explain.keyword"), "bold not dim")
            lacked.append(" ← ", "dim")
        lacked.append(excerpt(one.pattern, room), "not dim")
    if more := miss.alternatives - len(miss.asked[:PATTERNS_SHOWN]):
        lacked.append(f" {words.many('near.or-more', more)}", "dim")
    yield _indented(lacked, 4)
    if miss.values:
        seen = Text(f"{words('near.seen')} ", "dim")
        several = len({field for field, _, _ in miss.values}) > 1
        for at, (field, value, count) in enumerate(miss.values):
            seen.append(", " if at else "", "dim")
            seen.append(f"{field} = " if several else "", "dim")
            seen.append(words("near.absent") if value is None else excerpt(value, room), "not dim")
            seen.append(f" × {words.number(count)}", "dim")
        yield _indented(seen, 4)
    where = f"{miss.sample.file}:{miss.sample.record}"
    time = f", {moment(miss.sample.time)} UTC" if miss.sample.time else ""
    yield _indented(Text(f"{words('near.example')} ", "dim").append(f"{where}{time}", "not dim"), 4)


def near_window(window: NearWindow, words: Words) -> Iterator[RenderableType]:
    """A correlation of which a window came near: what it came to, of what was asked, in which group and when."""
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(ratio=1, overflow="fold")
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(window.rule.title_in(words.language), "bold"), Text(words.many("near.groups", window.groups)))
    yield head
    level = words(f"findings.level.{window.level}")
    yield _indented(Text(f"{window.rule.path or window.rule.id} · {level}", "dim"), 2)
    facts = {"kind": window.kind, "value": window.value, "asked": window.asked, "span": window.span}
    yield _indented(Text(words("near.window", **facts)), 4)
    where = " · ".join(value for value in window.group.values() if value) or words("findings.no-group")
    period = span(window.first, window.last)
    when = f", {period} UTC" if period else ""
    yield _indented(Text(f"{words('near.example')} ", "dim").append(f"{where}{when}", "not dim"), 4)


def window_record(window: NearWindow) -> dict[str, Any]:
    """Everything that is known of a window that came near."""
    return {
        "rule": {
            "id": window.rule.id,
            "name": window.rule.name,
            "title": window.rule.title,
            "path": window.rule.path,
        },
        "level": str(window.level),
        "type": window.kind,
        "condition": window.asked,
        "timespan": window.span,
        "value": window.value,
        "group": dict(window.group),
        "groups": window.groups,
        "first": iso(window.first),
        "last": iso(window.last),
    }


def as_record(miss: NearMiss) -> dict[str, Any]:
    """Everything that is known of a near miss."""
    return {
        "rule": {
            "id": miss.rule.id,
            "name": miss.rule.name,
            "title": miss.rule.title,
            "path": miss.rule.path,
        },
        "level": str(miss.level),
        "lacked": [{"part": one.part, "field": one.field, "pattern": one.pattern} for one in miss.asked],
        "alternatives": miss.alternatives,
        "met": miss.met,
        "count": miss.count,
        "values": [{"field": field, "value": value, "count": count} for field, value, count in miss.values],
        "sample": {
            "event_id": miss.sample.event_id,
            "file": miss.sample.file,
            "record": miss.sample.record,
            "time": iso(miss.sample.time),
        },
    }


def _indented(what: RenderableType, by: int) -> RenderableType:
    return Padding(what, (0, 0, 0, by))
