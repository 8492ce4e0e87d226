"""Personal identity codes in text: any text in, the places of the codes or the text without them out.

The Finnish code (henkilötunnus) is `DDMMYYCZZZQ`: date of birth, century sign, individual number 002-999 (900-999 are
for tests and temporary use, and are treated alike), and a check character. The signs are `+` for the 1800s,
`- Y X W V U` for the 1900s and `A B C D E F` for the 2000s; the check character is the number `DDMMYYZZZ` mod 31,
looked up in the alphabet below.
Source: the Finnish Population Register Act (661/2009) and the Digital and Population Data Services Agency's
description of the code, as renewed in 2023.
"""

import re
from datetime import date
from typing import Final

MASK: Final = "******-****"

_CHECK: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CENTURY: Final = {
    **dict.fromkeys(("+", "%2B"), 1800),
    **dict.fromkeys(("-", "%2D", "\u2010", "\u2011", "\u2012", "\u2013", "\u2212", *"YXWVU"), 1900),
    **dict.fromkeys("ABCDEF", 2000),
}
_DAY_TO_NUMBER: Final = (
    r"([0-3][0-9])([01][0-9])([0-9]{2})([-+A-FU-Ya-fu-y\u2010-\u2013\u2212]|%2[BbDd])([0-9]{3})"  # DDMMYYCZZZ
)
# It begins with plain digits so that a text without a date in it is passed over at the speed of a search. It ends
# where no letter or digit follows, or where the next one begins.
_CANDIDATE: Final = re.compile(rf"{_DAY_TO_NUMBER}([0-9A-FHJ-NPR-Ya-fhj-npr-y])(?:(?![^\W_])|(?={_DAY_TO_NUMBER}))")
# What stands before a code: nothing, anything but a digit (names of files join words and codes), or an escape that
# ends in one.
_BEFORE: Final = re.compile(r"(?:^|[^0-9]|%(?:25)?[0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4})\Z")
_LONGEST_BEFORE: Final = 6


def find(text: str) -> list[tuple[int, int]]:
    """Start and end of each valid code in `text`, in order; they never overlap."""
    found: list[tuple[int, int]] = []
    for match in _CANDIDATE.finditer(text):
        if _is_code(match) and (_begins(match) or (found and found[-1][1] == match.start())):
            found.append(match.span())
    return found


def mask(text: str) -> str:
    """The text with MASK in the place of each code: nothing of a code stays, and all else stays as it is."""
    kept, end = [], 0
    for start, after in find(text):
        kept += [text[end:start], MASK]
        end = after
    return "".join((*kept, text[end:])) if kept else text


def shortened(text: str, most: int) -> str:
    """At most `most` characters of the text, the last of them … where it was cut, and never within a code: half of one
    could not be told to be one, and masked, later on."""
    if len(text) <= most:
        return text
    end = most - 1
    cut = next((start for start, after in find(text[: end + 64]) if start < end < after), end)
    return text[:cut] + "…"


def _is_code(match: re.Match[str]) -> bool:
    day, month, year, sign, number, check = match.groups()[:6]
    if int(number) < 2 or _CHECK[int(day + month + year + number) % 31] != check.upper():
        return False
    try:
        date(_CENTURY[sign.upper()] + int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _begins(match: re.Match[str]) -> bool:
    start = match.start()
    return _BEFORE.search(match.string[max(0, start - _LONGEST_BEFORE) : start]) is not None
