import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kyber.problem import Place, Problem
from kyber.text import FOLDER, LANGUAGES, Key, TextWarning, catalogue, words_for
from kyber.yamltext import load

DOMAINS = sorted({file.stem for file in FOLDER.glob("*/*.po")})
TERMS: list[dict[str, Any]] = load((FOLDER / "terms.yaml").read_bytes(), "terms.yaml")[0]


def places(forms: tuple[str, ...]) -> set[str]:
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_text_lacks_a_language_and_no_place_differs_between_languages(domain: str) -> None:
    texts: Mapping[str, Mapping[str, tuple[str, ...]]] = {
        language: catalogue(language, domain) for language in LANGUAGES
    }
    assert texts["fi"].keys() == texts["sv"].keys() == texts["en"].keys()
    for key in texts["en"]:
        forms = [texts[language][key] for language in LANGUAGES]
        assert len({len(form) for form in forms}) == 1, key
        assert len({frozenset(places(form)) for form in forms}) == 1, key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_no_file_holds_a_text_that_is_empty_doubled_or_marked_fuzzy(domain: str, language: str) -> None:
    lines = (FOLDER / language / f"{domain}.po").read_text(encoding="utf-8").splitlines()
    keys = [line for line in lines if line.startswith("msgid ")]
    assert len(keys) == len(set(keys))
    assert len(keys) - 1 == len(catalogue(language, domain))
    assert not any(line.startswith("#,") and "fuzzy" in line for line in lines)


def test_every_code_has_a_message_and_a_cure() -> None:
    for domain in filter(str.isupper, DOMAINS):
        codes = {key.partition(".")[0] for key in catalogue("en", domain)}
        assert set(catalogue("en", domain)) == {f"{code}.{part}" for code in codes for part in ("message", "cure")}


def test_a_fact_fills_its_place_and_a_key_among_the_facts_is_said_in_the_same_language() -> None:
    problem = Problem(Place("x", 1), "K81", {"field": "on", "value": "{x}", "expected": Key("kind.text")})
    assert words_for("en").problem(problem) == (
        "The value of the field on is of the wrong kind: {x}.",
        "What belongs here is text.",
    )
    assert words_for("fi").problem(problem)[1] == "Tähän kuuluu teksti."


def test_many_chooses_the_form_and_groups_the_number() -> None:
    assert words_for("fi").many("check.error", 1) == "1 virhe"
    assert words_for("fi").many("check.error", 0) == "0 virhettä"
    assert words_for("sv").many("check.warning", 1234) == "1\N{NO-BREAK SPACE}234 varningar"
    assert words_for("en").many("check.error", 1234567) == "1,234,567 errors"


def test_a_missing_text_or_fact_is_a_mistake_that_tests_see() -> None:
    with pytest.warns(TextWarning, match="no text"):
        assert words_for("fi")("check.nothing-like-it") == "check.nothing-like-it"
    with pytest.warns(TextWarning, match="no fact"):
        assert words_for("en")("K04.message") == "Nobody holds the role {role}."


def test_there_are_no_words_in_other_languages() -> None:
    with pytest.raises(ValueError, match="no texts"):
        words_for("de")


def test_every_term_has_a_word_in_each_language_and_a_source() -> None:
    concepts = [term["concept"] for term in TERMS]
    assert len(concepts) == len(set(concepts))
    for term in TERMS:
        assert all(term.get(name) for name in ("en", "fi", "sv", "source")), term


def uses() -> Iterator[tuple[str, str, dict[str, list[str]]]]:
    for domain in DOMAINS:
        for key, forms in catalogue("en", domain).items():
            for term in TERMS:
                matches = term.get("match")
                if matches and any(
                    re.search(rf"\b{word}", form, re.IGNORECASE) for word in matches["en"] for form in forms
                ):
                    yield domain, key, matches


def test_a_term_is_the_same_word_wherever_it_is_used() -> None:
    checked = 0
    for domain, key, matches in uses():
        for language in ("fi", "sv"):
            text = " ".join(catalogue(language, domain)[key]).casefold()
            assert any(word in text for word in matches[language]), f"{language} {key}: {matches[language]} in {text}"
            checked += 1
    assert checked > 20
