"""A raw list from interviews or workshops in, a proposal of a preliminary risk for each of its rows out.

Nothing of a row is lost: what has no field, or does not fit into it, stands in `imported.columns` under its heading.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from itertools import islice
from typing import Final

from kyber.errors import UsageError
from kyber.privacy import shortened
from kyber.risks.matrix import Scale
from kyber.risks.risk import Risk
from kyber.risks.table import Table

HEADING_WITHIN: Final = 30
"""Rows among which the heading is looked for."""
TITLE_LENGTH: Final = 120
"""Characters of a title; the whole of a longer text is kept beside it."""
ALIKE: Final = 0.85
"""How alike two titles are, from 0 to 1, for one to be told as a possible duplicate."""
COMPARED: Final = 20
"""Titles that a title is compared with: those with most words in common."""
NAMED: Final = 5
"""Possible duplicates that are named for a row."""

TITLES: Final = (
    *("riski", "riskit", "risk", "risker", "risks", "tunnistettu riski", "identifierad risk", "identified risk"),
    *("riskin nimi", "riskens namn", "risk name", "risk title", "otsikko", "rubrik", "title", "nimi", "namn", "name"),
    *("uhka", "uhat", "hot", "threat", "riskin kuvaus", "riskbeskrivning", "risk description"),
)
"""Headings of the column that names the risk, the surest first."""
HEADINGS: Final[Mapping[str, str]] = {
    "measures": r"toimenpi|toimet\b|hallintakeino|varautumi|åtgärd|kontroller|action|measure|mitigation|controls?\b",
    "owner": r"omistaja|vastuu|ägare|ansvar|owner|responsib",
    "rationale": r"perustelu|motivering|rationale|justification",
    "likelihood": r"todennäköisyy|todennak|sannolikhet|likelihood|probabilit",
    "cause": r"syy\b|syyt\b|juurisyy|orsak|causes?\b",
    "consequence": r"seurau|följd|följder|consequence",
    "impact": r"vaikutu|vakavuu|konsekvens|påverkan|allvarlig|impact|severity",
    "event": r"tapahtuma\b|händelse|event\b",
    "category": r"kategori|riskiluok|riskilaji|luokka\b|riskklass|category",
    "notes": r"kuvau|huom|lisäti|komment|beskrivning|anmärkning|description|comment|notes?\b",
}
"""What the heading of each field's column has at the beginning of a word, in Finnish, Swedish and English."""
FIELDS: Final = ("title", "impact.DIMENSION", *HEADINGS)
"""What a column may be mapped to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an import is told: the file's name, the sheet, columns by field, and what holds for every row."""

    file: str
    identified_in: str
    identified_on: date
    columns: Mapping[str, str]
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the workspace knows: its risks, who may own one, its scale, and words for the dimensions of impact."""

    risks: Sequence[Risk]
    owners: Mapping[str, str]
    """Ids, titles and names in small letters -> the id of a role or person."""
    scale: Scale
    dimensions: Mapping[str, str]
    """Words in small letters -> the dimension."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A row as a preliminary risk: its fields but the id, and the texts of measures, each to become an action."""

    row: int
    title: str
    fields: Mapping[str, object]
    measures: str | None
    alike: tuple[str, ...] = ()
    """Risks that may be the same: ids, and numbers of rows of this list."""


@dataclass(frozen=True, slots=True)
class RawList:
    """What a list comes to."""

    heading: int
    """The row of the headings."""
    fields: Mapping[str, str]
    """Field -> the heading of its column."""
    proposals: tuple[Proposal, ...]
    there: Mapping[int, str]
    """Rows that were imported before -> the risk."""
    untitled: tuple[int, ...]
    """Rows that say something, but name no risk."""
    empty: int


def read_list(tables: Sequence[Table], asked: Asked, known: Known) -> RawList:
    """The list in one of the sheets: the one asked for, or the first that has a heading. Raises UsageError."""
    chosen = [one for one in tables if asked.sheet is None or one.name.casefold() == asked.sheet.casefold()]
    if not chosen:
        raise UsageError(f"{asked.file}: there is no sheet {asked.sheet}; there is {_names(t.name for t in tables)}")
    for table in chosen:
        if (found := _heading(table, asked, known)) is not None:
            return _read(table, *found, asked, known)
    seen = next((row for table in chosen for row in table.rows if any(row)), ())
    rows = [row for table in chosen for row in table.rows[:HEADING_WITHIN]]
    for name in asked.columns.values():
        if all(_column(row, name) is None for row in rows):
            raise UsageError(f"{asked.file}: there is no column {name}; there is {_names(seen) or 'nothing'}")
    raise UsageError(
        f"{asked.file}: no column names the risks; there is {_names(seen) or 'nothing'}: say which, --map title=COLUMN"
    )


def title_of(text: str) -> str:
    """A text as a title: its first line, shortened."""
    return shortened(" ".join(text.split("\n", 1)[0].split()), TITLE_LENGTH)


def first_sentence(text: str) -> str:
    """The first sentence of a text, without its full stop, shortened."""
    found = re.match(r"(.+?)[.!?…]*(?:(?<=[.!?…])\s|$)", " ".join(text.split()))
    return title_of(found[1] if found else text)


# --- columns ---------------------------------------------------------------------------------------------------------


def _heading(table: Table, asked: Asked, known: Known) -> tuple[int, Mapping[str, int]] | None:
    """The row that is the heading, from 0, and its columns: of those that have one for the title, the row with most."""
    rows = ((at, _columns(row, asked, known)) for at, row in enumerate(table.rows[:HEADING_WITHIN]) if any(row))
    return max((one for one in rows if "title" in one[1]), key=lambda one: len(one[1]), default=None)


def _columns(row: Sequence[str], asked: Asked, known: Known) -> Mapping[str, int]:
    """Field -> the number of its column, from 0: as asked, and else by the heading; the first column has it."""
    columns: dict[str, int] = {}
    for field, name in asked.columns.items():
        if (found := _column(row, name)) is None:
            return {}
        columns[field] = found
    heads = [_plain(cell) for cell in row]
    if "title" not in columns:
        named = next((heads.index(one) for one in TITLES if one in heads), None)
        if named is not None and named not in columns.values():
            columns["title"] = named
    for at, head in enumerate(heads):
        if at not in columns.values() and (own := _field(head, known)) is not None:
            columns.setdefault(own, at)
    return columns


def _column(row: Sequence[str], name: str) -> int | None:
    heads = [_plain(cell) for cell in row]
    if _plain(name) in heads:
        return heads.index(_plain(name))
    if re.fullmatch(r"[A-Z]{1,2}", name):
        at = 0
        for letter in name:
            at = at * 26 + ord(letter) - ord("A") + 1
        return at - 1 if at <= len(row) else None
    return None


def _field(head: str, known: Known) -> str | None:
    field = next((name for name, stems in HEADINGS.items() if re.search(rf"\b(?:{stems})", head)), None)
    if field == "impact":
        dimension = next((one for word, one in known.dimensions.items() if word in head), None)
        if dimension is None and len(known.scale.dimensions) == 1:
            dimension = known.scale.dimensions[0]
        return "impact" if dimension is None else f"impact.{dimension}"
    return field


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(":*")


# --- rows ------------------------------------------------------------------------------------------------------------


def _read(table: Table, at: int, columns: Mapping[str, int], asked: Asked, known: Known) -> RawList:
    heads = _heads(table, at)
    proposals: list[Proposal] = []
    untitled: list[int] = []
    empty = 0
    for number, row in enumerate(table.rows[at + 1 :], at + 2):
        if not any(row):
            empty += 1
        elif not _cell(row, columns["title"]):
            untitled.append(number)
        else:
            proposals.append(_proposal(number, row, heads, columns, asked, known))
    there = _there(proposals, known.risks, asked.file)
    new = [one for one in proposals if one.row not in there]
    return RawList(
        heading=at + 1,
        fields={field: heads[column] for field, column in columns.items()},
        proposals=tuple(_with_alike(new, known.risks)),
        there=there,
        untitled=tuple(untitled),
        empty=empty,
    )


def _heads(table: Table, at: int) -> list[str]:
    """The headings of all columns, each only once; a column without one is called by its number."""
    width = max(len(row) for row in table.rows[at:])
    heads: list[str] = []
    for number in range(width):
        head = " ".join(_cell(table.rows[at], number).split()) or f"column {number + 1}"
        heads.append(head if head not in heads else f"{head} ({number + 1})")
    return heads


def _cell(row: Sequence[str], at: int) -> str:
    return row[at] if at < len(row) else ""


def _proposal(
    number: int, row: Sequence[str], heads: Sequence[str], columns: Mapping[str, int], asked: Asked, known: Known
) -> Proposal:
    said = {field: text for field, at in columns.items() if (text := _cell(row, at))}
    title = title_of(said["title"])
    fields: dict[str, object] = {
        "title": title,
        "status": "preliminary",
        "identified_in": asked.identified_in,
        "identified_on": asked.identified_on,
    }
    used = {"title"} if title == said["title"] else set()
    if {"cause", "event", "consequence"} <= said.keys():
        fields["statement"] = {name: said[name] for name in ("cause", "event", "consequence")}
        used |= {"cause", "event", "consequence"}
    if "category" in said:
        fields["category"] = said["category"]
    if (owner := known.owners.get(_plain(said.get("owner", "")))) is not None:
        fields["owner"] = owner
        used |= {"owner"} if said["owner"] == owner else set()
    if (current := _estimate(said, known.scale)) is not None:
        fields["current"], taken = current
        used |= taken
    if "notes" in said:
        fields["notes"] = said["notes"]
    kept = {columns[field] for field in used | ({"category", "notes", "measures"} & said.keys())}
    left = {head: text for at, head in enumerate(heads) if at not in kept and (text := _cell(row, at))}
    fields["imported"] = {"file": asked.file, "row": number, **({"columns": left} if left else {})}
    return Proposal(number, title, fields, said.get("measures"))


def _estimate(said: Mapping[str, str], scale: Scale) -> tuple[Mapping[str, object], set[str]] | None:
    """An estimate with its likelihood and an impact on some dimension at least; and the fields that are whole in it."""
    likelihood = _class(said.get("likelihood", ""), scale.likelihoods)
    impact = {
        field.partition(".")[2]: found
        for field, text in said.items()
        if field.startswith("impact.") and (found := _class(text, scale.impacts)) is not None
    }
    if likelihood is None or not impact:
        return None
    given = {"likelihood": likelihood, **{f"impact.{name}": found for name, found in impact.items()}}
    used = {field for field, found in given.items() if said[field] == str(found)}
    made: dict[str, object] = {"likelihood": likelihood, "impact": impact}
    if "rationale" in said:
        made["rationale"] = said["rationale"]
        used.add("rationale")
    return made, used


def _class(text: str, most: int) -> int | None:
    """The class that a text begins with: `3`, `3 – possible`."""
    found = re.match(r"(\d{1,2})(?![\d.,])", text)
    return int(found[1]) if found and 1 <= int(found[1]) <= most else None


# --- what is there already -------------------------------------------------------------------------------------------


def _there(proposals: Sequence[Proposal], risks: Sequence[Risk], file: str) -> dict[int, str]:
    """The rows that were imported before: by file, row and title; then, in a list that has moved, by file and title."""
    before = [one for one in risks if one.imported is not None and one.imported.file == file]
    there: dict[int, str] = {}
    for same_row in (True, False):
        free: dict[tuple[str, int], list[str]] = {}
        for one in before:
            if one.imported is not None and one.id not in there.values():
                free.setdefault((one.title, one.imported.row if same_row else 0), []).append(one.id)
        for each in proposals:
            found = free.get((each.title, each.row if same_row else 0))
            if each.row not in there and found:
                there[each.row] = found.pop(0)
    return there


def _with_alike(proposals: Sequence[Proposal], risks: Sequence[Risk]) -> Iterable[Proposal]:
    """The proposals, each with the risks of the register, and the rows before it, that may be the same."""
    by_word: dict[str, list[tuple[str, str]]] = {}

    def add(name: str, title: str) -> None:
        for word in _words(title):
            by_word.setdefault(word, []).append((name, _plain(title)))

    for one in risks:
        if one.is_open:
            add(one.id, one.title)
    for each in proposals:
        shared = Counter(known for word in _words(each.title) for known in by_word.get(word, ()))
        matcher = SequenceMatcher(None, "", _plain(each.title), autojunk=False)
        alike = (name for (name, title), _ in shared.most_common(COMPARED) if _is_alike(matcher, title))
        add(str(each.row), each.title)
        yield Proposal(each.row, each.title, each.fields, each.measures, tuple(islice(alike, NAMED)))


def _words(title: str) -> set[str]:
    """What words begin with, so that inflected ones are found too."""
    return {word[:5] for word in re.findall(r"\w{3,}", title.casefold())}


def _is_alike(matcher: SequenceMatcher[str], title: str) -> bool:
    matcher.set_seq1(title)
    return matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE


def _names(names: Iterable[str]) -> str:
    return ", ".join(shortened(name, 40) for name in names if name)
