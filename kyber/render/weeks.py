"""Weeks with counts of several kinds in, one SVG of stacked bars out, which can be read in black and white.

Each kind has a pattern of its own besides its colour; the numbers stand in `<desc>` as well. No script, no style from
elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import ceil, log10
from typing import Final

from kyber.render.safe import plain

WIDTH: Final = 760
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 744.0, 78.0, 250.0
_LABELS: Final = 14
"""About how many weeks are named below the axis."""
_LETTER: Final = 7.0
LOOKS: Final = (
    ("#0b4f8a", '<path d="M0,0 h8 v8 h-8 z" fill="#0b4f8a"/>'),
    (
        "#d98e04",
        '<path d="M0,0 h8 v8 h-8 z" fill="#f6d98b"/><path d="M-2,10 L10,-2" stroke="#8a5a00" stroke-width="2"/>',
    ),
    ("#555", '<path d="M0,0 h8 v8 h-8 z" fill="#fff"/><circle cx="4" cy="4" r="1.8" fill="#333"/>'),
)
"""Of each kind: the colour of its edge, and its pattern: full, hatched, dotted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """What is drawn."""

    title: str
    names: tuple[str, ...]
    """The kinds, at most as many as LOOKS."""
    weeks: tuple[str, ...]
    """What each week is called: 2026-W47."""
    counts: tuple[tuple[int, ...], ...]
    """Of each week, one number a kind."""
    axis: str
    """What is counted."""
    begins: int | None = None
    """Which week, from 0, the period begins with; None: none that is drawn."""
    period: str = ""
    """What stands above it."""
    described: str
    """The same in words."""


def svg(found: Weeks) -> str:
    """The picture as a text; the same for the same weeks."""
    top = _round_up(max((sum(week) for week in found.counts), default=1))
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
                'aria-labelledby="weeks-title weeks-desc" font-family="sans-serif" font-size="12">'
            ),
            f'<title id="weeks-title">{_safe(found.title)}</title>',
            f'<desc id="weeks-desc">{_safe(found.described)}</desc>',
            "<defs>",
            *(
                f'<pattern id="weeks-{at}" width="8" height="8" patternUnits="userSpaceOnUse">{look}</pattern>'
                for at, (_, look) in enumerate(LOOKS)
            ),
            "</defs>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            _text(16, 26, found.title, size=16, weight="600"),
            *_legend(found),
            *_axis(found, top),
            *_bars(found, top),
            *_begin(found),
            "</svg>\n",
        )
    )


def _legend(found: Weeks) -> Iterator[str]:
    x = _LEFT
    for at, name in enumerate(found.names):
        yield f'<rect x="{x:.0f}" y="42" width="14" height="14" fill="url(#weeks-{at})" stroke="{LOOKS[at][0]}"/>'
        yield _text(x + 20, 54, name)
        x += 44 + len(name) * _LETTER


def _axis(found: Weeks, top: int) -> Iterator[str]:
    for part in range(5):
        count = top * part / 4
        if count == int(count):
            y = _y(count, top)
            yield f'<path d="M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}" stroke="#ddd"/>'
            yield _text(_LEFT - 8, y + 4, str(int(count)), anchor="end", fill="#444")
    yield _text(_LEFT, _TOP - 8, found.axis, fill="#444")
    every = max(1, ceil(len(found.weeks) / _LABELS))
    for at, name in enumerate(found.weeks):
        if at % every == 0:
            x = _LEFT + (at + 0.5) * _step(found)
            yield _text(x, _BOTTOM + 20, name.partition("-")[2] or name, anchor="middle", fill="#444")
    if found.weeks:
        ends = f"{found.weeks[0]} – {found.weeks[-1]}"
        yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 40, ends, anchor="middle", fill="#444")


def _bars(found: Weeks, top: int) -> Iterator[str]:
    step = _step(found)
    wide = min(step * 0.72, 44.0)
    for at, week in enumerate(found.counts):
        x, below = _LEFT + (at + 0.5) * step - wide / 2, 0
        for kind, count in enumerate(week):
            if count:
                low, high = _y(below, top), _y(below + count, top)
                yield (
                    f'<rect x="{x:.1f}" y="{high:.1f}" width="{wide:.1f}" height="{low - high:.1f}" '
                    f'fill="url(#weeks-{kind})" stroke="{LOOKS[kind][0]}"/>'
                )
                below += count
    yield f'<path d="M{_LEFT:.0f} {_TOP:.0f}V{_BOTTOM:.0f}H{_RIGHT:.0f}" fill="none" stroke="#222"/>'


def _begin(found: Weeks) -> Iterator[str]:
    """A dashed line before the first week of the period, and its name on the side that has room."""
    if found.begins is None:
        return
    x = _LEFT + found.begins * _step(found)
    yield f'<path d="M{x:.1f} {_TOP - 18:.1f}V{_BOTTOM:.1f}" stroke="#222" stroke-width="1.6" stroke-dasharray="5 4"/>'
    is_left = x > (_LEFT + _RIGHT) / 2
    beside = _LEFT + len(found.axis) * _LETTER + 14
    yield _text(x - 6 if is_left else max(x + 6, beside), _TOP - 8, found.period, anchor="end" if is_left else "start")


def _step(found: Weeks) -> float:
    return (_RIGHT - _LEFT) / max(1, len(found.weeks))


def _y(count: float, top: int) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * count / top


def _round_up(most: int) -> int:
    """A round number from `most` on that four divides."""
    if most <= 4:
        return 4
    unit: int = 10 ** int(log10(most))
    return next(each for step in (1, 2, 4, 8, 10, 20) if (each := 4 * ceil(step * unit / 4)) >= most)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: str = "", fill: str = "#1a1a1a"
) -> str:
    look = (f' font-size="{size}"' if size != 12 else "") + (f' font-weight="{weight}"' if weight else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{look}>{_safe(text)}</text>'


def _safe(text: str) -> str:
    return escape(plain(text))
