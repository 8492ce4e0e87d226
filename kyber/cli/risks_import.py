"""`kyber risks import`: a raw list in, preliminary risks out; a workbook that came back in, edits of its cells out."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kyber.cli.console import ExitCode, Where, plain, say
from kyber.cli.desk import On, json_record
from kyber.cli.risks_files import Origin, desk
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.amend import Edit
    from kyber.risks.rawlist import Asked, Proposal, RawList
    from kyber.risks.register import RiskRegister
    from kyber.risks.risk import Risk
    from kyber.risks.table import Table
    from kyber.risks.workbook import Row, Wrong
    from kyber.text import Words


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A list: CSV, XLSX or ODS; or a workbook of kyber's.")],
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Which column, by its heading or letter, has a field: title, measures, owner, likelihood, "
            "impact.DIMENSION, cause, event, consequence, category, rationale, notes. Repeat for more.",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="The sheet; else the first with a heading.", show_default=False)
    ] = None,
    identified_in: Annotated[
        Origin, typer.Option("--identified-in", help="Where the risks of the list were met.")
    ] = Origin.INTERVIEW,
    on: On = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would come of it, and write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Tell what came of it as JSON lines.")] = False,
    workspace: Where = None,
) -> None:
    """Import a raw list as preliminary risks, or a workbook that `kyber risks export` wrote as edits.

    Nothing of a row is lost, and a row that was imported before is not imported again. Ends with 1 where a row was left
    out that has to be mended first.
    """
    from kyber.amend import apply
    from kyber.risks.table import tables_in
    from kyber.risks.workbook import is_own

    here = desk(workspace)
    day = here.day(on)
    at = _At(here.here.root, here.register, here.words, here.today, _Ids(here.place().used))
    tables = tables_in(_content(file), file.name)
    if is_own(tables):
        if map_ or sheet:
            raise UsageError(f"{file}: a workbook of kyber's own knows its columns: leave out --map and --sheet")
        found = _taken_back(at, tables, identified_in.value, day)
    else:
        found = _listed(at, tables, _asked(file, map_ or (), sheet, identified_in.value, day))
    if not dry_run:
        apply(found.edits)
    if json:
        for record in found.records:
            say(json_record(record))
    else:
        for line in found.lines:
            say(plain(line))
        if dry_run:
            say(at.words("risklist.dry-run"))
    if found.left_out:
        raise typer.Exit(ExitCode.FOUND)


@dataclass(frozen=True, slots=True)
class _At:
    """A workspace: its root, register, words, day, and the ids that it gives."""

    root: Path
    register: "RiskRegister"
    words: "Words"
    today: date
    ids: "_Ids"


class _Ids:
    """The ids to give next: after those that the workspace or its history has used, and those that were given."""

    def __init__(self, used: frozenset[str]) -> None:
        self._used: Mapping[str, frozenset[str]] = {
            prefix: frozenset(one for one in used if one.startswith(f"{prefix}-")) for prefix in "RCA"
        }

    def next(self, prefix: str) -> str:
        from kyber.amend import next_id

        return next_id(prefix, self._used[prefix])

    def give(self, id_: str) -> None:
        prefix = id_.partition("-")[0]
        self._used = {**self._used, prefix: frozenset((id_,))}


@dataclass(slots=True)
class _Outcome:
    """What comes of a file: what is to be written, and what is told, as lines and as records."""

    edits: "list[Edit]" = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    records: list[Mapping[str, object]] = field(default_factory=list)
    left_out: int = 0

    def out(self, line: str, **record: object) -> None:
        """Something that was left out, and has to be mended."""
        self.left_out += 1
        self.lines.append(line)
        self.records.append({"kind": "left-out", **record, "told": line})


def _content(file: Path) -> bytes:
    from kyber.risks.table import MAX_BYTES

    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise UsageError(f"{file} is not a file that holds a list")
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


# --- a raw list ------------------------------------------------------------------------------------------------------


def _asked(file: Path, maps: Sequence[str], sheet: str | None, origin: str, on: date) -> "Asked":
    from kyber.risks.rawlist import FIELDS, HEADINGS, Asked

    columns = {}
    for one in maps:
        name, equals, column = one.partition("=")
        if not equals or not column or not (name in (*HEADINGS, "title") or name.startswith("impact.")):
            raise UsageError(f"--map {one}: write FIELD=COLUMN; the fields are {', '.join(FIELDS)}")
        columns[name] = column
    return Asked(file.name, origin, on, columns, sheet)


def _listed(at: _At, tables: "Sequence[Table]", asked: "Asked") -> _Outcome:
    from kyber.risks.rawlist import Known, read_list
    from kyber.risks.workbook import owners
    from kyber.text import LANGUAGES, words_for

    register, words = at.register, at.words
    dimensions = {name.casefold(): name for name in register.scale.dimensions}
    for language in map(words_for, LANGUAGES):
        for name in register.scale.dimensions:
            if language.has(key := f"risks.dimension.{name}"):
                dimensions.setdefault(language(key).casefold(), name)
    for name in asked.columns:
        if name.startswith("impact.") and name.removeprefix("impact.") not in register.scale.dimensions:
            raise UsageError(f"--map {name}: the dimensions are {', '.join(register.scale.dimensions)} (kyber.yaml)")
    found = read_list(tables, asked, Known(register.risks, owners(register.people), register.scale, dimensions))
    told = _Outcome()
    told.lines.append(
        words(
            "risklist.read",
            file=asked.file,
            row=found.heading,
            fields=tuple(f"{k} = {v}" for k, v in found.fields.items()),
        )
    )
    ids: dict[int, str] = {}
    for proposal in found.proposals:
        _propose(at, proposal, ids, told)
    for row, id_ in found.there.items():
        told.lines.append(line := words("risklist.there", row=row, id=id_))
        told.records.append({"kind": "there", "row": row, "id": id_, "told": line})
    for row in found.untitled:
        told.out(words("risklist.untitled", row=row, column=found.fields["title"]), row=row)
    told.lines.append(_counted(found, ids, told, words))
    return told


def _propose(at: _At, proposal: "Proposal", ids: dict[int, str], told: _Outcome) -> None:
    """A row as a risk, and its measures as an action: both, or neither."""
    from kyber import action, amend
    from kyber.privacy import mask
    from kyber.risks import risk
    from kyber.risks.rawlist import first_sentence

    words, edits = at.words, []
    document = {"id": (id_ := at.ids.next(risk.PREFIX)), **proposal.fields}
    done = None
    try:
        if proposal.measures:
            title = first_sentence(proposal.measures)
            done = {"id": at.ids.next(action.PREFIX), "title": title, "status": "proposed"}
            if title != proposal.measures:
                done["description"] = proposal.measures
            edits.append(amend.new(at.root, "actions", action.Action, done))
            document = {**document, "actions": [done["id"]]}
            document["imported"] = document.pop("imported")
        edits.append(amend.new(at.root, "risks", risk.Risk, document))
    except amend.AmendError as error:
        told.out(words("risklist.refused", row=proposal.row, reason=str(error)), row=proposal.row)
        return
    for given in (id_, *([done["id"]] if done else [])):
        at.ids.give(given)
    ids[proposal.row] = id_
    told.edits += edits
    made = _read(edits[-1])
    lacks = tuple(words(f"risklist.head.{name}") for name in _lacking(made))
    kept = tuple(made.imported.columns) if made.imported else ()
    others = tuple(
        f"{ids.get(int(one), '')} ({words('risklist.alike-row', row=one)})".strip() if one.isdecimal() else one
        for one in proposal.alike
    )
    told.lines.append(words("risklist.risk", id=id_, title=mask(proposal.title), row=proposal.row))
    if done:
        told.lines.append("    " + words("risklist.proposed", id=done["id"], title=mask(done["title"])))
    if lacks:
        told.lines.append("    " + words("risklist.lacks", fields=lacks))
    if kept:
        told.lines.append("    " + words("risklist.kept", columns=kept))
    if others:
        told.lines.append("    " + words("risklist.alike", others=others))
    told.records.append(
        {
            "kind": "risk",
            "row": proposal.row,
            "id": id_,
            "title": proposal.title,
            "action": done["id"] if done else None,
            "lacks": list(_lacking(made)),
            "columns": list(kept),
            "alike": [ids.get(int(one), one) if one.isdecimal() else one for one in proposal.alike],
        }
    )


def _lacking(one: "Risk") -> Sequence[str]:
    from kyber.risks.risk import lacking

    return lacking(one)


def _read(edit: "Edit") -> "Risk":
    from kyber.register import read
    from kyber.risks.risk import Risk

    made, _ = read(edit.text.encode(), str(edit.file), Risk)
    if made is None:  # what amend gives is read back there
        raise UsageError(f"{edit.file} would hold no risk")
    return made


def _counted(found: "RawList", ids: Mapping[int, str], told: _Outcome, words: "Words") -> str:
    counts = [words.many("risklist.imported", len(ids)), words.many("risklist.actions", len(told.edits) - len(ids))]
    if out := told.left_out + len(found.there):
        counts.append(words.many("risklist.left-out", out))
    if found.empty:
        counts.append(words.many("risklist.empty", found.empty))
    told.records.append({"kind": "sum", "risks": len(ids), "there": len(found.there), "left_out": told.left_out,
                         "empty": found.empty})  # fmt: skip
    return ", ".join(counts)


# --- a workbook that came back ---------------------------------------------------------------------------------------


def _taken_back(at: _At, tables: "Sequence[Table]", origin: str, on: date) -> _Outcome:
    from kyber.amend import AmendError
    from kyber.risks.workbook import read_back

    words, told = at.words, _Outcome()
    back = read_back(tables, at.register, words)
    changing = 0
    for row in back.rows:
        try:
            id_, edit = _edit(at, row, origin, on)
        except AmendError as error:
            line = words("risklist.refused-in", sheet=row.sheet, row=row.row, reason=str(error))
            told.out(line, sheet=row.sheet, row=row.row)
            continue
        changing += edit is not None
        told.edits += [edit] if edit is not None else []
        for line in _told(row, id_, edit, words):
            told.lines.append(line)
        told.records.append(_record(row, id_))
    for wrong in back.wrong:
        told.out(_wrong(wrong, words), sheet=wrong.sheet, row=wrong.row, column=wrong.column, reason=wrong.reason)
    for sheet, number, id_ in back.conflicts:
        line = words("risklist.conflict", sheet=sheet, row=number, id=id_)
        told.out(line, sheet=sheet, row=number, id=id_, reason="conflict")
    if back.gone:
        told.lines.append(words("risklist.gone", ids=back.gone))
        told.records.append({"kind": "gone", "ids": list(back.gone)})
    counts = [words.many("risklist.rows-changed", changing) if changing else words("risklist.no-change")]
    if told.left_out:
        counts.append(words.many("risklist.left-out", told.left_out))
    told.lines.append(", ".join(counts))
    told.records.append({"kind": "sum", "rows": changing, "left_out": told.left_out})
    return told


def _edit(at: _At, row: "Row", origin: str, on: date) -> "tuple[str, Edit | None]":
    """What a row comes to: the id, and the file; None where all of it was taken before. Raises AmendError."""
    from kyber import amend
    from kyber.risks import workbook

    model, folder, prefix = workbook.MODELS[row.sort]
    if row.record is None:
        usual = {"status": "preliminary", "identified_in": origin, "identified_on": on} if row.sort == "risk" else {}
        fields = workbook.nested(row.values)
        if "title" not in fields:
            raise amend.AmendError(at.words("risklist.wrong.title"))
        document: dict[str, Any] = {"id": at.ids.next(prefix), "title": "", **usual, **fields}
        edit = amend.new(at.root, folder, model, document)
        at.ids.give(document["id"])
        return document["id"], edit
    file, made = Path(row.record.at.file), None
    if row.values:
        made = amend.amend(file, model, list(row.values.items()))
    if row.answer is not None:
        changes = workbook.review(_read(made) if made else _risk(row), row.answer)
        if changes:
            made = amend.amend(file, model, list(changes.items()), made.text if made else None)
    return row.record.id, made


def _risk(row: "Row") -> "Risk":
    from kyber.risks.risk import Risk

    assert isinstance(row.record, Risk)
    return row.record


def _told(row: "Row", id_: str, edit: "Edit | None", words: "Words") -> Iterator[str]:
    from kyber.privacy import mask

    title = row.record.title if row.record else str(row.values[("title",)])
    if edit is not None or row.answer is not None:
        yield words("risklist.changed" if row.record else "risklist.new", id=id_, title=mask(title))
    for one in row.shown:
        before, after = (mask(_short(text)) or "–" for text in (one.before, one.after))
        yield "    " + words("risklist.change", field=one.column.head, before=before, after=after)
    if (answer := row.answer) is not None:
        yield "    " + words("risklist.reviewed" if answer.right else "risklist.not-right", by=answer.by, on=answer.on)


def _short(text: str) -> str:
    from kyber.privacy import shortened

    return shortened(" ".join(text.split()), 60)


def _record(row: "Row", id_: str) -> Mapping[str, object]:
    answer = row.answer
    return {
        "kind": "edit" if row.record else "new",
        "sheet": row.sheet,
        "row": row.row,
        "id": id_,
        "changes": {".".join(one.column.path): {"before": one.before, "after": one.after} for one in row.shown},
        "answer": answer and {"on": answer.on.isoformat(), "by": answer.by, "right": answer.right},
    }


def _wrong(wrong: "Wrong", words: "Words") -> str:
    reason = words(f"risklist.wrong.{wrong.reason}", **wrong.facts)
    return words("risklist.wrong", sheet=wrong.sheet, row=wrong.row, column=wrong.column, reason=reason)
