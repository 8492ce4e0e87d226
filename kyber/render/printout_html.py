"""A printout in, one page of HTML out that loads nothing, runs nothing, and prints on A4 in black and white."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

from kyber.render.html import environment
from kyber.render.printout import Column, Grid, Printout, lines
from kyber.render.safe import plain

FOLDER: Final = Path(__file__).parent


def page(printout: Printout) -> str:
    """The whole page; every text is made plain and escaped."""
    style = (FOLDER / "printout.css").read_text(encoding="utf-8")
    style += "".join(f".w{one} {{ width: {one}%; }}\n" for one in sorted(_widths(printout)))
    style += f"@page {{ @bottom-left {{ content: {_quoted(printout.foot)}; }} }}\n"
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        environment()
        .get_template("printout.html.j2")
        .render(
            printout=printout,
            style=style,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            plain=plain,
            lines=lines,
            width=_width,
        )
    )


def _width(column: Column, grid: Grid) -> int:
    """How much of a table's width a column has, in percent."""
    return round(100 * column.share / sum(one.share for one in grid.columns))


def _widths(printout: Printout) -> set[int]:
    grids = [block for section in printout.sections for block in section.blocks if isinstance(block, Grid)]
    return {_width(column, grid) for grid in grids for column in grid.columns}


def _quoted(text: str) -> str:
    """A text as CSS has it: all but letters, digits and spaces of ASCII as numbers, each ended by a blank."""
    return '"' + "".join(one if _is_simple(one) else f"\\{ord(one):06x} " for one in plain(text)) + '"'


def _is_simple(letter: str) -> bool:
    return letter == " " or (letter.isascii() and letter.isalnum())
