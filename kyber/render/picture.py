"""An SVG picture from anywhere in, one that can stand in a page out: shapes and text, and nothing that runs or loads.

What is not on the lists below is dropped with all that is in it. Ids get a prefix, so that pictures in one page do not
meet; a picture that is no SVG, or is too large, becomes an empty text, and its description has to do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError  # only the kind of error; defusedxml reads

from kyber.render.safe import plain

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LONGEST: Final = 4 * 2**20
"""Characters of one picture."""
DEEPEST: Final = 32
"""Elements within each other, and in what they use."""
MOST: Final = 100_000
"""Elements that are drawn, each as often as it is used, with what their texts and paths are long for."""
NARROWEST: Final = 1_000
"""How many times as long as it is wide a picture may be, or the other way round: paper holds no thinner ones."""
_LENGTH: Final = 20
"""So many letters, or points of a path, are as much to draw as one element."""
_SVG: Final = "{http://www.w3.org/2000/svg}"
_TEXTS: Final = frozenset({"text", "tspan"})
ELEMENTS: Final = _TEXTS | {
    "svg", "g", "defs", "marker", "clipPath", "linearGradient", "stop", "pattern", "use",
    "rect", "circle", "ellipse", "line", "path", "polygon", "polyline",
}  # fmt: skip
ATTRIBUTES: Final = frozenset(
    [
        "id",
        "lang",
        "viewBox",
        "width",
        "height",
        "x",
        "y",
        "x1",
        "y1",
        "x2",
        "y2",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "dx",
        "dy",
        "d",
        "points",
        "offset",
        "transform",
        "fill",
        "fill-opacity",
        "fill-rule",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "stroke-linecap",
        "stroke-linejoin",
        "opacity",
        "paint-order",
        "font-family",
        "font-size",
        "font-weight",
        "font-style",
        "text-anchor",
        "dominant-baseline",
        "letter-spacing",
        "refX",
        "refY",
        "markerWidth",
        "markerHeight",
        "markerUnits",
        "orient",
        "marker-start",
        "marker-mid",
        "marker-end",
        "clip-path",
        "clipPathUnits",
        "gradientUnits",
        "gradientTransform",
        "patternUnits",
        "patternTransform",
        "preserveAspectRatio",
        "stop-color",
        "stop-opacity",
        "href",
    ]
)
_OWN: Final = frozenset({"id", "lang", "font-family"})
"""What the picture as a whole is not asked for."""
_USED: Final = ("href", "clip-path")
"""What draws other elements once, where it stands."""
_LINK: Final = re.compile(r"#([A-Za-z_][\w.-]*)")
_PAINT: Final = re.compile(r"url\(#([A-Za-z_][\w.-]*)\)")
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*")
_VALUE: Final = re.compile(r"[\w\s.,#%()+'-]*")
"""What a value may be of: no colon, slash, semicolon, backslash, or bracket but round ones."""
_NUMBER: Final = re.compile(r"\d+")
_LETTER: Final = re.compile(r"[A-DF-Za-df-z]")
_HUGE: Final = re.compile(r"(?<![\d.])(?:\d{7}|[\d.]+[eE]\+?\d)")
"""A number so large that no drawing holds it: what is drawn by it may end the program that draws."""
_BROAD: Final = re.compile(r"(?<![\d.])\d{5}")
"""A stroke wider than any picture, whose outline alone takes seconds."""
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{3,8}")
_FUNCTION: Final = re.compile(r"([A-Za-z-]+)\s*\(")
_FUNCTIONS: Final = {"translate", "rotate", "scale", "matrix", "skewX", "skewY", "rgb", "rgba", "hsl"}


def clean(svg: str, prefix: str, title: str, described: str, *, font: str = "") -> str:
    """The picture with `title` and `described` for who does not see it; empty if it cannot be one.

    `font`: the one family of all its texts, instead of those that it names.
    """
    root = _read(svg)
    if root is None:
        return ""
    taken: set[str] = set()
    inner = "".join(_written(child, prefix, font, taken) for child in root)
    named = {key: value for key, value in _attributes(root, prefix, font, taken) if key not in _OWN}
    family = {"font-family": font or "system-ui, sans-serif"}
    # No name of an element begins with a dash, so that none is one of these.
    title_at, described_at = f"{prefix}-title", f"{prefix}-desc"
    told = f'<title id="{title_at}">{_said(title)}</title><desc id="{described_at}">{_said(described)}</desc>'
    attributes = _joined({"role": "img", "aria-labelledby": title_at, **named, **family})
    return f'<svg xmlns="http://www.w3.org/2000/svg"{attributes} aria-describedby="{described_at}">{told}{inner}</svg>'


def size(svg: str) -> tuple[float, float] | None:
    """Width and height as the picture's viewBox says, in its own units; None where it says nothing of use."""
    root = _read(svg)
    try:
        _, _, width, height = map(float, ("" if root is None else root.get("viewBox", "")).replace(",", " ").split())
    except ValueError:
        return None
    if not (0 < width < 1e6 and 0 < height < 1e6):
        return None
    return (width, height) if max(width, height) <= NARROWEST * min(width, height) else None


def _read(svg: str) -> "Element | None":
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(svg) > LONGEST:
        return None
    try:
        root: Element = fromstring(svg, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    return root if root.tag == f"{_SVG}svg" and _cost(root, _named(root), {}, 1).many <= MOST else None


def _named(root: "Element") -> "dict[str, list[Element]]":
    found: dict[str, list[Element]] = {}
    for one in root.iter():
        if name := one.get("id"):
            found.setdefault(name, []).append(one)
    return found


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one element takes to be drawn."""

    many: int
    """Elements; more than MOST where it is too many, too deep or without end."""
    points: int
    """Of paths, each of which may bear a marker."""
    deep: int
    """Elements within each other."""


def _cost(element: "Element", named: "dict[str, list[Element]]", known: "dict[Element, _Cost]", depth: int) -> _Cost:
    """Few lines can use each other so often that no drawing of them would end. A colour or a marker that leads to other
    elements is that of all shapes within, and a marker may stand at each of their points."""
    if element in known:
        found = known[element]
        return found if depth + found.deep <= DEEPEST + 1 else replace(found, many=MOST + 1)
    if depth > DEEPEST:
        return _Cost(MOST + 1, 0, 1)
    points = sum(_points(element.get(name, "")) for name in ("d", "points"))
    many, deep = 1 + (points + len(element.text or "") + len(element.tail or "")) // _LENGTH, 1
    links = {name: name_of for name, value in element.attrib.items() if (name_of := _leads(value))}
    drawn = [one for name in _USED if name in links for one in named.get(links.pop(name), ())]
    for part in (*element, *drawn):
        below = _cost(part, named, known, depth + 1)
        many, points, deep = many + below.many, points + below.points, max(deep, below.deep + 1)
        if many > MOST:
            return _Cost(many, points, deep)
    shapes = many
    for name, to in links.items():
        for one in named.get(to, ()):
            below = _cost(one, named, known, depth + 1)
            many += below.many * (max(1, points) if name == "marker-mid" else shapes)
            deep = max(deep, below.deep + 1)
            if many > MOST:
                return _Cost(many, points, deep)
    known[element] = _Cost(many, points, deep)
    return known[element]


def _points(path: str) -> int:
    """How many points a path has at most: each takes a letter or a number."""
    return len(_LETTER.findall(path)) + len(_NUMBER.findall(path))


def _leads(value: str) -> str:
    """The id that an attribute's value leads to; empty: none."""
    found = _LINK.fullmatch(value) or _PAINT.fullmatch(value.strip())
    return found[1] if found else ""


def _written(element: "Element", prefix: str, font: str, taken: set[str]) -> str:
    name = element.tag.removeprefix(_SVG) if isinstance(element.tag, str) else ""
    if name not in ELEMENTS or name == "svg":
        return ""
    attributes = _joined(dict(_attributes(element, prefix, font, taken)))
    parts = [_said(element.text)] if name in _TEXTS else []
    for child in element:
        parts.append(_written(child, prefix, font, taken))
        parts += [_said(child.tail)] if name in _TEXTS else []
    return f"<{name}{attributes}>{''.join(parts)}</{name}>"


def _attributes(element: "Element", prefix: str, font: str, taken: set[str]) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        if name not in ATTRIBUTES or (font and name == "font-family"):
            continue
        if name == "id":
            if _NAME.fullmatch(value) and value not in taken:
                taken.add(value)
                yield name, prefix + value
        elif name == "href":
            if found := _LINK.fullmatch(value):
                yield name, f"#{prefix}{found[1]}"
        elif found := _PAINT.fullmatch(value.strip()):
            yield name, f"url(#{prefix}{found[1]})"
        elif _HUGE.search(_COLOUR.sub("", value)) or (name == "stroke-width" and _BROAD.search(value)):
            continue
        elif _VALUE.fullmatch(value) and set(_FUNCTION.findall(value)) <= _FUNCTIONS:
            yield name, value


def _joined(attributes: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())


def _said(text: str | None) -> str:
    return escape(plain(re.sub(r"[\t\r\n]+", " ", text or "")))
