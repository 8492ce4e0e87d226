"""The pictures of the README that show the report: `python -m tests.pictures [FOLDER]`, docs/pictures unless said.

The first page of the example's report in each language, printed by Chromium, drawn by pdftoppm, kept as PNG with a
palette. The example is made up, and the day is fixed.
"""

import shutil
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from typing import Final

from kyber.text import LANGUAGES
from tests.browser import Browser, Missing
from tests.render.pages import pages

DOTS: Final = 96
"""Per inch."""
COLOURS: Final = 256


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    drawer = shutil.which("pdftoppm")
    if drawer is None:
        raise Missing("no pdftoppm in PATH (Debian's package poppler-utils)")
    with TemporaryDirectory() as name:
        made = pages(Path(name))
        browser = Browser(Path(name) / "profile")
        try:
            for language in LANGUAGES:
                with browser.page(made / f"report-{language}.html") as page:
                    printed = page.pdf()
                drawn = subprocess.run(
                    [drawer, "-r", str(DOTS), "-f", "1", "-l", "1", "-singlefile", "-"],
                    input=printed,
                    capture_output=True,
                    check=True,
                    timeout=60,
                ).stdout
                (folder / f"report-{language}.png").write_bytes(png(drawn))
        finally:
            browser.close()


def png(ppm: bytes) -> bytes:
    """A picture as PPM in, as PNG of at most 256 colours out, the commonest ones; others become the nearest."""
    magic, size, most, dots = ppm.split(b"\n", 3)
    assert (magic, most) == (b"P6", b"255")
    width, height = map(int, size.split())
    found = [dots[at : at + 3] for at in range(0, len(dots), 3)]
    palette = [colour for colour, _ in Counter(found).most_common(COLOURS)]
    places = {colour: at for at, colour in enumerate(palette)}
    for colour in set(found) - set(palette):
        near = min(palette, key=lambda one: sum((a - b) ** 2 for a, b in zip(one, colour, strict=True)))
        places[colour] = places[near]
    lines = (bytes(map(places.__getitem__, found[at : at + width])) for at in range(0, len(found), width))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))
        for kind, content in (
            (b"IHDR", pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines), 9)),
            (b"IEND", b""),
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "pictures")
