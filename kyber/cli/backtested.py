"""Backtests in; a block a rule for a person, JSON lines for a program, out.

The texts must be masked before they come here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from kyber.finding import Blind
from kyber.logs.backtest import Backtest, Backtests, OneDay, Pace
from kyber.render.amounts import decimal
from kyber.render.excerpt import excerpt
from kyber.render.safe import every_text, json_line, plain
from kyber.render.table import DOTS, STYLES
from kyber.render.times import iso
from kyber.text import Words

COLUMNS: Final = 62
"""Signs of the line of days; of more days, each stands for several."""
A_WEEK: Final = 7
"""Days with events from which on what is told of a week can be believed."""
BARS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "·"
NAME: Final = 40
"""Characters of a host, user or other value that are shown."""
PACES: Final = {
    Pace.NEVER: "dim",
    Pace.SELDOM: "green",
    Pace.SOMETIMES: "yellow",
    Pace.OFTEN: "red",
    Pace.TOO_FEW_DAYS: "yellow",
    Pace.BLIND: "yellow",
}


def show(tested: Backtests, words: Words) -> Iterator[RenderableType]:
    """The lines of the table: rules that fired, most often first; then the blind, then those that never fired."""
    safe = every_text(tested, plain)
    fired = sorted((one for one in safe.backtests if one.findings), key=lambda one: (-one.findings, one.rule.title))
    for one in fired:
        yield from _fired(one, words)
        yield Text()
    for one in safe.backtests:
        if one.pace is Pace.BLIND and one.blind is not None:
            yield _title(one, words)
            yield _below(Text(f"{words('backtest.pace.blind')}: {why(one.blind, words)}", PACES[Pace.BLIND]))
            yield Text()
    for one in safe.backtests:
        if one.pace is Pace.NEVER:
            yield _title(one, words)
            yield _below(Text(words("backtest.never"), PACES[Pace.NEVER]))
            yield from _hidden(one, words)
            yield Text()
    yield Text(told(safe, words))
    if 0 < len(safe.covered) < A_WEEK and any(one.pace is not Pace.TOO_FEW_DAYS for one in fired):
        yield Text(words("backtest.few"), "yellow")
    yield Text(words("backtest.kept"), "dim")


def _title(one: Backtest, words: Words) -> Text:
    line = Text(f"{DOTS[one.level]} ", STYLES[one.level])
    line.append(one.rule.title_in(words.language), "bold not dim")
    return line.append(f"  {one.rule.name or one.rule.id}", "dim")


def _below(line: Text) -> RenderableType:
    """A line below the title of its rule."""
    return Padding(line, (0, 0, 0, 2), expand=False)


def _fired(one: Backtest, words: Words) -> Iterator[RenderableType]:
    yield _title(one, words)
    days = words.many("backtest.of-days", len(one.covered), fired=words.number(len(one.days)))
    found = words.many("backtest.findings", one.findings)
    events = words.many("backtest.events", one.events)
    line = Text(f"{days}: {found}, {events}; ")
    if one.pace is not Pace.TOO_FEW_DAYS:
        line.append(f"{words('backtest.weekly', weekly=a_week(one, words))} · ")
    yield _below(line.append(words(f"backtest.pace.{one.pace}"), PACES[one.pace]))
    if one.days:
        yield from _over_time(one, words)
    for name, values in one.busiest.items():
        each = ", ".join(f"{excerpt(busy.value, NAME)} {words.number(busy.findings)}" for busy in values)
        yield _below(Text(f"{name}: ", "dim").append(each, "not dim"))
    yield from _hidden(one, words)
    if one.silence:
        yield _below(Text(words("backtest.silence"), "dim"))


def _over_time(one: Backtest, words: Words) -> Iterator[RenderableType]:
    """The line of days, and what was most."""
    first, last = min((*one.days, *one.covered[:1])), max((*one.days, *one.covered[-1:]))
    step, counts = over_time(one.days, first, last)
    line = Text(f"{first} ", "dim").append(bars(counts), "not dim").append(f" {last}", "dim")
    yield _below(line.append(f"  {words.many('backtest.column', step)}", "dim"))
    most = max(one.days, key=lambda day: (one.days[day].findings, one.days[day].events, -day.toordinal()))
    there = one.days[most]
    if there != min(one.days.values(), key=lambda day: (day.findings, day.events)):
        found, events = words.many("backtest.findings", there.findings), words.many("backtest.events", there.events)
        yield _below(Text(f"{words('backtest.most', day=most)}: {found}, {events}", "dim"))


def _hidden(one: Backtest, words: Words) -> Iterator[RenderableType]:
    for hidden, count in one.hidden:
        title = hidden.filter.title_in(words.language)
        yield _below(Text(words.many("backtest.hidden", count, filter=title), "dim"))


def over_time(days: Mapping[date, OneDay], first: date, last: date) -> tuple[int, list[int]]:
    """Findings over time, each number of as many days as are told first."""
    many = (last - first).days + 1
    step = -(-many // COLUMNS)
    counts = [0] * -(-many // step)
    for day, there in days.items():
        counts[(day - first).days // step] += there.findings
    return step, counts


def bars(counts: Sequence[int]) -> str:
    """Numbers as bars: a dot where there is nothing, the full height where there is most."""
    most = max(counts, default=0)
    return "".join(BARS[(len(BARS) * count - 1) // most] if count else NOTHING for count in counts)


def a_week(one: Backtest, words: Words) -> str:
    """How many findings a week there are, as short as it tells something."""
    return words.number(round(one.weekly)) if one.weekly >= 10 else decimal(one.weekly, words)


def why(blind: Blind, words: Words) -> str:
    """Why a rule cannot look, in a sentence."""
    return words(f"blind.{blind.reason}", **blind.facts)


def told(tested: Backtests, words: Words) -> str:
    """What was looked at."""
    if not tested.covered:
        return words("backtest.nothing")
    first, last = tested.covered[0], tested.covered[-1]
    events = words.number(tested.events)
    return words.many("backtest.looked", len(tested.covered), first=first, last=last, events=events)


def record(one: Backtest) -> dict[str, Any]:
    """All that a backtest says."""
    return {
        "rule": {
            "id": one.rule.id,
            "name": one.rule.name,
            "title": one.rule.title,
            "path": one.rule.path,
            "level": str(one.level),
        },
        "pace": str(one.pace),
        "findings": one.findings,
        "events": one.events,
        "weekly": None if one.pace is Pace.TOO_FEW_DAYS else round(one.weekly, 2),
        "days_covered": len(one.covered),
        "days_fired": len(one.days),
        "first": iso(one.first),
        "last": iso(one.last),
        "undated": one.undated,
        "days": [
            {"day": day.isoformat(), "findings": there.findings, "events": there.events}
            for day, there in one.days.items()
        ],
        "busiest": {
            name: [{"value": busy.value, "findings": busy.findings, "events": busy.events} for busy in values]
            for name, values in one.busiest.items()
        },
        "blind": None if one.blind is None else {"reason": one.blind.reason, **one.blind.facts},
        "hidden": [
            {"id": hidden.filter.id, "title": hidden.filter.title, "events": count} for hidden, count in one.hidden
        ],
        "silence": one.silence,
    }


def jsonl(tested: Backtests) -> str:
    """One JSON object a line and a rule, in the order in which they were named."""
    return "".join(json_line(record(one)) + "\n" for one in tested.backtests)
