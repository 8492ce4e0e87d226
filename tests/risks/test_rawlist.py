"""Raw lists: files of any kind in, rows out; headings found; hostile files refused within bounds."""

import io
import zipfile
from collections.abc import Sequence
from datetime import date

import pytest

from kyber.risks import opening, table
from kyber.risks.matrix import scale_of
from kyber.risks.rawlist import Asked, Known, Proposal, RawList, first_sentence, read_list, title_of
from kyber.risks.table import Table, TableError, tables_in
from kyber.settings import Scales, Settings
from tests.risks.sheets import ods, with_part, xlsx

ASKED = Asked("list.csv", "interview", date(2026, 11, 1), {})


def known(*dimensions: str) -> Known:
    settings = Settings(organisation="E", scales=Scales(impact=dimensions or ("safety", "operations")))
    return Known((), {"keeper": "keeper"}, scale_of(settings), {"toiminta": "operations"})


def read(*rows: Sequence[str], about: Known | None = None) -> RawList:
    return read_list([Table("", rows)], ASKED, about or known())


def only(found: RawList) -> Proposal:
    (one,) = found.proposals
    return one


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Riskin minimointiin tähtäävät toimenpiteet", "measures"),
        ("Åtgärder", "measures"),
        ("Controls", "measures"),
        ("Riskin omistaja", "owner"),
        ("Ansvarig", "owner"),
        ("TODENNÄKÖISYYS (1–5)", "likelihood"),
        ("Sannolikhet", "likelihood"),
        ("Probability", "likelihood"),
        ("Vaikutus", "impact"),
        ("Vaikutus: toiminta", "impact.operations"),
        ("Konsekvens", "impact"),
        ("Syy", "cause"),
        ("Orsak", "cause"),
        ("Seuraus", "consequence"),
        ("Följder", "consequence"),
        ("Tapahtuma", "event"),
        ("Kategoria", "category"),
        ("Perustelut", "rationale"),
        ("Huomautuksia", "notes"),
    ],
)
def test_headings_are_known_in_finnish_swedish_and_english(heading: str, field: str) -> None:
    assert read(["Riski", heading], ["A", ""]).fields == {"title": "Riski", field: heading}


@pytest.mark.parametrize("heading", ["Riskitaso", "Risknivå", "Syyskuu", "Päiväys"])
def test_what_no_heading_says_is_not_guessed(heading: str) -> None:
    assert read(["Riski", heading], ["A", ""]).fields == {"title": "Riski"}


def test_the_heading_is_the_row_that_most_is_known_of() -> None:
    found = read(["Riskit"], [""], ["Nro", "Riski", "Omistaja"], ["1", "A", "keeper"])
    assert (found.heading, only(found).title, only(found).fields["owner"]) == (3, "A", "keeper")


def test_a_statement_is_one_only_where_all_of_it_is_there_and_else_its_parts_are_kept() -> None:
    heads = ["Risk", "Cause", "Event", "Consequence"]
    assert only(read(heads, ["A", "a", "b", "c"])).fields["statement"] == {
        "cause": "a",
        "event": "b",
        "consequence": "c",
    }
    half = only(read(heads, ["A", "a", "", "c"])).fields
    assert "statement" not in half
    assert half["imported"] == {"file": "list.csv", "row": 2, "columns": {"Cause": "a", "Consequence": "c"}}


def test_an_impact_without_a_dimension_is_kept_but_taken_where_there_is_only_one() -> None:
    rows = ["Risk", "Likelihood", "Impact"], ["A", "3", "4"]
    assert only(read(*rows)).fields["imported"] == {
        "file": "list.csv",
        "row": 2,
        "columns": {"Likelihood": "3", "Impact": "4"},
    }
    assert only(read(*rows, about=known("safety"))).fields["current"] == {"likelihood": 3, "impact": {"safety": 4}}


@pytest.mark.parametrize("likelihood", ["often", "9", "3.5", "0"])
def test_a_class_that_is_none_of_the_scale_is_kept_as_it_was_said(likelihood: str) -> None:
    fields = only(read(["Risk", "Likelihood", "Impact"], ["A", likelihood, "4"], about=known("safety"))).fields
    assert "current" not in fields
    assert fields["imported"] == {"file": "list.csv", "row": 2, "columns": {"Likelihood": likelihood, "Impact": "4"}}


def test_columns_without_a_heading_or_with_the_same_one_are_told_apart() -> None:
    fields = only(read(["Risk", "x", "x", ""], ["A", "1", "2", "3", "4"])).fields
    assert fields["imported"] == {
        "file": "list.csv",
        "row": 2,
        "columns": {"x": "1", "x (3)": "2", "column 4": "3", "column 5": "4"},
    }


def test_a_long_title_is_shortened_and_kept_whole() -> None:
    long = "word " * 60
    one = only(read(["Risk"], [long.strip()]))
    assert len(one.title) == 120
    assert one.fields["imported"] == {"file": "list.csv", "row": 2, "columns": {"Risk": long.strip()}}


def test_a_measure_is_called_by_its_first_sentence() -> None:
    assert first_sentence("Do this. Then that.") == "Do this"
    assert first_sentence("Do this,\nat 9.30 every day!") == "Do this, at 9.30 every day"
    assert title_of("one\ntwo") == "one"


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_csv_is_read_in_its_encodings_and_with_its_separators(encoding: str, separator: str) -> None:
    text = f'Ä{separator}"b{separator} ""c""\nd"\r\n\r\né{separator}2\r\n'
    (found,) = tables_in(text.encode(encoding), "x.csv")
    assert found.rows == [["Ä", f'b{separator} "c"\nd'], [], ["é", "2"]]


def test_a_first_row_that_names_the_separator_is_no_row_of_the_list() -> None:
    assert tables_in(b"sep=,\r\na;b,c\r\n", "x.csv")[0].rows == [[], ["a;b", "c"]]


def test_numbers_and_days_of_workbooks_are_texts() -> None:
    assert tables_in(xlsx([["a"], ["b"]]), "x.xlsx") == (Table("List", [["a"], ["b"]]),)
    assert tables_in(ods([["a", "ä & b"]]), "x.ods") == (Table("Lista", [["a", "ä & b"]]),)
    assert [opening.text_of(one) for one in (3.0, 0.1, True, date(2026, 1, 2))] == ["3", "0.1", "true", "2026-01-02"]


FAR = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "x.pdf", "not a table that kyber reads"),
        (b"\x81\x8d", "x.csv", "neither UTF-8 nor Windows-1252"),
        (b"a" * (table.MAX_BYTES + 1), "x.csv", "larger than"),
        (b"a\n" * (table.MAX_ROWS + 1), "x.csv", "more than 5000 rows"),
        (b";" * table.MAX_COLUMNS, "x.csv", "more than 5000 rows or 200 columns"),
        (b"a" * (table.MAX_CELL + 1), "x.csv", "characters in one cell"),
        (b"a" * 200_000, "x.csv", "not CSV: field larger"),
        (b"PK", "x.xlsx", "not a workbook that can be read"),
        (b"PK", "x.ods", "not a workbook that can be read"),
        (xlsx([[""] * 200 + ["a"], ["b"]]), "x.xlsx", "columns in one sheet"),
        (with_part(xlsx([["a"]]), "xl/worksheets/sheet1.xml", b"</sheetData>", FAR), "x.xlsx", "bytes of memory"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_or_is_beyond_a_bound_is_refused_with_its_cure(
    content: bytes, name: str, said: str
) -> None:
    with pytest.raises(TableError, match=said):
        tables_in(content, name)


def test_a_workbook_that_would_unpack_to_too_much_is_not_unpacked() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(3):
            archive.writestr(f"xl/{part}.xml", bytes(50 * 1024 * 1024))
    assert len(made.getvalue()) < 200_000
    with pytest.raises(TableError, match="once decompressed"):
        tables_in(made.getvalue(), "x.xlsx")


def test_a_workbook_that_lies_about_its_size_is_stopped() -> None:
    name = "xl/sharedStrings.xml"
    long = with_part(xlsx([["a"]]), name, b"</sst>", b"<si><t>" + b"x" * 300_000_000 + b"</t></si></sst>")
    with zipfile.ZipFile(io.BytesIO(long)) as archive:
        size = archive.getinfo(name).file_size
    told = long.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    with pytest.raises(TableError):
        tables_in(told, "x.xlsx")
