"""A clean picture in, pieces of it that are no taller than a page out, cut where no text stands if there is a place."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Final

from kyber.render.picture import size

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST: Final = 12
"""More pieces are not made of one picture."""
ABOVE: Final = 16.0
BELOW: Final = 7.0
"""How far a text, or the mark that it stands in, reaches from its base line, about."""
FREE: Final = 5.0
"""Room between a text and a cut that is enough."""
TRIED: Final = 400
"""Places for a cut that are looked at."""
_ROOT: Final = re.compile(r"<svg[^>]*>")
_BOX: Final = re.compile(r'viewBox="([^"]*)"')
_SIZE: Final = re.compile(r' (?:width|height|preserveAspectRatio)="[^"]*"')
_TEXT: Final = re.compile(r"<text\b[^>]*>.*?</text>", re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?")
_SPACE: Final = re.compile(r"[\t\r\n]+|&#(?:9|10|13|x9|xa|xd);", re.IGNORECASE)
_MOVED: Final = re.compile(r"translate\(\s*[-\d.]+[\s,]+(-?\d{1,9}(?:\.\d{1,9})?)\s*\)")

Text = tuple[float, float]
"""Where a text begins and ends, from above."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A piece of a picture, and its size in the picture's own units."""

    svg: str
    width: float
    height: float


def strips(svg: str, tallest: float) -> tuple[Strip, ...]:
    """The picture from top to bottom; none where it does not say how large it is.

    `tallest`: the height of a piece whose width is 1.
    """
    found = size(svg)
    if not svg or found is None:
        return ()
    width, height = found
    most = width * tallest
    if not most < height <= most * MOST:
        return (Strip(_framed(svg, None), width, height),)
    texts = tuple(_texts(svg))
    left, top = _corner(svg)
    return tuple(
        Strip(
            _framed(_within(svg, texts, above, below), f"{left:g} {top + above:g} {width:g} {below - above:g}"),
            width,
            below - above,
        )
        for above, below in pairwise(_cuts(texts, height, most))
    )


def _corner(svg: str) -> tuple[float, float]:
    box = _BOX.search(svg)
    left, top, *_ = map(float, (box[1] if box else "0 0").replace(",", " ").split())
    return left, top


def _framed(svg: str, box: str | None) -> str:
    """The picture with a size of its own, the whole of it or what a box holds."""
    root = _ROOT.search(svg)
    assert root is not None
    tag = _SIZE.sub("", root[0])
    if box is not None:
        tag = _BOX.sub(f'viewBox="{box}"', tag)
    return _SPACE.sub(" ", svg.replace(root[0], tag, 1))


def _cuts(texts: Sequence[Text], height: float, most: float) -> list[float]:
    """Where the pieces begin and end: as few as there can be, each as long as can be without cutting a text."""
    cuts = [0.0]
    while height - cuts[-1] > most:
        longest = cuts[-1] + most
        shortest = max(cuts[-1] + most * 2 / 3, height - most * (ceil((height - cuts[-1]) / most) - 1))
        tried = [longest - (longest - shortest) * step / TRIED for step in range(TRIED + 1)]
        cuts.append(max(tried, key=lambda at: min([FREE, *(max(above - at, at - below) for above, below in texts)])))
    return [*cuts, height]


def _within(svg: str, texts: Sequence[Text], above: float, below: float) -> str:
    """The picture without the texts that stand elsewhere, which a search would find there."""
    found = iter(texts)
    if len(_TEXT.findall(svg)) != len(texts):
        return svg

    def kept(text: re.Match[str]) -> str:
        begin, end = next(found)
        return text[0] if begin < below and end > above else ""

    return _TEXT.sub(kept, svg)


def _texts(svg: str) -> Iterator[Text]:
    """Where texts begin and end, from the picture's top, in their order; moved as groups are moved, not turned."""
    from defusedxml.ElementTree import fromstring

    root: Element = fromstring(svg)
    _, top = _corner(svg)

    def below(element: "Element", moved: float) -> Iterator[Text]:
        if found := _MOVED.search(element.get("transform", "")):
            moved += float(found[1])
        if element.tag.endswith("}text"):
            base = moved + float(found[0] if (found := _NUMBER.match(element.get("y", ""))) else 0)
            yield base - ABOVE, base + BELOW
        for child in element:
            yield from below(child, moved)

    return below(root, -top)
