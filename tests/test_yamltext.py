import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kyber.yamltext import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    Located,
    YamlError,
    is_otherwise_in_yaml_1_1,
    line_of,
    load,
)

WORDS = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | WORDS
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4))


@given(TREES)
def test_what_json_says_yaml_says_too(tree: Any) -> None:
    assert load(json.dumps(tree, ensure_ascii=False).encode(), "x") == [tree]


@pytest.mark.parametrize(
    "word", ["yes", "Off", "y", "N", "12:30:00", "2026-03-02", "010", "1_000", "0b1", "~", "=", ""]
)
def test_words_that_elder_readers_take_for_something_else_are_known(word: str) -> None:
    assert is_otherwise_in_yaml_1_1(word)


@pytest.mark.parametrize("word", ["word", "Yes!", "12.30 h", "on call", "ten", "192.0.2.5", "2026-03"])
def test_other_words_are_texts_to_them_too(word: str) -> None:
    assert not is_otherwise_in_yaml_1_1(word)


def refusal(text: bytes) -> str:
    try:
        load(text, "x")
    except YamlError as error:
        return f"{error.place.file} {error.reason}"
    return "x read"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_place(text: bytes) -> None:
    assert refusal(text).startswith("x ")


@given(st.text(alphabet="[]{}-?: \n\t&*a!|>#'\",0<", max_size=200))
def test_any_yaml_like_text_is_read_or_refused_with_a_place(text: str) -> None:
    assert refusal(text.encode()).startswith("x ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    assert load(f"a: {text}".encode(), "x") == [{"a": value}]


def test_a_mapping_knows_the_line_of_each_key_and_a_list_that_of_each_item() -> None:
    (document,) = load(b"# first\na: 1\nb:\n  - x\n  -\n    c: 2\n", "x")
    assert isinstance(document, Located)
    assert (document.line, document.lines) == (2, {"a": 2, "b": 3})
    assert document["b"].lines == [4, 6]
    assert line_of(document, ("b", 1, "c")) == 6
    assert line_of(document, ("b", 1, "missing")) == 6
    assert line_of(document, ("missing",)) == 2


def test_documents_come_in_order_and_an_empty_one_is_none() -> None:
    assert load(b"---\n---\na: 1\n---\n- b\n", "x") == [None, {"a": 1}, ["b"]]


def test_merge_keys_fill_in_what_a_mapping_does_not_say_itself() -> None:
    (document,) = load(b"base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n", "x")
    assert document["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (b"a: 1\nb: 2\na: 3\n", "K92", 3),
        (b"a: [1\nb: 2", "K91", 2),
        (b"a: \x01", "K91", 1),
        (b"a: 1\nb: \xe4\n", "K91", 0),
        (b"a: *nowhere", "K91", 1),
        (b"x:\n  <<: 3", "K91", 2),
        (b"a: 1\nb: !!python/object:os.system x", "K96", 2),
        (b"a: !!int x", "K96", 1),
        (b"a: !!str [b]", "K96", 1),
        (b"a: 1\n? [b]\n: c", "K97", 2),
        (b"a: &a [*a]", "K95", 1),
        (b"a: &a [x]\nb: [" + b", ".join([b"*a"] * (MAX_ALIASES + 1)) + b"]", "K95", 1),
        (b"#" * (MAX_BYTES + 1), "K93", 0),
        (b"[" * 200_000, "K94", 1),
        (b"- " * 200_000, "K94", 1),
        (("- " * 200_000).encode("utf-16"), "K94", 1),
        (b"".join(b" " * i + b"k:\n" for i in range(MAX_DEPTH + 1)), "K94", MAX_DEPTH + 1),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(text: bytes, code: str, line: int) -> None:
    with pytest.raises(YamlError) as caught:
        load(text, "x")
    assert caught.value.problem.code == code
    assert caught.value.place.line == line or line == 0


def test_aliases_that_multiply_are_refused_before_anyone_walks_them() -> None:
    laughs = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 8))
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [[[*a{i - 1}]]]\n" for i in range(1, 40))
    for text in (laughs, chain):
        with pytest.raises(YamlError):
            load(text.encode(), "x")


def test_real_sigma_rules_read_as_the_safe_loader_reads_them() -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value.isoformat() if hasattr(value, "isoformat") else value

    outside = Path(os.environ.get("KYBER_TEST_DATA", "nowhere")) / "sigma-rules.tar.gz"
    if not outside.is_file():
        pytest.skip("KYBER_TEST_DATA names no folder with sigma-rules.tar.gz")
    read = 0
    with tarfile.open(outside) as archive:
        for member in archive:
            if member.name.endswith(".yml") and (stream := archive.extractfile(member)) is not None:
                read += 1
                if read % 10 == 0:
                    text = stream.read()
                    expected = [plain(document) for document in yaml.load_all(text, Loader=yaml.CSafeLoader)]
                    assert load(text, member.name) == expected
    assert read > 3000
