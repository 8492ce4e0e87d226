"""The workbook: out and in is the identity, whatever a register holds; and it looks as people need it."""

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.action import Action
from kyber.errors import UsageError
from kyber.people import People
from kyber.render.xlsx import bytes_of
from kyber.risks.control import Control
from kyber.risks.opening import opened
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Risk
from kyber.risks.table import Table, tables_in
from kyber.risks.workbook import Back, book_of, is_own, read_back
from kyber.settings import Settings
from kyber.text import LANGUAGES, words_for
from tests.risks.county import TODAY, lay_out, register
from tests.risks.sheets import MADE, tables, typed

PEOPLE: Final = People.model_validate(
    {"roles": [{"id": "chief", "title": "Chief"}, {"id": "keeper", "title": "Keeper"}]}
)
TEXTS: Final = st.text(min_size=1).filter(str.strip) | st.sampled_from(
    [
        "=1+1",
        "+3",
        "_x0041_",
        "a\nb",
        "a\r\nb",
        "\t x",
        "\x01\x02",
        "3.0",
        "1e5",
        "true",
        "2026-01-01",
        "'x",
        "x" * 40_000,
    ]
)
DAYS: Final = st.dates(date(1, 1, 1), date(9999, 12, 31))
OWNERS: Final = st.sampled_from(["chief", "keeper", "nobody known"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def estimates() -> st.SearchStrategy[dict[str, Any]]:
    impact = st.dictionaries(st.sampled_from(["privacy", "safety", "a taste.of"]), st.integers(1, 5))
    needed = {"likelihood": st.integers(1, 5), "impact": impact}
    return st.fixed_dictionaries(needed, optional={"rationale": TEXTS, "assessed_on": DAYS, "assessed_by": TEXTS})


RISKS: Final = st.fixed_dictionaries(
    {
        "title": TEXTS,
        "status": st.sampled_from(["preliminary", "open", "treating", "monitored", "accepted", "closed"]),
        "identified_in": st.sampled_from(["interview", "log"]),
    },
    optional={
        "identified_on": DAYS,
        "statement": st.fixed_dictionaries({"cause": TEXTS, "event": TEXTS, "consequence": TEXTS}),
        "category": TEXTS,
        "owner": OWNERS.filter(lambda one: " " not in one),
        "current": estimates(),
        "target": estimates(),
        "treatment": st.sampled_from(["avoid", "mitigate", "transfer", "accept"]),
        "review": some(interval=st.sampled_from(["6 months", "P6M", "PT4H"]), last=DAYS, reviewer=st.just("chief")),
        "controls": st.just(["C-001"]),
        "actions": st.sampled_from([[], ["A-001"]]),
        "services": st.lists(TEXTS, max_size=2),
        "confidence": st.sampled_from(["low", "medium", "high"]),
        "confidentiality": st.sampled_from(["public", "secret"]),
        "notes": TEXTS,
    },
)
ACTIONS: Final = st.fixed_dictionaries(
    {"title": TEXTS},
    optional={
        "description": TEXTS,
        "due": DAYS,
        "cost": st.floats(0, allow_nan=False, allow_infinity=False),
        "effort": TEXTS,
        "status": st.sampled_from(["proposed", "planned", "done"]),
    },
)


def made_of(risks: list[dict[str, Any]], action: dict[str, Any]) -> RiskRegister:
    return RiskRegister(
        risks=tuple(Risk.model_validate({"id": f"R-{n:03}", **one}) for n, one in enumerate(risks, 1)),
        controls=(
            Control.model_validate(
                {"id": "C-001", "title": "C", "owner": "chief", "type": "preventive", "status": "active"}
            ),
        ),
        actions=(Action.model_validate({"id": "A-001", **action}),),
        approvals=(),
        people=PEOPLE,
        settings=Settings(organisation="Esimerkki", language="sv"),
        today=TODAY,
    )


def returned(found: RiskRegister, language: str, owner: str | None = None) -> Back:
    content = bytes_of(book_of(found, words_for(language), MADE, owner))
    sheets = tuple(Table(name, rows) for name, rows in opened(content))
    assert is_own(sheets)
    return read_back(sheets, found, words_for("en"))


@settings(deadline=None, max_examples=50)
@given(risks=st.lists(RISKS, min_size=1, max_size=4), action=ACTIONS, language=st.sampled_from(LANGUAGES))
def test_out_and_in_is_the_identity(risks: list[dict[str, Any]], action: dict[str, Any], language: str) -> None:
    assert returned(made_of(risks, action), language) == Back((), (), (), ())


@settings(deadline=None, max_examples=10)
@given(risks=st.lists(RISKS, min_size=1, max_size=3), language=st.sampled_from(LANGUAGES))
def test_a_form_that_nobody_filled_in_answers_and_changes_nothing(risks: list[dict[str, Any]], language: str) -> None:
    assert returned(made_of(risks, {"title": "A"}), language, "chief") == Back((), (), (), ())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_edit_is_understood_in_the_language_of_the_workbook_whatever_that_of_the_workspace(
    language: str, tmp_path: Path
) -> None:
    words = words_for(language)
    found = register(lay_out(tmp_path))
    cells = {words("risklist.head.treatment"): words("risks.treatment.avoid")}
    book = typed(book_of(found, words, MADE), words("risklist.sheet.risk"), "R-001", cells)
    for other in LANGUAGES:
        (row,) = read_back(tables(book), found, words_for(other)).rows
        assert dict(row.values) == {("treatment",): "avoid"}


def test_people_may_sort_rows_and_leave_columns_out(tmp_path: Path) -> None:
    found = register(lay_out(tmp_path))
    book = typed(book_of(found, words_for("en"), MADE), "Risks", "R-001", {"Category": "x"})
    (risks, *rest) = tables(book)
    order = [*range(0, len(risks.rows[0]), 2)]
    fewer = Table(risks.name, [[row[at] for at in order] for row in (risks.rows[0], [""] * 99, *risks.rows[1:])])
    (row,) = read_back((fewer, *rest), found, words_for("en")).rows
    assert (row.row, dict(row.values)) == (3, {("category",): "x"})


@pytest.mark.parametrize("gone", ["Id", "Risks"])
def test_a_workbook_without_its_ids_or_a_sheet_is_refused(tmp_path: Path, gone: str) -> None:
    found = register(lay_out(tmp_path))

    def lost(one: Table) -> Table:
        name = "Renamed" if one.name == gone else one.name
        return Table(name, [["?" if cell == gone else cell for cell in row] for row in one.rows])

    own = tables(book_of(found, words_for("en"), MADE))
    with pytest.raises(UsageError, match="any more"):
        read_back([one if one.name == "_kyber" else lost(one) for one in own], found, words_for("en"))


def test_a_hidden_sheet_that_somebody_changed_harms_nothing(tmp_path: Path) -> None:
    found = register(lay_out(tmp_path))
    own = tables(book_of(found, words_for("en"), MADE))
    meta = next(one for one in own if one.name == "_kyber")
    for old, new in (
        ('["owner"]', "[" * 30_000),
        ('["owner"]', "null"),
        ("by", "risk"),
        ("sheet", "x"),
        ("R-001", "R-9"),
    ):
        spoilt = Table("_kyber", [[new if cell == old else cell for cell in row] for row in meta.rows])
        sheets = [spoilt if one is meta else one for one in own]
        assert read_back(sheets, found, words_for("en")).rows == ()


def test_there_are_drop_downs_a_frozen_heading_and_colours_under_words(tmp_path: Path) -> None:
    content = bytes_of(book_of(register(lay_out(tmp_path)), words_for("fi"), MADE))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        workbook = archive.read("xl/workbook.xml").decode()
    assert sheet.count('<dataValidation type="list"') >= 15
    assert '<pane xSplit="2" ySplit="1"' in sheet
    for word in ("merkityksetön", "vähäinen", "kohtalainen", "merkittävä", "sietämätön"):
        assert f"<formula>&quot;{word}&quot;</formula>" in sheet or f'<formula>"{word}"</formula>' in sheet
    assert 'name="_kyber" sheetId="4" state="veryHidden"' in workbook
    assert 'name="_lists" sheetId="5" state="hidden"' in workbook
    (risks, controls, actions, *_) = tables_in(content, "x.xlsx")
    assert [one.name for one in (risks, controls, actions)] == ["Riskit", "Hallintakeinot", "Toimenpiteet"]
    assert risks.rows[1][2] == "merkittävä"


def test_the_same_register_gives_the_same_bytes(tmp_path: Path) -> None:
    book = book_of(register(lay_out(tmp_path)), words_for("fi"), MADE)
    assert bytes_of(book) == bytes_of(book)
