"""The form of test files: what is read of them, and what is said of what cannot be used."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import LogSource
from kyber.logs.rule_tests import Provenance, read_tests
from kyber.logs.sigma.asking import Awaited
from kyber.register import text_of

TEST: dict[str, Any] = {
    "name": "a door was opened",
    "origin": "constructed",
    "source": "invented",
    "lines": ["door opened"],
    "expect": "match",
}


def read(*tests: dict[str, Any]) -> tuple[Any, Any]:
    return read_tests(text_of({"tests": list(tests)}).encode(), "x.tests.yaml")


def test_a_test_knows_its_place_and_all_that_it_says() -> None:
    said = {
        **TEST,
        "rule": "doors",
        "input": {
            "format": "syslog",
            "source": "web",
            "zone": "Europe/Helsinki",
            "product": "Linux",
            "service": "sshd",
            "columns": {"a": "b"},
            "starts": "^x",
        },
        "expect": 3,
        "as_of": "2026-03-04T10:00:00+00:00",
        "awaited": [
            "mail",
            {"source": "web", "hosts": ["www1"], "product": "LINUX", "service": "sshd", "every": "2 h"},
        ],
    }
    (test,), problems = read(said)
    assert problems == ()
    assert (test.place.file, test.place.line) == ("x.tests.yaml", 2)
    assert (test.name, test.rule, test.provenance, test.source, test.lines, test.events, test.expect) == (
        "a door was opened",
        "doors",
        Provenance.CONSTRUCTED,
        "invented",
        ("door opened",),
        (),
        3,
    )
    assert (test.given.format, test.given.source, test.given.zone) == ("syslog", "web", ZoneInfo("Europe/Helsinki"))
    assert test.given.logsource == LogSource(product="linux", service="sshd")
    assert (test.given.columns, test.given.starts) == ({"a": "b"}, "^x")
    assert test.as_of == datetime(2026, 3, 4, 10, tzinfo=UTC)
    assert test.awaited == (
        Awaited("mail"),
        Awaited("web", ("www1",), "linux", 7_200_000_000, service="sshd"),
    )


@pytest.mark.parametrize(
    ("change", "code", "line", "said"),
    [
        ({"expect": "hit"}, "R91", "expect: hit", "match, miss, or a number"),
        ({"expect": 0}, "R91", "expect: 0", "match, miss, or a number"),
        ({"expect": True}, "R91", "expect: true", "match, miss, or a number"),
        ({"expect": None}, "R91", "name: ", "missing"),
        ({"name": " "}, "R91", "name: ", "not empty"),
        ({"origin": "realistic"}, "R91", "origin: ", "real, documented, constructed"),
        ({"origin": None}, "R91", "name: ", "missing"),
        ({"source": None}, "R91", "name: ", "missing"),
        ({"lines": "door opened"}, "R91", "lines: ", "list of texts"),
        ({"events": [{"a": 1}]}, "R91", "name: ", "either lines or events"),
        ({"input": "syslog"}, "R91", "input: ", "mapping"),
        ({"input": {"format": "sislog"}}, "R91", "format: ", "did you mean syslog"),
        ({"input": {"format": "evtx"}}, "R91", "format: ", "not read from lines"),
        ({"input": {"format": "text", "starts": "("}}, "R91", "starts: ", "no regular expression"),
        ({"lines": None, "events": [{"a": 1}, {"b": 2**64}]}, "R91", "- b: ", "64-bit"),
        ({"input": {"zone": "Helsinki"}}, "R91", "zone: ", "no such time zone"),
        ({"as_of": "2026-03-04"}, "R91", "as_of: ", "offset"),
        ({"awaited": [{"source": "web", "every": "soon"}]}, "R91", "every: ", "1 d"),
        ({"awaited": [{"hosts": ["www1"]}]}, "R91", "- hosts:", "id of a source"),
        ({"orign": "real"}, "R92", "orign: ", "origin"),
        ({"input": {"formt": "syslog"}}, "R92", "formt: ", "format"),
        ({"awaited": [{"source": "web", "evry": "1 d"}]}, "R92", "evry: ", "every"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_line_and_what_was_probably_meant(
    change: dict[str, Any], code: str, line: str, said: str
) -> None:
    test = {key: value for key, value in {**TEST, **change}.items() if key != "lines" or value is not None}
    text = text_of({"tests": [test]})
    tests, (problem,) = read_tests(text.encode(), "x.tests.yaml")
    assert tests == ()
    assert problem.code == code
    assert said in str(problem.facts)
    assert problem.place.file == "x.tests.yaml"
    assert line in text.splitlines()[problem.place.line - 1]


def test_a_test_that_cannot_be_used_takes_no_other_with_it() -> None:
    tests, problems = read(TEST, {**TEST, "expect": "maybe", "name": "second"}, {**TEST, "name": "third"}, TEST)
    assert [test.name for test in tests] == ["a door was opened", "third"]
    assert [(problem.code, problem.facts["key"]) for problem in problems] == [("R91", "expect"), ("R91", "name")]


@pytest.mark.parametrize(
    "text", [b"", b"tests:\n", b"tests: 3\n", b"- a\n", b"tests: []\n", b"a: [\n", b"a: 1\n---\nb: 1\n"]
)
def test_a_file_without_tests_is_told_of(text: bytes) -> None:
    tests, (problem,) = read_tests(text, "x.tests.yaml")
    assert (tests, problem.code) == ((), "R90")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TEST, "input", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*TEST, "input", "events", "as_of", "awaited", "rule"]), JSON, max_size=6))
def test_whatever_a_test_holds_it_is_read_or_told_of(test: dict[str, Any]) -> None:
    tests, problems = read({**TEST, **test})
    assert len(tests) == (not problems)
