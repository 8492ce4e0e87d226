"""The register as a workbook that people edit: risks, controls and actions out; the cells that they changed, back in.

Each row carries the id of what it is and, on a hidden sheet, the hash of what it said. So a row that was changed in the
workspace in the meantime is told apart from one that was changed in the workbook, and is not overwritten.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal, get_args

from kyber import action, people
from kyber.action import Action
from kyber.duration import Duration
from kyber.errors import UsageError
from kyber.register import ABSENT, Path_, Record
from kyber.render.xlsx import Book, Cell, Heading, Level, Page, fitting, sheet_name
from kyber.risks import control, risk
from kyber.risks.control import Control
from kyber.risks.opening import text_of
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Risk
from kyber.risks.table import Table
from kyber.text import LANGUAGES, Words, words_for

META: Final = "_kyber"
"""The hidden sheet that tells whose workbook it is."""
MARK: Final = ("kyber-risks", "1")
"""What the hidden sheet begins with: what it is, and the version of its form."""
PARTS: Final = ("current", "target")
"""The estimates that are edited in a workbook."""
DECIDED: Final = frozenset(("accepted", "closed"))
"""What a risk becomes, and ceases to be, by a decision and not by a cell."""
COLOURS: Final[Mapping[str, str]] = {
    "negligible": "#DFE9E2",
    "minor": "#C6DCF0",
    "moderate": "#F6E3A1",
    "major": "#F2B07B",
    "intolerable": "#D9707A",
}
"""The colours of levels, under the word that says the same."""
_DAY: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_GROUPS: Final = ("statement", *PARTS, "review", "test")

Kind = Literal[
    "id", "level", "text", "choice", "owner", "day", "likelihood", "impact", "number", "ids", "texts", "span", "answer"
]  # fmt: skip
Sort = Literal["risk", "control", "action"]
MODELS: Final[Mapping[Sort, tuple[type[Record], str, str]]] = {
    "risk": (Risk, "risks", risk.PREFIX),
    "control": (Control, "controls", control.PREFIX),
    "action": (Action, "actions", action.PREFIX),
}
"""Sort of sheet -> its model, the folder of its files, and how its ids begin."""
ON, RIGHT, COMMENT = ("@", "on"), ("@", "right"), ("@", "comment")
"""The columns of a review form: reviewed on, still right, comment."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field as a column: where it stands in a record, its kind, its heading, and what may be chosen: value -> key."""

    path: tuple[str, ...]
    kind: Kind
    head: str
    choices: Mapping[str, str] = field(hash=False)
    width: int = 16

    def value(self, record: object) -> Any:
        """What a record has there; None for nothing."""
        found: Any = record
        for step in self.path:
            found = found.get(step) if isinstance(found, Mapping) else getattr(found, step, None)
        return found

    def cell(self, value: object, words: Words) -> Cell:
        """A value as a cell."""
        if value is None:
            return None
        if self.kind == "choice":
            return words(self.choices[str(value)])
        if self.kind in ("ids", "texts") and isinstance(value, Sequence):
            return ("\n" if self.kind == "texts" else ", ").join(map(str, value))
        return value if isinstance(value, int | float | date) else str(value)

    def text(self, value: object) -> str:
        """A value as the text by which it is compared, the same in every language."""
        if value is None or self.kind == "choice":
            return str(value or "")
        return text_of(_number(fitting(self.cell(value, words_for("en")))))


@dataclass(frozen=True, slots=True)
class Wrong:
    """A cell, or a row, that cannot be taken as it is: the reason and the cure by a key of the catalogues."""

    sheet: str
    row: int
    column: str
    reason: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that was changed: its column, and the texts before and after."""

    column: Column
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row of a review form answers."""

    on: date
    by: str
    right: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that says something new: of a record that is there, or of a new one."""

    sort: Sort
    sheet: str
    row: int
    record: Risk | Control | Action | None
    shown: tuple[Change, ...]
    values: Mapping[Path_, object]
    """What is to hold; a new record's fields, or changes, with ABSENT for what is to go."""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Back:
    """What a workbook that came back asks for."""

    rows: tuple[Row, ...]
    wrong: tuple[Wrong, ...]
    conflicts: tuple[tuple[str, int, str], ...]
    """Sheet, row and id of rows that were changed here and there."""
    gone: tuple[str, ...]
    """Ids that were exported and are in the workbook no more; they stay in the register."""


# --- out -------------------------------------------------------------------------------------------------------------


def columns_of(sort: Sort, register: RiskRegister, words: Words, *, form: bool = False) -> tuple[Column, ...]:
    """The columns of a sheet; `form`: of a review form."""
    make = {"risk": _risk_columns, "control": _control_columns, "action": _action_columns}[sort]
    found = make(register, words)
    if form and sort == "risk":
        apart = {("review", "last"), ("review", "reviewer"), ("notes",)}
        found = [*found[:3], *_answers(words), *(one for one in found[3:] if one.path not in apart)]
    heads: list[str] = []
    for one in found:
        heads.append(one.head if one.head not in heads else f"{one.head} ({len(heads) + 1})")
    return tuple(
        Column(one.path, one.kind, head, one.choices, one.width) for one, head in zip(found, heads, strict=True)
    )


def of_owner(register: RiskRegister, owner: str) -> tuple[Risk, ...]:
    """The risks that are not closed and that a role or person answers for, the largest first; of a person also those of
    the roles that they hold. Raises UsageError where there is no such role or person."""
    known = {id_ for _, id_, _ in register.people.ids()}
    if owner not in known:
        raise UsageError(f"there is no role or person {owner} in {people.FILE}; there is {', '.join(sorted(known))}")
    names = {owner} | {
        role.id
        for role in register.people.roles
        if any(one.id == owner for one in register.people.held_by(role.id, register.today))
    }
    return tuple(one for one in register.prioritised() if one.is_open and one.owner in names)


def book_of(register: RiskRegister, words: Words, made: datetime, owner: str | None = None) -> Book:
    """The workbook of the whole register or, for an owner, the review form of the risks that they answer for."""
    risks = register.prioritised() if owner is None else of_owner(register, owner)
    records: Mapping[Sort, Sequence[Any]] = {
        "risk": risks,
        "control": _linked(register.controls, risks, "controls", every=owner is None),
        "action": _linked(register.actions, risks, "actions", every=owner is None),
    }
    pages: list[Page] = []
    meta: list[tuple[str, ...]] = [MARK, ("by", owner or "")]
    for sort, found in records.items():
        columns = columns_of(sort, register, words, form=owner is not None)
        name = sheet_name(words(f"risklist.sheet.{sort}"))
        pages.append(_page(name, columns, found, register, words))
        meta.append(("sheet", sort, name))
        meta += [("column", sort, one.head, _key(one.path)) for one in columns]
        meta += [("row", sort, one.id, hash_of(one, columns)) for one in found]
    return Book(
        pages=(*pages, Page(META, (), ((), *meta), hidden=True)),
        matrix=tuple(
            tuple(
                words(f"risks.level.{register.scale.at(row, column) or 'none'}")
                for column in range(1, register.scale.impacts + 1)
            )
            for row in range(1, register.scale.likelihoods + 1)
        ),
        none=words("risks.level.none"),
        colours={words(f"risks.level.{level}"): colour for level, colour in COLOURS.items()},
        made=made,
    )


def hash_of(record: object, columns: Sequence[Column]) -> str:
    """SHA-256 of what a record says in the columns that can be edited."""
    said = {"/".join(one.path): one.text(one.value(record)) for one in columns if one.kind not in ("level", "answer")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _page(name: str, columns: Sequence[Column], records: Sequence[Any], register: RiskRegister, words: Words) -> Page:
    headings = tuple(_heading(one, columns, register, words) for one in columns)
    return Page(
        name, headings, tuple(tuple(_cell(one, record, register, words) for one in columns) for record in records)
    )


def _cell(column: Column, record: Any, register: RiskRegister, words: Words) -> Cell:
    if column.kind == "level":
        level = register.scale.level(getattr(record, column.path[0]))
        return words(f"risks.level.{level or 'none'}")
    return None if column.kind == "answer" else column.cell(column.value(record), words)


def _heading(column: Column, columns: Sequence[Column], register: RiskRegister, words: Words) -> Heading:
    choices: tuple[str | int, ...] = tuple(words(key) for value, key in column.choices.items() if value not in DECIDED)
    level = None
    if column.kind == "level":
        part = column.path[0]
        impacts = [at for at, one in enumerate(columns) if one.path[:2] == (part, "impact")]
        likelihood = next(at for at, one in enumerate(columns) if one.path == (part, "likelihood"))
        level = Level(likelihood, (impacts[0], impacts[-1]))
    elif column.kind == "owner":
        choices = tuple(dict.fromkeys(id_ for _, id_, _ in register.people.ids()))
    elif column.kind == "likelihood":
        choices = tuple(range(1, register.scale.likelihoods + 1))
    elif column.kind == "impact":
        choices = tuple(range(1, register.scale.impacts + 1))
    elif column.path == ("category",):
        used = (one.category for one in register.risks if one.category)
        choices = tuple(dict.fromkeys([*(name for name in register.settings.appetite if name != "*"), *used]))
    suggested = column.path == ("category",)
    return Heading(column.head, column.width, choices, suggested, level, locked=column.kind == "id")


def _linked(found: Sequence[Any], risks: Sequence[Risk], field: str, *, every: bool) -> Sequence[Any]:
    named = {id_ for one in risks for id_ in getattr(one, field)}
    return [one for one in found if every or one.id in named]


def _column(words: Words, path: str, kind: Kind = "text", width: int = 16, **facts: Any) -> Column:
    name = path.rpartition(".")[2]
    head = words(f"risklist.head.{facts.get('head', name)}")
    return Column(tuple(path.split(".")), kind, head, facts.get("choices", {}), width)


def _chosen(prefix: str, values: Sequence[str]) -> Mapping[str, str]:
    return {value: f"{prefix}.{value}" for value in values}


def _values(model: type[Record], field: str) -> Sequence[str]:
    """The words of a field that is one of some."""
    annotation = model.model_fields[field].annotation
    return next((get_args(one) for one in (annotation, *get_args(annotation)) if _is_words(one)), ())


def _is_words(annotation: object) -> bool:
    return bool(get_args(annotation)) and all(isinstance(one, str) for one in get_args(annotation))


def _risk_columns(register: RiskRegister, words: Words) -> list[Column]:
    def choice(path: str, prefix: str) -> Column:
        return _column(words, path, "choice", choices=_chosen(prefix, _values(Risk, path)))

    return [
        _column(words, "id", "id", 8),
        _column(words, "title", width=36),
        Column(("current",), "level", _in_part(words, "level", "current"), {}),
        choice("status", "risks.status"),
        _column(words, "category"),
        choice("identified_in", "risks.origin"),
        _column(words, "identified_on", "day", 12),
        _column(words, "owner", "owner"),
        *(_column(words, f"statement.{name}", width=36) for name in ("cause", "event", "consequence")),
        *_part_columns("current", register, words),
        choice("treatment", "risks.treatment"),
        Column(("target",), "level", _in_part(words, "level", "target"), {}),
        *_part_columns("target", register, words),
        _column(words, "review.interval", "span", 12, head="review-interval"),
        _column(words, "review.last", "day", 12, head="review-last"),
        _column(words, "review.reviewer", "owner", head="reviewer"),
        _column(words, "controls", "ids"),
        _column(words, "actions", "ids"),
        _column(words, "services", "texts"),
        choice("confidence", "risks.confidence"),
        choice("confidentiality", "risks.confidentiality"),
        _column(words, "notes", width=36),
    ]


def _part_columns(part: str, register: RiskRegister, words: Words) -> Iterator[Column]:
    estimates = (getattr(one, part) for one in register.risks)
    used = sorted({name for found in estimates if found is not None for name in found.impact})
    yield Column((part, "likelihood"), "likelihood", _in_part(words, "likelihood", part), {}, 12)
    for name in dict.fromkeys((*register.scale.dimensions, *used)):
        head = words("risklist.head.impact", dimension=_dimension(name, words))
        yield Column((part, "impact", name), "impact", _of_part(words, head, part), {}, 12)
    yield Column((part, "rationale"), "text", _in_part(words, "rationale", part), {}, 36)
    yield Column((part, "assessed_on"), "day", _in_part(words, "assessed_on", part), {}, 12)
    yield Column((part, "assessed_by"), "text", _in_part(words, "assessed_by", part), {})


def _in_part(words: Words, name: str, part: str) -> str:
    return _of_part(words, words(f"risklist.head.{name}"), part)


def _of_part(words: Words, head: str, part: str) -> str:
    return f"{head} ({words(f'risks.part.{part}')})"


def _dimension(name: str, words: Words) -> str:
    return words(f"risks.dimension.{name}") if words.has(f"risks.dimension.{name}") else name


def _control_columns(_: RiskRegister, words: Words) -> list[Column]:
    kinds = _chosen("risks.control-type", _values(Control, "type"))
    statuses = _chosen("risks.control-status", _values(Control, "status"))
    effects = _chosen("risks.confidence", _values(Control, "effectiveness"))
    return [
        _column(words, "id", "id", 8),
        _column(words, "title", width=36),
        _column(words, "description", width=48),
        _column(words, "owner", "owner"),
        _column(words, "type", "choice", choices=kinds),
        _column(words, "status", "choice", choices=statuses),
        _column(words, "effectiveness", "choice", choices=effects),
        _column(words, "test.interval", "span", 12, head="test-interval"),
        _column(words, "test.last", "day", 12, head="test-last"),
        _column(words, "cost", "number", head="cost-yearly"),
    ]


def _action_columns(_: RiskRegister, words: Words) -> list[Column]:
    statuses = _chosen("risks.action-status", _values(Action, "status"))
    return [
        _column(words, "id", "id", 8),
        _column(words, "title", width=36),
        _column(words, "description", width=48),
        _column(words, "status", "choice", choices=statuses),
        _column(words, "owner", "owner"),
        _column(words, "due", "day", 12),
        _column(words, "effort"),
        _column(words, "cost", "number"),
        _column(words, "expected_effect", width=36),
        _column(words, "after", "ids"),
        _column(words, "done_on", "day", 12),
    ]


def _answers(words: Words) -> tuple[Column, ...]:
    return (
        Column(ON, "answer", words("risklist.head.answered-on"), {}, 12),
        Column(RIGHT, "answer", words("risklist.head.answered-right"), _chosen("risklist.answer", ("yes", "no")), 12),
        Column(COMMENT, "answer", words("risklist.head.answered-comment"), {}, 36),
    )


# --- back in ---------------------------------------------------------------------------------------------------------


def is_own(tables: Sequence[Table]) -> bool:
    """Whether the tables are of a workbook that kyber wrote."""
    return any(one.name == META and _meta(one)[:1] == [list(MARK)] for one in tables)


def read_back(tables: Sequence[Table], register: RiskRegister, words: Words) -> Back:
    """What a workbook that kyber wrote asks to be changed. Raises UsageError where it is not whole."""
    meta = _meta(next(one for one in tables if one.name == META))
    by = next((row[1] for row in meta if row[0] == "by" and len(row) > 1), "")
    found = _Found(register, words, by)
    for sort in MODELS:
        name = next((row[2] for row in meta if row[:2] == ["sheet", sort] and len(row) > 2), None)
        if name is None:
            continue
        table = next((one for one in tables if one.name == name), None)
        if table is None:
            raise UsageError(f"the sheet {name} is not in the workbook any more: give it its name back")
        heads = {row[2]: row[3] for row in meta if row[:2] == ["column", sort] and len(row) > 3}
        hashes = {row[2]: row[3] for row in meta if row[:2] == ["row", sort] and len(row) > 3}
        found.read(sort, table, heads, hashes)
    return Back(tuple(found.rows), tuple(found.wrong), tuple(found.conflicts), tuple(found.gone))


def _meta(table: Table) -> list[list[str]]:
    return [[*row[: max((n for n, cell in enumerate(row, 1) if cell), default=0)]] for row in table.rows if any(row)]


def _key(path: Sequence[str]) -> str:
    """A path as the hidden sheet has it."""
    return json.dumps(path)


class _RefusedError(Exception):
    """A cell cannot be taken: the reason by a key, and its facts."""

    def __init__(self, reason: str, **facts: object) -> None:
        self.reason, self.facts = reason, facts
        super().__init__(reason)


class _Found:
    """What is found in a workbook, sheet by sheet."""

    def __init__(self, register: RiskRegister, words: Words, by: str) -> None:
        self.register, self.words, self.by = register, words, by
        self.rows: list[Row] = []
        self.wrong: list[Wrong] = []
        self.conflicts: list[tuple[str, int, str]] = []
        self.gone: list[str] = []
        self.records: Mapping[Sort, Mapping[str, Any]] = {
            "risk": {one.id: one for one in register.risks},
            "control": register.control,
            "action": register.action,
        }

    def read(self, sort: Sort, table: Table, heads: Mapping[str, str], hashes: Mapping[str, str]) -> None:
        form = bool(self.by)
        known = {_key(one.path): one for one in columns_of(sort, self.register, self.words, form=form)}
        first = table.rows[0] if table.rows else ()
        columns = [
            (at, Column(known[path].path, known[path].kind, head, known[path].choices))
            for at, head in enumerate(first)
            if (path := heads.get(head, "")) in known
        ]
        if not any(column.kind == "id" for _, column in columns):
            raise UsageError(f"the sheet {table.name} has no column of ids any more: export it anew")
        exported = [known[path] for path in heads.values() if path in known]
        met: set[str] = set()
        for number, cells in enumerate(table.rows[1:], 2):
            said = {column: cells[at] if at < len(cells) else "" for at, column in columns if column.kind != "level"}
            if any(said.values()):
                self._row(sort, table.name, number, said, exported, hashes, met)
        self.gone += [id_ for id_ in hashes if id_ not in met and id_ in self.records[sort]]

    def _row(
        self, sort: Sort, sheet: str, number: int, said: Mapping[Column, str], exported: Sequence[Column],
        hashes: Mapping[str, str], met: set[str],
    ) -> None:  # fmt: skip
        id_ = next(text for column, text in said.items() if column.kind == "id")
        record = self.records[sort].get(id_)
        head = next(column.head for column in said if column.kind == "id")
        if id_ and (record is None or id_ in met):
            reason = "unknown" if record is None else "twice"
            self.wrong.append(Wrong(sheet, number, head, reason, {"id": id_}))
            return
        met.add(id_)
        shown: list[Change] = []
        values: dict[Path_, Any] = {}
        before = len(self.wrong)
        for column, text in said.items():
            if column.kind in ("id", "answer"):
                continue
            present = None if record is None else column.value(record)
            try:
                if text == column.text(present) and column.kind != "choice":
                    continue
                value = self._value(column, text)
                if column.text(value) == column.text(present):
                    continue
                self._allow(sort, column, value, present)
            except _RefusedError as error:
                self.wrong.append(Wrong(sheet, number, column.head, error.reason, error.facts))
                continue
            shown.append(Change(column, _shown(column, present, self.words), _shown(column, value, self.words)))
            values[column.path] = value
        answer = self._answer(sheet, number, said, new=record is None)
        if len(self.wrong) > before:
            return
        confirmed = record is not None and answer is not None and answer.right and review(record, answer)
        if record is not None and (values or confirmed) and hashes.get(id_) != hash_of(record, exported):
            self.conflicts.append((sheet, number, id_))
        elif record is None:
            fields = {path: value for path, value in values.items() if value is not None}
            self.rows.append(Row(sort, sheet, number, None, tuple(shown), fields))
        elif values or answer is not None:
            self.rows.append(Row(sort, sheet, number, record, tuple(shown), _changes(record, values), answer))

    def _value(self, column: Column, text: str) -> Any:
        """What a cell says. Raises _RefusedError."""
        if not text:
            return None
        match column.kind:
            case "choice":
                return _choice(column, text, self.words)
            case "owner":
                return self._owner(text)
            case "day":
                return _day(text)
            case "likelihood" | "impact":
                scale = self.register.scale
                most = scale.likelihoods if column.kind == "likelihood" else scale.impacts
                if not (text.isdecimal() and 1 <= int(text) <= most):
                    raise _RefusedError("class", most=most)
                return int(text)
            case "number":
                try:
                    value = float(text.replace(" ", "").replace("\N{NO-BREAK SPACE}", "").replace(",", "."))
                except ValueError:
                    raise _RefusedError("number") from None
                if not 0 <= value < float("inf"):
                    raise _RefusedError("number")
                return _number(value)
            case "span":
                try:
                    return Duration.parse(text)
                except ValueError:
                    raise _RefusedError("span") from None
            case "ids":
                return self._ids(column, text)
            case "texts":
                return tuple(line.strip() for line in text.split("\n") if line.strip())
            case _:
                return text

    def _allow(self, sort: Sort, column: Column, value: object, present: object) -> None:
        if column.path == ("title",) and value is None:
            raise _RefusedError("title")
        if sort == "risk" and column.path == ("status",) and {value, present} & DECIDED:
            raise _RefusedError("decision")
        cell = None if present is None else column.cell(present, self.words)
        if cell is not None and fitting(cell) != cell and isinstance(cell, str):
            raise _RefusedError("cut")

    def _owner(self, text: str) -> str:
        found = owners(self.register.people).get(" ".join(text.casefold().split()))
        if found is None:
            raise _RefusedError("owner")
        return found

    def _ids(self, column: Column, text: str) -> tuple[str, ...]:
        sort: Sort = "control" if column.path == ("controls",) else "action"
        ids = tuple(dict.fromkeys(one for one in re.split(r"[\s,;]+", text) if one))
        for id_ in ids:
            if id_ not in self.records[sort]:
                raise _RefusedError("unknown", id=id_)
        return ids

    def _answer(self, sheet: str, number: int, said: Mapping[Column, str], *, new: bool) -> Answer | None:
        given = {column.path: (column, text) for column, text in said.items() if column.kind == "answer" and text}
        if not given:
            return None
        column, text = given.get(RIGHT) or given.get(ON) or given[COMMENT]
        try:
            if new:
                raise _RefusedError("answer-new")
            if RIGHT not in given:
                raise _RefusedError("answer-right")
            right = _choice(column, text, self.words) == "yes"
            if ON not in given:
                raise _RefusedError("answer-on")
            column, text = given[ON]
            on = _day(text)
            if on > self.register.today:
                raise _RefusedError("future")
            by = self._owner(self.by)
        except _RefusedError as error:
            self.wrong.append(Wrong(sheet, number, column.head, error.reason, error.facts))
            return None
        return Answer(on, by, right, given[COMMENT][1] if COMMENT in given else "")


def review(one: Risk, answer: Answer) -> Mapping[Path_, object]:
    """What an answer changes in a risk; empty where it was taken before.

    Still right: it was reviewed, and its estimate, where it has one, is confirmed. Not right: what was said about it is
    noted, and the review stays due.
    """
    note = f"{answer.on.isoformat()} {answer.by}: {answer.comment}"
    noted: dict[Path_, object] = {}
    if answer.comment and note not in (one.notes or "").split("\n\n"):
        noted[("notes",)] = f"{one.notes}\n\n{note}" if one.notes else note
    if not answer.right:
        return noted
    last = one.review.last if one.review else None
    if last is not None and last >= answer.on:
        return {} if any((each.on, each.by) == (answer.on, answer.by) for each in one.assessments) else noted
    changes: dict[Path_, object] = {("review", "last"): answer.on, ("review", "reviewer"): answer.by}
    if (left := one.left) is None:
        return {**changes, **noted}
    entry: dict[str, object] = {"on": answer.on, "by": answer.by}
    entry["agreed"] = {"likelihood": left.likelihood, "impact": dict(left.impact)}
    if answer.comment:
        entry["evidence"] = answer.comment
    return {**changes, ("assessments", len(one.assessments)): entry}


def nested(fields: Mapping[Path_, object]) -> dict[str, object]:
    """Fields by their paths as a document."""
    made: dict[str, Any] = {}
    for path, value in fields.items():
        inside = made
        for step in path[:-1]:
            inside = inside.setdefault(str(step), {})
        inside[str(path[-1])] = str(value) if isinstance(value, Duration) else value
    return made


def owners(found: people.People) -> Mapping[str, str]:
    """Ids, and titles and names that belong to one role or person only, in small letters -> the id."""
    named: dict[str, set[str]] = {}
    for role in found.roles:
        named.setdefault(" ".join(role.title.casefold().split()), set()).add(role.id)
    for person in found.people:
        named.setdefault(" ".join(person.name.casefold().split()), set()).add(person.id)
    ids = {id_.casefold(): id_ for _, id_, _ in found.ids()}
    return {**{name: next(iter(of)) for name, of in named.items() if len(of) == 1}, **ids}


def _changes(record: Any, values: Mapping[Path_, Any]) -> dict[Path_, object]:
    """Values as edits of a file: what is made or emptied whole is one edit."""
    changes: dict[Path_, object] = {}
    for group in dict.fromkeys(str(path[0]) for path in values):
        inside = {path: value for path, value in values.items() if path[0] == group}
        there = getattr(record, group)
        if group not in _GROUPS:
            changes |= {path: _written(value) for path, value in inside.items()}
        elif there is None:
            changes[(group,)] = nested({path[1:]: _written(value) for path, value in inside.items()})
        elif all(inside.get(path, value) is None for path, value in _leaves(there, (group,))) and not any(
            value is not None for value in inside.values()
        ):
            changes[(group,)] = ABSENT
        else:
            changes |= {path: _written(value) for path, value in inside.items()}
    return changes


def _written(value: Any) -> Any:
    if value is None:
        return ABSENT
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Duration) else value


def _leaves(part: Any, path: Path_) -> Iterator[tuple[Path_, object]]:
    items = (
        part.items() if isinstance(part, Mapping) else ((name, getattr(part, name)) for name in type(part).model_fields)
    )
    for name, value in items:
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _choice(column: Column, text: str, words: Words) -> str:
    """The value that a word stands for, in any language. Raises _RefusedError."""
    wanted = text.casefold()
    for value, key in column.choices.items():
        if wanted in (value, *(words_for(one)(key).casefold() for one in LANGUAGES)):
            return value
    raise _RefusedError("choice", choices=tuple(words(key) for key in column.choices.values()))


def _day(text: str) -> date:
    found = _DAY.fullmatch(text)
    try:
        if found:
            return date(int(found[3]), int(found[2]), int(found[1]))
        return date.fromisoformat(text)
    except ValueError:
        raise _RefusedError("day") from None


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _shown(column: Column, value: object, words: Words) -> str:
    return "" if value is None else text_of(column.cell(value, words))
