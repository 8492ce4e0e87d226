"""Personal identity codes: every code here is invented, with an individual number that no person has (900-999)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.privacy import MASK, find, mask

ALPHABET = "0123456789ABCDEFHJKLMNPRSTUVWXY"
SIGNS = {1800: "+", 1900: "-YXWVU", 2000: "ABCDEF"}


def code_of(born: date, sign: str, number: int) -> str:
    digits = f"{born:%d%m}{born.year % 100:02}"
    return f"{digits}{sign}{number}{ALPHABET[int(f'{digits}{number}') % 31]}"


@st.composite
def codes(draw: st.DrawFn) -> str:
    century = draw(st.sampled_from(sorted(SIGNS)))
    born = date(century, 1, 1) + timedelta(days=draw(st.integers(0, 36_523)))
    code = code_of(born, draw(st.sampled_from(SIGNS[century])), draw(st.integers(900, 999)))
    return code.lower() if draw(st.booleans()) else code


CODE = code_of(date(1990, 1, 1), "-", 900)


def test_the_worked_example_is_right() -> None:
    assert 10_190_900 - 31 * 328_738 == 22  # 010190 and 900 read as one number, mod 31; the alphabet's 22nd is P
    assert find("010190-900P") == [(0, 11)]
    assert find("010190-900N") == find("010190-900R") == []


@given(codes())
def test_every_valid_code_is_found_alone(code: str) -> None:
    assert find(code) == [(0, 11)]
    assert mask(code) == MASK


@given(codes(), st.text(), st.text())
def test_a_code_between_delimiters_is_found_in_any_text(code: str, before: str, after: str) -> None:
    text = f"{before} {code},{after}"
    assert (len(before) + 1, len(before) + 12) in find(text)
    assert code not in mask(text)


@given(st.lists(codes() | st.sampled_from(["%20", "_", "-", "\\n", "a", "0", "é", " "]), max_size=12).map("".join))
def test_a_masked_text_holds_no_code(text: str) -> None:
    masked = mask(text)
    assert find(masked) == []
    assert mask(masked) == masked


@given(st.lists(codes(), max_size=5))
def test_codes_that_follow_each_other_directly_are_all_masked(found: list[str]) -> None:
    assert mask(f"hetu{''.join(found)}.yml") == f"hetu{MASK * len(found)}.yml"


@given(codes(), st.integers(1, 30))
def test_a_wrong_check_character_is_no_code(code: str, off: int) -> None:
    wrong = ALPHABET[(ALPHABET.index(code[-1].upper()) + off) % 31]
    assert find(code[:-1] + wrong) == []


@pytest.mark.parametrize(
    "text",
    [
        f"C:\\x\\{CODE}.pdf",
        f"/home/user/{CODE}/letter.txt",
        f"scan_{CODE}_v2.docx",
        f"hetu{CODE}",
        f"z{CODE}.yml",
        f"Hetuä{CODE},",
        f"%C3%A4{CODE}",
        f"GET /person?id=%20{CODE}%20&x=1",
        f"GET /person?id=%2520{CODE}%2520",
        f"hetu={CODE}&name=a",
        f'{{"hetu":"{CODE}"}}',
        f"line one\\n{CODE}\\n",
        f"\\u00e4\\u0020{CODE}",
        f"\\x20{CODE}",
        f"<{CODE}>",
        f"user:{CODE}@host",
        f"{CODE}-1",
        f"\x1b{CODE}\x1b",
        f"\u202e{CODE}\u200b",
        f"first\n{CODE}\nlast",
        CODE.replace("-", "%2D"),
        CODE.replace("-", "%2d"),
        CODE.replace("-", "\u2013"),
        CODE.lower(),
    ],
)
def test_a_code_is_found_where_logs_put_it(text: str) -> None:
    assert len(find(text)) == 1
    start, end = find(text)[0]
    assert mask(text) == text[:start] + MASK + text[end:]


@pytest.mark.parametrize(
    "text",
    [
        f"1{CODE}",
        f"20{CODE}",
        f"{CODE}1",
        f"{CODE}z",
        f"{CODE}ä",
        "310290-900K",
        code_of(date(1990, 1, 1), "-", 900).replace("0101", "3202"),
        "010190-000F",
        "010190-001H",
        "20260101-900A",
        "550e8400-e29b-41d4-a716-446655440000",
        "",
    ],
)
def test_what_only_looks_like_a_code_stays(text: str) -> None:
    assert find(text) == []
    assert mask(text) is text or mask(text) == text


def test_a_day_that_does_not_exist_is_no_code() -> None:
    digits = "310290900"
    assert find(f"310290-900{ALPHABET[int(digits) % 31]}") == []


def test_a_leap_day_counts_in_its_own_century() -> None:
    check = ALPHABET[int("290200900") % 31]
    assert find(f"290200A900{check}") == [(0, 11)]  # 2000 was a leap year
    assert find(f"290200-900{check}") == []  # 1900 was not


def test_individual_numbers_below_two_are_not_given_out() -> None:
    for number in ("000", "001"):
        assert find(f"010190-{number}{ALPHABET[int('010190' + number) % 31]}") == []
