"""Bars beside each other on one scale, as SVG: value, target and the value before; signs as well as shades."""

from dataclasses import dataclass
from html import escape
from typing import Final

from kyber.render.safe import plain

_LEFT: Final = 210
_WIDE: Final = 420
_RIGHT: Final = 190
_TOP: Final = 64
_HIGH: Final = 62
_BAR: Final = 26
UP: Final = "▲"
DOWN: Final = "▼"
SAME: Final = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar. None: there is no such value. `note` stands below the name, `said` at the end of the bar."""

    name: str
    value: float | None
    target: float | None = None
    before: float | None = None
    said: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars from 0 to `scale`, and the words for all of it."""

    title: str
    described: str
    """The same as text, for who does not see the picture."""
    scale: int
    bars: tuple[Bar, ...]
    value: str
    target: str
    before: str
    """What the three marks are called in the legend."""


def svg(picture: Bars) -> str:
    """The bars as SVG, in black, white and grey; nothing in it is loaded or runs."""
    low = _TOP + len(picture.bars) * _HIGH
    width, height = _LEFT + _WIDE + _RIGHT, low + 68
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">'
        ),
        f'<title id="t">{_text(picture.title)}</title><desc id="d">{_text(picture.described)}</desc>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="32" font-size="18" font-weight="600">{_text(picture.title)}</text>',
    ]
    for score in range(picture.scale + 1):
        x = _at(picture, score)
        parts.append(
            f'<line x1="{x:g}" y1="{_TOP - 8}" x2="{x:g}" y2="{low}" stroke="#bbb" stroke-width="1"/>'
            f'<text x="{x:g}" y="{low + 18}" text-anchor="middle" fill="#333">{score}</text>'
        )
    for row, bar in enumerate(picture.bars):
        parts += _bar(picture, bar, _TOP + row * _HIGH)
    parts += _legend(picture, low + 46)
    return "\n".join((*parts, "</svg>\n"))


def _bar(picture: Bars, bar: Bar, top: int) -> list[str]:
    middle = top + _HIGH / 2
    parts = [f'<text x="16" y="{middle - (2 if bar.note else -4):g}" font-weight="600">{_text(bar.name)}</text>']
    if bar.note:
        parts.append(f'<text x="16" y="{middle + 15:g}" font-size="11" fill="#444">{_text(bar.note)}</text>')
    if bar.value is not None:
        parts.append(
            f'<rect x="{_LEFT}" y="{middle - _BAR / 2:g}" width="{_at(picture, bar.value) - _LEFT:g}" '
            f'height="{_BAR}" fill="#555" stroke="#000"/>'
        )
    if bar.target is not None:
        parts.append(_target(_at(picture, bar.target), middle))
    if bar.before is not None:
        parts.append(_before(_at(picture, bar.before), middle))
    parts.append(f'<text x="{_LEFT + _WIDE + 14}" y="{middle + 4:g}">{_text(bar.said)}</text>')
    return parts


def _target(x: float, y: float, high: float = _BAR / 2 + 7) -> str:
    line = f'<line x1="{x:g}" y1="{y - high:g}" x2="{x:g}" y2="{y + high:g}"'
    return f'{line} stroke="#fff" stroke-width="6"/>{line} stroke="#000" stroke-width="3" stroke-dasharray="5 2"/>'


def _before(x: float, y: float) -> str:
    return (
        f'<path d="M{x:g},{y - 7:g} L{x + 7:g},{y:g} L{x:g},{y + 7:g} L{x - 7:g},{y:g} z" fill="#fff" stroke="#000" '
        'stroke-width="1.5"/>'
    )


def _legend(picture: Bars, y: int) -> list[str]:
    at = (_LEFT, _LEFT + 130, _LEFT + 260)
    return [
        f'<rect x="{at[0]}" y="{y - 7}" width="18" height="14" fill="#555" stroke="#000"/>',
        f'<text x="{at[0] + 26}" y="{y + 4}">{_text(picture.value)}</text>',
        _target(at[1] + 6, y, _BAR / 2 - 3),
        f'<text x="{at[1] + 20}" y="{y + 4}">{_text(picture.target)}</text>',
        _before(at[2] + 8, y),
        f'<text x="{at[2] + 24}" y="{y + 4}">{_text(picture.before)}</text>',
    ]


def _at(picture: Bars, value: float) -> float:
    return round(_LEFT + _WIDE * min(max(value / picture.scale, 0), 1), 2)


def _text(value: str) -> str:
    return escape(plain(value))
