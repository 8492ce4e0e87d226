"""A Typst template and data in, an accessible PDF (PDF/UA-1) out; the same bytes for the same template and data.

Data reaches the template as JSON and is never markup. Nothing is read but the template: no fonts of this machine, no
files, no packages. Letters that the fonts do not have are shown by their numbers, as PDF/UA asks that each has a shape.
"""

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import regex

from kyber.render.safe import every_text, json_line

FOLDER: Final = Path(__file__).parent
_PICTURE: Final = b"""#let (svg, width, height) = sys.inputs
#set page(width: float(width) * 1pt, height: float(height) * 1pt, margin: 0pt, fill: white)
#image(bytes(svg), format: "svg", width: 100%, height: 100%, fit: "contain")"""
FONT: Final = "Libertinus Serif"
"""A family within Typst, for the texts of pictures: see `picture.clean`."""
STANDARD: Final = "ua-1"
_UNSHOWN: Final = regex.compile(
    r"[^\x20-\x7e\xa0-\u02ff\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce\u0400-\u045f\u0490-\u04c2\u1e00-\u1e9b\u1e9e-\u1ef9"
    r"\u200b\u2010-\u2027\u202f-\u2037\u2039-\u203f\u2070\u2071\u2074-\u208e\u2090-\u209c\u20a0-\u20b5"
    r"\u2190-\u21ff\u2200-\u2220\u2223-\u222d\u2248-\u226b\u2500-\u25ff\u2713]"
)
"""Whatever is not Latin, Greek, Cyrillic or a common sign, of which the fonts within Typst have every letter, bold ones
too: Libertinus Serif, and DejaVu Sans Mono for what that lacks. U+200B only says where a word may be broken."""


class Undrawn(Exception):  # noqa: N818 - a state of the data, not of the code
    """The data cannot be shown as the template asks; the text says why in Typst's words."""


def pdf(template: str, data: object) -> bytes:
    """The PDF of a template in this folder over data that JSON can hold, `data` in its `sys.inputs`. Raises Undrawn."""
    inputs = {"data": json_line(every_text(data, shown))}
    return _compiled((FOLDER / template).read_bytes(), inputs, format="pdf", pdf_standards=[STANDARD], timestamp=0)


def png(svg: str, width: float, height: float, ppi: int) -> bytes:
    """The picture so many points wide and high, for readers that know no SVG; empty if it cannot be drawn.

    It has no fonts but those within Typst: its texts are to name FONT.
    """
    inputs = {"svg": svg, "width": f"{width:.3f}", "height": f"{height:.3f}"}
    try:
        return _compiled(_PICTURE, inputs, format="png", ppi=ppi)
    except Undrawn:
        return b""


def _compiled(template: bytes, inputs: Mapping[str, str], **form: Any) -> bytes:
    """What a template makes of its inputs, without any font or file of this machine. Raises Undrawn."""
    import typst

    compiler = typst.Compiler(
        input=template,
        font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=True),
        ignore_system_fonts=True,
        sys_inputs=dict(inputs),
    )
    try:
        return cast(bytes, compiler.compile(**form))
    except typst.TypstError as error:
        raise Undrawn(str(error)) from error


def shown(text: str) -> str:
    """The text as the fonts can show it: letters put together from parts as one, what has no shape by its number."""
    return cast(str, _UNSHOWN.sub(lambda match: _number(match[0]), unicodedata.normalize("NFC", text)))


def _number(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x1_0000 else f"\\U{ord(letter):08x}"
