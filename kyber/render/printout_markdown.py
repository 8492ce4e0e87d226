"""A printout in, Markdown out: for a terminal, a plain printer, or a page of one's own."""

from collections.abc import Iterator
from typing import Final

from kyber.render.markdown import begun, marked, row
from kyber.render.printout import Block, Column, Facts, Grid, Items, Part, Printout, Text, Use, lines

_BREAK: Final = "\\\n"
_INDENTED: Final = "\\\n  "
BOX: Final = "☐"
_RULE: Final = "_" * 72


def text_of(printout: Printout) -> str:
    """The paper as lines; nothing in its texts is taken for markup, and boxes and rooms to write in stay empty."""
    return "\n".join(_lines(printout)) + "\n"


def _lines(printout: Printout) -> Iterator[str]:
    yield _one(printout.over)
    yield f"\n# {_one(printout.title)}\n"
    yield from _block(printout.facts)
    for section in printout.sections:
        yield f"\n## {_one(section.heading)}"
        for block in section.blocks:
            yield ""
            yield from _block(block)
    yield f"\n---\n\n{_one(printout.foot)}"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Text(paragraphs):
            yield "\n\n".join(_many(one, _BREAK) for one in paragraphs)
        case Items(items):
            yield from (f"- {_many(one, _INDENTED)}" for one in items)
        case Facts(rows):
            yield from (f"- {_one(name)}: {_many(value, _INDENTED)}" for name, value in rows)
        case Part(heading=heading, text=text, ruled=ruled):
            yield f"### {_one(heading)}"
            if text:
                yield f"\n{_many(text, _BREAK)}"
            for _ in range(ruled):
                yield f"\n{_RULE}"
        case Grid(columns, rows):
            yield row(_one(column.head) for column in columns)
            yield "|---" * len(columns) + "|"
            for values in rows:
                yield row(_cell(column, value) for column, value in zip(columns, values, strict=True))


def _cell(column: Column, value: str) -> str:
    return BOX if column.use is Use.TICK else "<br>".join(map(_marked, lines(value)))


def _many(text: str, end: str) -> str:
    return end.join(begun(_marked(line)) for line in lines(text))


def _one(text: str) -> str:
    return " ".join(map(_marked, lines(text)))


def _marked(line: str) -> str:
    return marked(line.strip())
