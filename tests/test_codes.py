"""The codes in the source and the catalogues' texts for them, held against each other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kyber.problem
from kyber.problem import Place, Problem
from kyber.text import LANGUAGES, catalogue, words_for

KYBER = Path(kyber.problem.__file__).parent
CODE = re.compile(r"[KRFS][0-9]{2}")
RAISED_BY = {"Problem", "YamlError", "ReadingError", "RuleError", "DetectionError", "doubt"}
COUNTED_IN = (KYBER / "logs" / "formats", KYBER / "logs" / "parse.py")
"""Where the codes of rejects and notes stand. They reach a reader counted, as one problem an input."""


def parsed() -> dict[Path, ast.Module]:
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(KYBER.rglob("*.py"))}


def code_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
        return node.value
    return None


SOURCE = parsed()
CODES = {file: {code for node in ast.walk(tree) if (code := code_of(node))} for file, tree in SOURCE.items()}
USED = sorted(set().union(*CODES.values()))
COUNTED = sorted(
    set().union(*(codes for file, codes in CODES.items() if any(file.is_relative_to(one) for one in COUNTED_IN)))
)


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Where a code is raised with facts that can be read off the call: the place, the code, the facts' names."""
    for file, tree in SOURCE.items():
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or getattr(call.func, "id", "") not in RAISED_BY:
                continue
            code = next(filter(None, map(code_of, call.args)), None)
            given = [*call.args[2:3], *(one.value for one in call.keywords if one.arg == "facts")]
            mappings = [one for one in given if isinstance(one, ast.Dict)]
            if code is None or (getattr(call.func, "id", "") == "Problem" and len(mappings) < len(given)):
                continue
            facts = {str(key.value) for one in mappings for key in one.keys if isinstance(key, ast.Constant)}
            facts |= {one.arg for one in call.keywords if one.arg not in (None, "facts", "severity")}
            yield f"{file.relative_to(KYBER)}:{call.lineno}", code, facts


def places(code: str, language: str) -> set[str]:
    texts = catalogue(language, code[0])
    return set(re.findall(r"\{(\w+)\}", " ".join((*texts[f"{code}.message"], *texts[f"{code}.cure"]))))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_in_the_source_has_a_message_and_a_cure(language: str) -> None:
    words = words_for(language)
    assert len(USED) > 50
    assert [f"{code}.{part}" for code in USED for part in ("message", "cure") if not words.has(f"{code}.{part}")] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_in_the_catalogues_is_used(language: str) -> None:
    assert {key.partition(".")[0] for letter in "KRFS" for key in catalogue(language, letter)} <= set(USED)


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_ask_only_for_facts_that_come_with_their_code(language: str) -> None:
    found = list(raised())
    assert {"F02", "K93", "R05", "S02"} <= {code for _, code, _ in found}
    assert [(where, code) for where, code, facts in found if not places(code, language) <= facts] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", COUNTED)
def test_the_words_for_rejects_and_notes_tell_how_many_and_ask_for_nothing_else(code: str, language: str) -> None:
    assert places(code, language) == {"count"}
    message, _ = words_for(language).problem(Problem(Place("x.log"), code, {"count": 1776}))
    assert "1776" in message


def test_rejects_and_notes_are_those_of_the_formats_and_of_the_scan() -> None:
    assert {"F07", "F10", "F20", "F22", "F23", "F30", "F42"} <= set(COUNTED)
    assert not {"F01", "F05", "F06", "R01"} & set(COUNTED)
