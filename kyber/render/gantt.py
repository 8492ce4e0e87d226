"""Spans of months in groups, as an SVG picture with a line for today; states are signs and words as well as shades."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import groupby
from typing import Final

from kyber.render.safe import plain

_LEFT: Final = 330
_MONTH: Final = 46
_RIGHT: Final = 190
_TOP: Final = 92
_ROW: Final = 28
_GROUP: Final = 30
_BAR: Final = 18

FILLS: Final[Mapping[str, str]] = {
    "done": 'fill="#333" stroke="#000"',
    "unconfirmed": 'fill="#333" stroke="#000" stroke-width="2" stroke-dasharray="4 3" fill-opacity="0.5"',
    "proved": 'fill="url(#h)" stroke="#000"',
    "late": 'fill="#fff" stroke="#000" stroke-width="3"',
    "now": 'fill="#aaa" stroke="#000"',
    "coming": 'fill="#fff" stroke="#000" stroke-dasharray="4 3"',
}
"""How the bar of each state is drawn."""
SIGNS: Final[Mapping[str, str]] = {
    "done": "✓",
    "unconfirmed": "✓?",
    "proved": "≈",
    "late": "!",
    "now": "▶",
    "coming": "○",
}
"""The sign beside the word for each state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A bar: its group and name, from its first day to its last, its state (a key of FILLS) and the word for that."""

    group: str
    name: str
    first: date
    last: date
    state: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gantt:
    """Spans, in groups that follow each other; today, and the words."""

    title: str
    described: str
    """The same as text, for who does not see the picture."""
    spans: tuple[Span, ...]
    today: date
    now: str
    """What the line for today is called."""


def svg(picture: Gantt) -> str:
    """The spans as SVG, in black, white and grey; nothing in it is loaded or runs."""
    months = _months(picture.spans)
    rows, y = [], _TOP
    for group, spans in groupby(picture.spans, lambda span: span.group):
        rows.append(f'<text x="16" y="{y + 20}" font-weight="600">{_text(group)}</text>')
        y += _GROUP
        for span in spans:
            rows += _row(span, months, y)
            y += _ROW
    width, height = _LEFT + len(months) * _MONTH + _RIGHT, y + 24
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">'
        ),
        f'<title id="t">{_text(picture.title)}</title><desc id="d">{_text(picture.described)}</desc>',
        (
            '<defs><pattern id="h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            '<rect width="6" height="6" fill="#fff"/><rect width="3" height="6" fill="#333"/></pattern></defs>'
        ),
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="32" font-size="18" font-weight="600">{_text(picture.title)}</text>',
        *_heads(months, y),
        *_today(picture, months, y),
        *rows,
    ]
    return "\n".join((*parts, "</svg>\n"))


def _months(spans: Sequence[Span]) -> list[date]:
    """The first day of every month that the spans touch; those of today where there are none."""
    first = min((span.first for span in spans), default=date(2000, 1, 1))
    last = max((span.last for span in spans), default=first)
    numbers = range(first.year * 12 + first.month - 1, max(last.year * 12 + last.month - 1, 0) + 1)
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def _heads(months: Sequence[date], bottom: int) -> list[str]:
    parts = []
    for at, month in enumerate(months):
        x = _LEFT + at * _MONTH
        if at == 0 or month.month == 1:
            parts.append(f'<text x="{x + 4}" y="{_TOP - 24}" font-weight="600">{month.year}</text>')
        parts.append(
            f'<line x1="{x}" y1="{_TOP - 18}" x2="{x}" y2="{bottom}" stroke="#ccc"/>'
            f'<text x="{x + _MONTH / 2:g}" y="{_TOP - 5}" text-anchor="middle" fill="#333">{month.month}</text>'
        )
    x = _LEFT + len(months) * _MONTH
    return [*parts, f'<line x1="{x}" y1="{_TOP - 18}" x2="{x}" y2="{bottom}" stroke="#ccc"/>']


def _row(span: Span, months: Sequence[date], y: int) -> list[str]:
    left, right = _at(span.first, months), _at(span.last, months, end=True)
    middle = y + _ROW / 2
    return [
        f'<text x="28" y="{middle + 4:g}">{_text(span.name)}</text>',
        (
            f'<rect x="{left:g}" y="{middle - _BAR / 2:g}" width="{max(right - left, 2):g}" height="{_BAR}" rx="2" '
            f"{FILLS[span.state]}/>"
        ),
        (
            f'<text x="{right + 8:g}" y="{middle + 4:g}" font-size="12" paint-order="stroke" stroke="#fff" '
            f'stroke-width="4">{SIGNS[span.state]} {_text(span.said)}</text>'
        ),
    ]


def _today(picture: Gantt, months: Sequence[date], bottom: int) -> list[str]:
    first, last = months[0], months[-1]
    if (picture.today.year, picture.today.month) < (first.year, first.month) or (
        picture.today.year,
        picture.today.month,
    ) > (last.year, last.month):
        return []
    x = _at(picture.today, months)
    return [
        f'<line x1="{x:g}" y1="{_TOP - 36}" x2="{x:g}" y2="{bottom}" stroke="#000" stroke-width="2"/>',
        f'<text x="{x:g}" y="{_TOP - 42}" text-anchor="middle" font-size="12">{_text(picture.now)}</text>',
    ]


def _at(day: date, months: Sequence[date], *, end: bool = False) -> float:
    """Where a day begins, or ends, across the picture."""
    first = months[0]
    month = (day.year - first.year) * 12 + day.month - first.month
    return round(_LEFT + _MONTH * (month + min((day.day - 1 + end) / monthrange(day.year, day.month)[1], 1)), 1)


def _text(value: str) -> str:
    return escape(plain(value))
