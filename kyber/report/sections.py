"""The report as a list of its parts, and all of them together as one Document."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from kyber.document import LONGEST, Block, Bullets, Chart, Document, Line, Paragraph, Section, Table
from kyber.privacy import mask, shortened
from kyber.render.safe import every_text, plain
from kyber.report import annexes, first
from kyber.report.given import Given

Part = Callable[[Given], Section]

FIRST: Final[tuple[Part, ...]] = (
    first.way,
    first.asked,
    first.top_risks,
    first.matrix,
    first.services,
    first.late,
    first.happened,
    first.covered,
    first.clock,
)
"""The first page, in its order."""
ANNEXES: Final[tuple[Part, ...]] = (
    annexes.changed,
    annexes.all_risks,
    annexes.money,
    annexes.all_late,
    annexes.all_services,
    annexes.plans,
    annexes.findings,
    annexes.incidents,
    annexes.watched,
    annexes.year,
    annexes.problems,
    annexes.method,
)
"""What stands behind it. A new part is a new line."""
LAST: Final[tuple[Part, ...]] = (annexes.missing,)


def document(given: Given) -> Document:
    """The report: the same for the same that was given. Personal identity codes are masked, and nothing in its texts
    steers who shows them."""
    words, settings = given.words, given.snapshot.workspace.settings
    whole = Document(
        title=words("report.title", name=given.period.name),
        organisation=settings.organisation,
        language=words.language,
        label=given.label,
        as_of=given.today,
        start=given.period.start,
        end=given.period.end,
        commit=given.commit,
        facts=first.facts(given),
        sections=(),
        values=tuple(sorted(given.values.items())),
    )
    made = (part(given) for part in (*FIRST, *ANNEXES, *LAST))
    sections = tuple(_harmless(one) for one in made if not (given.public and one.confidential))
    return replace(every_text(whole, _shown), sections=_linked(_once(sections)))


def _shown(text: str) -> str:
    return shortened(plain(mask(text)), LONGEST)


def _harmless(section: Section) -> Section:
    """Its texts harmless; pictures are that already, apart from what is to be masked."""
    bare = replace(section, blocks=())
    blocks = tuple(
        replace(
            every_text(replace(block, svg="", described=""), _shown),
            svg=mask(block.svg),
            described=plain(mask(block.described)),
        )
        if isinstance(block, Chart)
        else every_text(block, _shown)
        for block in section.blocks
    )
    return replace(every_text(bare, _shown), blocks=blocks)


def _once(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Each anchor once, though two records may have one id: the first has it."""
    taken = {one.id for one in sections}
    made = []
    for one in sections:
        blocks: list[Block] = []
        for block in one.blocks:
            if isinstance(block, Table):
                rows = []
                for row in block.rows:
                    rows.append(replace(row, anchor="") if row.anchor in taken else row)
                    taken |= {row.anchor} - {""}
                blocks.append(replace(block, rows=tuple(rows)))
            else:
                blocks.append(block)
        made.append(replace(one, blocks=tuple(blocks)))
    return tuple(made)


def _linked(sections: tuple[Section, ...]) -> tuple[Section, ...]:
    """Without the links that would lead nowhere."""
    known = {one.id for one in sections}
    known |= {row.anchor for one in sections for block in one.blocks if isinstance(block, Table) for row in block.rows}

    def line(found: Line) -> Line:
        return tuple(one if one.to in known else replace(one, to="") for one in found)

    def block(found: Block) -> Block:
        match found:
            case Paragraph():
                return replace(found, line=line(found.line))
            case Bullets():
                return replace(found, items=tuple(map(line, found.items)))
            case Table():
                rows = tuple(replace(one, cells=tuple(map(line, one.cells))) for one in found.rows)
                return replace(found, rows=rows)
            case _:
                return found

    return tuple(replace(one, blocks=tuple(map(block, one.blocks))) for one in sections)
