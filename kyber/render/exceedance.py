"""Loss exceedance curves in, one SVG out: how large a loss is exceeded in a year with what chance.

One panel a currency, one below the other. Both axes are logarithmic, so that the seldom and the large can be read.
Lines differ by their strokes and are named in words; what the picture shows stands in its `<desc>`, too. No script, no
style from elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

from kyber.render.amounts import money, percent
from kyber.render.excerpt import excerpt
from kyber.render.safe import plain
from kyber.text import Words

Curve = Sequence[tuple[float, float]]
"""A loss, and the share of the years in which it is exceeded; from small losses to large ones."""

WIDTH: Final = 760
PANEL: Final = 430
MARKED: Final = (0.1, 0.05, 0.01)
"""The chances whose losses are written beside the curve."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 712, 104, 364
_DECADES: Final = 6
_LEAST: Final = 0.001
_TICKS: Final = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_INK, _QUIET, _GRID, _MAIN, _OTHER = "#1a1a1a", "#555", "#ddd", "#0b4f8a", "#8a3b0b"
_TITLE: Final = 72
_LETTER: Final = 6.2
"""How wide a letter is about, in a sans-serif of 12 units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The curves of one currency."""

    currency: str
    expected: float
    """The mean loss of a year."""
    marks: Sequence[tuple[float, float]]
    """A chance, and the loss that is exceeded with it."""
    curve: Curve
    with_controls: Curve = ()
    """The same with all proposed controls; empty where there is none."""


def svg(panels: Sequence[Panel], title: str, words: Words) -> str:
    """The picture as a text; the same for the same panels."""
    height = PANEL * len(panels)
    told = " ".join(_told(panel, words) for panel in panels)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" lang="{words.language}"',
            ' role="img" aria-labelledby="exceedance-title exceedance-desc" font-family="sans-serif" font-size="12">',
            f'<title id="exceedance-title">{_safe(title)}</title>',
            f'<desc id="exceedance-desc">{_safe(told)}</desc>',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *(line for at, panel in enumerate(panels) for line in _panel(panel, at * PANEL, title, words)),
            "</svg>\n",
        )
    )


def _told(panel: Panel, words: Words) -> str:
    marks = (
        words("quantify.exceeded", chance=percent(chance, words), amount=_amount(loss, panel, words))
        for chance, loss in panel.marks
        if loss
    )
    return " ".join((words("quantify.mean", amount=_amount(panel.expected, panel, words)), *marks))


def _panel(panel: Panel, down: int, title: str, words: Words) -> Iterator[str]:
    yield f'<g transform="translate(0 {down})">'
    yield _text(20, 30, f"{excerpt(title, _TITLE)} ({panel.currency})", size=16, weight="bold")
    yield _text(20, 50, words("quantify.mean", amount=_amount(panel.expected, panel, words)), fill=_QUIET)
    if not panel.curve:
        yield _text(20, 100, words("quantify.too-rare"))
        yield "</g>"
        return
    low, high = _ends([panel.curve, panel.with_controls])
    yield from _axes(panel, low, high, words)
    if panel.with_controls:
        yield _line(panel.with_controls, low, high, _OTHER, "7 4")
    yield _line(panel.curve, low, high, _MAIN, "")
    for chance, loss in panel.marks:
        if loss >= 10**low:
            yield from _mark(chance, loss, low, high, words)
    yield from _legend(panel, words)
    yield "</g>"


def _axes(panel: Panel, low: int, high: int, words: Words) -> Iterator[str]:
    for share in _TICKS:
        y = _y(share)
        yield f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="{_GRID}"/>'
        yield _text(_LEFT - 8, y + 4, percent(share, words), anchor="end", fill=_QUIET)
    every = ceil((len(money(10.0**high, words)) + 2) * _LETTER * (high - low) / (_RIGHT - _LEFT))
    for power in range(low, high + 1):
        x = _x(10.0**power, low, high)
        yield f'<path d="M{x:.1f} {_TOP}V{_BOTTOM}" stroke="{_GRID}"/>'
        if (power - low) % every == 0:
            yield _text(x, _BOTTOM + 18, money(10.0**power, words), anchor="middle", fill=_QUIET)
    yield f'<path d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}" fill="none" stroke="{_INK}"/>'
    yield _text(20, _TOP - 14, words("quantify.chance-axis"))
    yield _text(_RIGHT, _BOTTOM + 40, words("quantify.loss-axis", currency=panel.currency), anchor="end")


def _line(curve: Curve, low: int, high: int, colour: str, dashes: str) -> str:
    left, shown = 10.0**low, [point for point in curve if point[0] > 10.0**low]
    start = min((share for loss, share in curve if loss <= left), default=curve[0][1])  # as likely as the smallest one
    points = dict.fromkeys(f"{_x(loss, low, high):.1f},{_y(share):.1f}" for loss, share in ((left, start), *shown))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def _mark(chance: float, loss: float, low: int, high: int, words: Words) -> Iterator[str]:
    x, y, told = _x(loss, low, high), _y(chance), money(loss, words)
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_MAIN}"/>'
    width = len(told) * _LETTER + 6
    at, anchor = (x + 9, "start") if x + 9 + width < _RIGHT else (x - 9, "end")
    left = at - 3 if anchor == "start" else at + 3 - width
    yield f'<rect x="{left:.1f}" y="{y - 15:.1f}" width="{width:.1f}" height="16" fill="#fff" fill-opacity="0.85"/>'
    yield _text(at, y - 3, told, anchor=anchor, weight="bold")


def _legend(panel: Panel, words: Words) -> Iterator[str]:
    if panel.with_controls:
        lines = ((words("quantify.line-bare"), _MAIN, "none"), (words("quantify.with-all"), _OTHER, "7 4"))
        x = _RIGHT - max(len(told) for told, _, _ in lines) * _LETTER - 42
        for y, (told, colour, dashes) in zip((56, 76), lines, strict=True):
            yield f'<path d="M{x:.0f} {y - 4}h34" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
            yield _text(x + 42, y, told)


def _ends(curves: Sequence[Curve]) -> tuple[int, int]:
    """The powers of ten between which the curves lie; of small losses only so many."""
    losses = [loss for curve in curves for loss, _ in curve]
    high = ceil(log10(max(losses)) - 1e-9)
    low = max(floor(log10(min(losses)) + 1e-9), high - _DECADES)
    return min(max(low, 0), high - 1), high  # less than one of a currency is not told apart


def _x(loss: float, low: int, high: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * max(0.0, (log10(loss) - low) / (high - low))


def _y(share: float) -> float:
    return _TOP + (_BOTTOM - _TOP) * log10(share) / log10(_LEAST)


def _amount(amount: float, panel: Panel, words: Words) -> str:
    return f"{money(amount, words)}\N{NO-BREAK SPACE}{panel.currency}"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: str = "", fill: str = _INK
) -> str:
    look = (f' font-size="{size}"' if size != 12 else "") + (f' font-weight="{weight}"' if weight else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{look}>{_safe(text)}</text>'


def _safe(text: str) -> str:
    return escape(plain(text))
