"""A ScanResult in, one page of HTML out that loads nothing, runs nothing, prints well and stands alone.

The texts must be masked before they come here; `findings` does that. Every text is made plain and escaped; the page's
own policy (CSP) allows its one style sheet, by hash, and nothing else.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kyber.finding import InputAccount, ScanResult
from kyber.level import Level
from kyber.problem import Problem
from kyber.render.amounts import duration, size
from kyber.render.excerpt import VALUE_SHOWN, excerpt, folded
from kyber.render.rows import tactics, techniques
from kyber.render.safe import every_text, link, plain
from kyber.render.summary import (
    LEVELS,
    Bucket,
    Timeline,
    by_reason,
    by_rule,
    filter_told,
    lacking,
    nothing_found,
    standings,
    summary,
    timeline,
    titled_in,
)
from kyber.render.table import DOTS, blind_reason
from kyber.render.times import iso, moment, span
from kyber.text import Words

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER: Final = Path(__file__).parent
STANDINGS_SHOWN: Final = 5

CHART_WIDTH: Final = 960
CHART_HEIGHT: Final = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 28
_WIDEST_COLUMN: Final = 48
_LABEL_ROOM: Final = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One level's part of one column, in the chart's units."""

    x: float
    y: float
    width: float
    height: float
    level: Level
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A label on an axis, and where."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A timeline drawn as stacked columns: the pieces, the marks of both axes, and the highest column."""

    pieces: tuple[Piece, ...]
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    highest: int
    highest_label: str


def page(result: ScanResult, words: Words, *, revealed: bool) -> str:
    """The whole page. `revealed` only says in its footer whether personal identity codes were left unmasked."""
    result = every_text(replace(result, findings=tuple(map(folded, result.findings))), plain)
    findings = result.findings
    style = (FOLDER / "findings.css").read_text(encoding="utf-8")
    line = timeline(findings)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        environment()
        .get_template("findings.html.j2")
        .render(
            result=result,
            words=words,
            style=style,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            counts=summary(result),
            serious=[finding for finding in findings if finding.level >= Level.HIGH],
            hosts=len({finding.group["host.name"] for finding in findings if finding.group.get("host.name")}),
            standings={
                "hosts": standings(findings, "host.name", STANDINGS_SHOWN),
                "users": standings(findings, "user.name", STANDINGS_SHOWN),
            },
            timeline=line,
            chart=chart(line),
            levels={
                level: groups
                for level in LEVELS
                if (groups := [group for group in by_rule(findings) if group.level is level])
            },
            reasons=by_reason(titled_in(result.blind, words.language)),
            revealed=revealed,
            problem=lambda problem: _problem(problem, words),
            remarks=lambda account: _remarks(account, words),
            blind_reason=lambda reason: blind_reason(reason, words),
            nothing_found=nothing_found(result, words),
            filter_told=lambda hidden: filter_told(hidden, words),
            size=lambda count: size(count, words),
            duration=duration(result.seconds, words),
        )
    )


def chart(line: Timeline) -> Chart:
    """The timeline as columns in a drawing of CHART_WIDTH by CHART_HEIGHT, its origin at the top left."""
    totals = [sum(bucket.counts.values()) for bucket in line.buckets]
    highest = max(totals, default=0)
    if not highest:
        return Chart(pieces=(), across=(), up=(), highest=0, highest_label="")
    step = _step(highest)
    top = -(-highest // step) * step
    room = CHART_HEIGHT - _TOP - _BOTTOM
    slot = (CHART_WIDTH - _LEFT - _RIGHT) / len(line.buckets)
    width = min(_WIDEST_COLUMN, slot * 0.8)
    pieces = []
    for at, bucket in enumerate(line.buckets):
        y = float(_TOP + room)
        for level in LEVELS:
            if count := bucket.counts[level]:
                height = room * count / top
                y -= height
                x = _LEFT + at * slot + (slot - width) / 2
                label = bucket_label(bucket, line.step)
                pieces.append(Piece(x=x, y=y, width=width, height=height, level=level, label=label, count=count))
    every = max(1, -(-len(line.buckets) * _LABEL_ROOM // (CHART_WIDTH - _LEFT - _RIGHT)))
    return Chart(
        pieces=tuple(pieces),
        across=tuple(
            Mark(at=middle, label=bucket_label(bucket, line.step))
            for at, bucket in enumerate(line.buckets)
            if at % every == 0 and (middle := _LEFT + (at + 0.5) * slot) <= CHART_WIDTH - _LABEL_ROOM / 2
        ),
        up=tuple(Mark(at=_TOP + room * (1 - n / top), label=str(n)) for n in range(0, top + 1, step)),
        highest=highest,
        highest_label=bucket_label(line.buckets[totals.index(highest)], line.step),
    )


def bucket_label(bucket: Bucket, step: str) -> str:
    """What a column of the timeline stands for: a day or the Monday of a week, a month, a year or years."""
    if step == "month":
        return f"{bucket.start:%Y-%m}"
    if step == "years":
        last = bucket.until.year if bucket.until == date.max else (bucket.until - timedelta(1)).year
        return str(bucket.start.year) if last <= bucket.start.year else f"{bucket.start.year}–{last}"
    return bucket.start.isoformat()


def _step(highest: int) -> int:
    """The distance between marks that gives at most five of them: 1, 2 or 5 with zeros."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * 5 >= highest:
                return step * factor
        step *= 10


def _problem(problem: Problem, words: Words) -> Mapping[str, str]:
    message, cure = words.problem(problem)
    return {"message": plain(message), "cure": plain(cure)}


def _remarks(account: InputAccount, words: Words) -> list[str]:
    """What is to be said of an input beyond its counts: rejects and assumptions by code, records cut or repaired."""
    codes = [
        f"{code} × {words.number(n)}" for counts in (account.rejected, account.notes) for code, n in counts.items()
    ]
    cut = [words.many("findings.page.cut", account.cut)] if account.cut else []
    return codes + cut + ([words.many("findings.page.repaired", account.repaired)] if account.repaired else [])


@cache
def environment() -> "Environment":
    """What makes pages of the templates beside this file: every text is escaped, an absent one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "bucket_label": bucket_label,
        "chart_height": CHART_HEIGHT,
        "chart_left": _LEFT,
        "chart_width": CHART_WIDTH,
        "dots": DOTS,
        "excerpt": lambda value, pattern="": excerpt(value, VALUE_SHOWN, pattern),
        "iso": iso,
        "lacking": lacking,
        "link": link,
        "moment": moment,
        "span": span,
        "tactics": tactics,
        "techniques": techniques,
    }
    return made
