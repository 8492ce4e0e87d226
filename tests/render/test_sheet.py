import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kyber.render.sheet import Column, Sheet, csv_of, markdown_of, text_of

TWO = (Column("id"), Column("what", weight=1), Column("n", right=True))


def sheet(*rows: tuple[str, str, str]) -> Sheet:
    return Sheet(TWO, rows)


def test_wide_columns_wrap_and_numbers_stand_to_the_right() -> None:
    assert text_of(sheet(("R-1", "one two three four", "5"), ("R-22", "six", "1,234")), 26).splitlines() == [
        "id    what             n",
        "R-1   one two          5",
        "      three four",
        "R-22  six          1,234",
    ]


def test_columns_share_the_room_by_their_weight() -> None:
    columns = (Column("a", weight=3), Column("b", weight=1))
    lines = text_of(Sheet(columns, (("x" * 100, "y" * 100),)), 84).splitlines()
    assert (lines[1].count("x"), lines[1].count("y")) == (61, 19)


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=5), st.integers(40, 120))
def test_no_line_is_wider_than_asked_unless_the_narrow_columns_are(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    columns = tuple(Column(head, weight=1) for head in ("a", "b", "c"))
    for line in text_of(Sheet(columns, tuple(rows)), width).splitlines():
        assert cell_len(line) <= width * 2  # letters that take two cells are wrapped as if they took one


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=5))
def test_csv_has_one_row_a_row_and_no_formula(rows: list[tuple[str, str, str]]) -> None:
    found = list(csv.reader(io.StringIO(csv_of(sheet(*rows)))))
    assert [len(row) for row in found] == [3] * (len(rows) + 1)
    assert not [value for row in found for value in row if value[:1] in ("=", "+", "@", "\t", "\r")]


@pytest.mark.parametrize("text", ["a|b", "<script>", "[x](javascript:y)", "a\nb", "`c`", "\x1b[31m"])
def test_markdown_takes_nothing_for_markup(text: str) -> None:
    lines = markdown_of(sheet(("R-1", text, "1"))).splitlines()
    assert len(lines) == 3
    assert lines[1] == "|---|---|---:|"
    assert not any(mark in lines[2].replace("\\" + mark, "") for mark in "<[`" if mark in text)
    assert "\x1b" not in lines[2]
