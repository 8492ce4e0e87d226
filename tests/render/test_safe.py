import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.level import Level
from kyber.render.safe import CELL_LIMIT, cell, every_text, json_line, link, plain
from kyber.text import Key

from .results import finding

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)


@given(ANY_TEXT)
def test_plain_text_is_one_line_without_anything_unseen(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert plain(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=60))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    unseen = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    if not set(text) & set(unseen):
        assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]8;;http://evil\x07", "\\x1b]8;;http://evil\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202egpj.exe", "a\\u202egpj.exe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("pass\u200bword\ufeff", "pass\\u200bword\\ufeff"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\uffff\ufdd0\U0001ffff", "\\uffff\\ufdd0\\U0001ffff"),
        ("C:\\new", "C:\\new"),
        ("ä é 漢 😀", "ä é 漢 😀"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "＠x"])
def test_a_cell_never_begins_a_formula(text: str) -> None:
    assert cell(text).lstrip().startswith("'")


@pytest.mark.parametrize("text", ["x;=1+1", "x; =1", 'x;"=1"', "x;-1", "x;@a", "a;b;=c"])
def test_a_semicolon_does_not_begin_a_formula_where_it_splits_cells(text: str) -> None:
    assert not re.search(r";[\s\"']*(?<!')[=+@-]", cell(text))
    assert cell(text).replace("'", "") == text


@given(ANY_TEXT)
def test_a_cell_is_one_line_and_fits(text: str) -> None:
    shown = cell(text)
    assert shown.lstrip()[:1] not in tuple("=+-@")
    assert len(shown.splitlines()) <= 1


def test_a_long_cell_is_cut_with_a_mark() -> None:
    assert cell("a" * CELL_LIMIT) == "a" * CELL_LIMIT
    assert len(cell("a" * (CELL_LIMIT + 1))) == CELL_LIMIT
    assert cell("a" * (CELL_LIMIT + 1)).endswith("…")


@pytest.mark.parametrize("address", ["http://example.org", "https://example.org/a?b=c#d"])
def test_web_addresses_may_be_followed(address: str) -> None:
    assert link(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org",
        "https://",
        "http://[",
        "https://example.org/\u202e",
        "https:\\\\example.org",
        "",
    ],
)
def test_no_other_scheme_may_be_followed(address: str) -> None:
    assert link(address) is None


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers(0, 2**60) | st.lists(ANY_TEXT)))
def test_json_is_one_harmless_line(value: dict[str, object]) -> None:
    line = json_line(value)
    assert len(line.splitlines()) == 1
    assert not {unicodedata.category(letter) for letter in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.dictionaries(st.text(), st.text() | st.integers(0, 2**60) | st.lists(st.text())))
def test_json_reads_back_the_same(value: dict[str, object]) -> None:
    assert json.loads(json_line(value)) == value


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert json.loads(json_line({"a": "x\ud800y"})) == {"a": "x\ufffdy"}


def test_every_text_reaches_every_corner_but_kybers_own_words() -> None:
    changed = every_text(finding(group={"k": "v"}), str.upper)
    assert changed.rule.title == "TITLE OF ENCODED"
    assert changed.group == {"K": "V"}
    assert changed.evidence[0].value == "POWERSHELL -ENC SQBFAFGA"
    assert changed.sample.fields["EVENT.CODE"] == "4688"
    assert changed.level is Level.HIGH
    assert changed.family.value == "security"
    assert changed.count == 3
    facts = every_text({"a": Key("kind.text"), "b": ("x", 1), "c": {"y"}, "d": Path("z"), "e": None}, str.upper)
    assert facts == {"A": Key("kind.text"), "B": ("X", 1), "C": {"Y"}, "D": "Z", "E": None}
    assert isinstance(facts["A"], Key)
