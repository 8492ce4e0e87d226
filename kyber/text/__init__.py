"""The words a person reads: a key and facts in, a text in the workspace's language out.

A text lives in `<language>/<domain>.po` under a symbolic key. The domain is what stands before the key's first dot; for
the code of a problem (`K01.message`, `K01.cure`) it is the code's letter. Catalogues are read when first needed.

A missing text or fact is a TextWarning and falls back to English, then to the key itself: a reader gets something, and
the tests, which turn warnings into errors, get the mistake.
"""

import re
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from kyber.duration import Duration
from kyber.problem import Problem

LANGUAGES: Final = ("fi", "sv", "en")
FOLDER: Final = Path(__file__).parent

_UNITS: Final = (("day", 86_400, 2), ("hour", 3_600, 1), ("minute", 60, 1), ("second", 1, 1))
"""Name, seconds, and from how many on it is used: a day is told as 24 h."""
_FALLBACK: Final = "en"
_PLACE: Final = re.compile(r"\{(\w+)\}")
_CODE: Final = re.compile(r"[A-Z][0-9]+")
_GROUPING: Final = {"fi": "\N{NO-BREAK SPACE}", "sv": "\N{NO-BREAK SPACE}", "en": ","}


class TextWarning(UserWarning):
    """A catalogue lacks a text, or a call lacks a fact that the text has a place for."""


class Key(str):
    """A fact that is itself a key of the catalogues, and is shown as its text."""

    __slots__ = ()


class Words:
    """The texts of one language."""

    __slots__ = ("language",)

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, /, **facts: object) -> str:
        """The text of `key`, with the facts in their places."""
        return self._fill(key, self._forms(key)[0], facts)

    def many(self, key: str, n: int, /, **facts: object) -> str:
        """The text of `key` for `n` things; the text's `{n}` is the number, grouped as the language does."""
        forms = self._forms(key)
        return self._fill(key, forms[0 if n == 1 else -1], {"n": self.number(n), **facts})

    def number(self, n: int) -> str:
        """The number with its thousands set apart."""
        return f"{n:,}".replace(",", _GROUPING[self.language])

    def duration(self, length: Duration) -> str:
        """A length of time in the units that people use, e.g. `12 months`, `2 d`, `5 h 30 min`."""
        parts = [self.many("unit.month", length.months)] if length.months else []
        left = length.seconds
        for unit, seconds, least in _UNITS:
            count, left = divmod(left, seconds) if left >= least * seconds else (0, left)
            if count:
                parts.append(self.many(f"unit.{unit}", count))
        return " ".join(parts)

    def problem(self, problem: Problem) -> tuple[str, str]:
        """What is wrong, and what to do about it."""
        facts = dict(problem.facts)
        return self(f"{problem.code}.message", **facts), self(f"{problem.code}.cure", **facts)

    def has(self, key: str) -> bool:
        """Whether this language has a text of its own for `key`."""
        return key in catalogue(self.language, _domain(key))

    def _forms(self, key: str) -> tuple[str, ...]:
        domain = _domain(key)
        forms = catalogue(self.language, domain).get(key)
        if forms is None:
            warnings.warn(f"no text for {key} in {self.language}", TextWarning, stacklevel=3)
            forms = catalogue(_FALLBACK, domain).get(key, (key,))
        return forms

    def _fill(self, key: str, text: str, facts: Mapping[str, object]) -> str:
        def shown(place: re.Match[str]) -> str:
            if place[1] not in facts:
                warnings.warn(f"no fact {place[1]} for {key}", TextWarning, stacklevel=4)
                return place[0]
            return self._show(facts[place[1]])

        return _PLACE.sub(shown, text)

    def _show(self, fact: object) -> str:
        if isinstance(fact, Key):
            return self(fact)
        if isinstance(fact, tuple | list | set | frozenset):
            items = sorted(fact, key=str) if isinstance(fact, set | frozenset) else fact
            return ", ".join(self._show(item) for item in items)
        if isinstance(fact, Duration):
            return self.duration(fact)
        return str(fact)


@cache
def words_for(language: str) -> Words:
    """The words of one of LANGUAGES. Raises ValueError for any other."""
    if language not in LANGUAGES:
        raise ValueError(f"no texts in {language!r}; there are {', '.join(LANGUAGES)}")
    return Words(language)


@cache
def catalogue(language: str, domain: str) -> Mapping[str, tuple[str, ...]]:
    """The texts of one file: key -> its forms (one, or singular and plural). Empty where there is no such file."""
    from babel.messages.pofile import read_po

    file = FOLDER / language / f"{domain}.po"
    if not file.is_file():
        return {}
    with file.open("rb") as stream:
        messages = list(read_po(stream, abort_invalid=True))
    texts = {}
    for message in messages:
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))
        if key and all(forms):
            texts[key] = forms
    return texts


def _domain(key: str) -> str:
    first = key.partition(".")[0]
    return first[0] if _CODE.fullmatch(first) else first


__all__ = ["FOLDER", "LANGUAGES", "Key", "TextWarning", "Words", "catalogue", "words_for"]
