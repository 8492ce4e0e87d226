"""pySigma beside kyber: its validators' issues by line, and rules as queries of other languages."""

import socket
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.errors import UsageError
from kyber.logs.sigma import pysigma
from kyber.logs.sigma.lint import lint
from kyber.logs.sigma.pysigma import issues
from kyber.logs.sigma.rule import rule_files
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.sigma.written import Written
from kyber.problem import Problem, Severity
from kyber.yamltext import load

from .test_lint import GOOD, KEYS, VALUES

pytest.importorskip("sigma", reason="pySigma is not installed")


def written(*texts: str) -> list[Written]:
    return [
        Written(f"{index}.yml", number, one)
        for index, text in enumerate(texts)
        for number, one in enumerate(load(dedent(text).encode(), ""))
    ]


def said(*texts: str) -> list[tuple[str, int]]:
    return [(str(problem.facts["check"]), problem.place.line) for problem in issues(written(*texts))]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


# --- validators ------------------------------------------------------------------------------------------------------

SELECTION = "Image|endswith: '\\\\a.exe'"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((SELECTION, "Image: '4711'"), ("number_as_string", 12)),
        ((SELECTION, "Image: 'a**b'"), ("double_wildcard", 12)),
        ((SELECTION, "Image: '*a'"), ("wildcard_instead_of_endswith", 12)),
        (("cve.2024-3400]", "cve.2024-3400, cve.2024-3400]"), ("duplicate_tag", 8)),
        (("cve.2024-3400]", "nonsense.tag]"), ("invalid_namespace_tag", 8)),
        (("not 1 of filter_main_*", "all of them"), ("all_of_them_condition", 16)),
    ],
)
def test_an_issue_of_a_validator_has_its_line(change: tuple[str, str], expected: tuple[str, int]) -> None:
    assert change[0] in GOOD
    assert expected in said(GOOD.replace(*change))


def test_nothing_is_said_of_a_good_rule() -> None:
    assert said(GOOD) == []


@pytest.mark.parametrize(
    "change",
    [
        ("and not 1 of filter_main_*", ""),  # R72
        ("    id: 11111111-2222-4333-8444-555555555555\n", ""),  # R14
        ("attack.t1059.001", "attack.nothing"),  # R65, and a validator that would ask the network
        (SELECTION, "Image|all: [a, b]"),  # R55
        (SELECTION, "Image|base64offset: abc"),  # R54
    ],
)
def test_what_kyber_says_itself_is_left_out_and_no_network_is_asked(change: tuple[str, str], no_network: None) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    assert said(text) == []


def test_an_issue_among_several_rules_is_told_of_all_but_the_first() -> None:
    assert said(GOOD, GOOD.replace("11111111-", "22222222-")) == [("duplicate_title", 2)]


def test_a_rule_that_only_pysigma_cannot_read_is_told_with_its_reason() -> None:
    text = GOOD.replace("selection and not 1 of", "selection AND NOT 1 of")
    (problem,) = issues(written(text))
    assert problem.severity is Severity.NOTE
    assert not lint(written(text)).problems


@settings(deadline=None)  # the first example loads pySigma
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_no_document_however_odd_stops_the_validators(document: dict[str, Any]) -> None:
    for problem in issues([Written("a.yml", 0, document)]):
        assert problem.code == "R57"


def test_the_shipped_rules_have_no_issue_that_matters() -> None:
    documents = [
        Written(str(file), 0, load(file.read_bytes(), "")[0]) for file in rule_files([str(shipped_rules())])[0]
    ]
    found = list(issues(documents))
    assert [problem for problem in found if problem.severity is not Severity.NOTE] == []
    meant = {"number_as_string", "escaped_wildcard", "double_wildcard", "sigma_logsource"}  # the last: every event
    assert {problem.facts["check"] for problem in found} <= meant


def test_without_pysigma_the_answer_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pysigma, "is_installed", lambda: False)
    pysigma._plugins.cache_clear()
    with pytest.raises(UsageError, match=r"kyber\[sigma\]"):
        list(issues([]))
    with pytest.raises(UsageError, match=r"kyber\[sigma\]"):
        pysigma.targets()


# --- conversion ------------------------------------------------------------------------------------------------------


@pytest.fixture
def backend(no_network: None) -> None:
    pytest.importorskip("sigma.backends.elasticsearch", reason="pySigma's backend for Elasticsearch is not installed")


def queries(*texts: str, to: str = "lucene", chosen: tuple[str, ...] = ()) -> tuple[list[Any], list[Problem]]:
    made = pysigma.convert(written(*texts), to, chosen, "default")
    return [query for one in made.converted for query in one.queries], list(made.problems)


def test_a_rule_becomes_a_query_in_the_names_of_the_pipeline(backend: None) -> None:
    bare, _ = queries(GOOD)
    assert len(bare) == 1
    assert "Image:*\\\\a.exe" in bare[0]
    assert "(NOT ParentImage:c\\:\\\\b.exe)" in bare[0]
    (ecs,), problems = queries(GOOD, chosen=("ecs_windows",))
    assert "process.executable" in ecs
    assert problems == []


def test_each_language_of_elasticsearch_has_its_own_query(backend: None) -> None:
    assert {"lucene", "esql", "eql"} <= set(pysigma.targets())
    assert len({queries(GOOD, to=to)[0][0] for to in ("lucene", "esql", "eql")}) == 3


FILTER = """
    title: A filter
    logsource: {product: windows, category: process_creation}
    filter:
      rules: [11111111-2222-4333-8444-555555555555]
      backup: {User: backup}
      condition: CONDITION
    """


def test_a_filter_takes_out_what_it_selects_whichever_way_it_is_written(backend: None) -> None:
    plain, _ = queries(GOOD, FILTER.replace("CONDITION", "backup"))
    negated, _ = queries(GOOD, FILTER.replace("CONDITION", "not backup"))
    assert len(plain) == len(negated) == 1
    assert plain[0].count("NOT") == negated[0].count("NOT") == 2
    assert "(NOT User:backup)" in plain[0]
    assert "(NOT User:backup)" in negated[0]


CORRELATION = """
    title: Many
    correlation:
      type: event_count
      rules: [11111111-2222-4333-8444-555555555555]
      group-by: [User]
      timespan: 5m
      condition: {gte: 10}
    """


def test_a_correlation_is_converted_after_its_rule_wherever_it_stands(backend: None) -> None:
    found, problems = queries(CORRELATION, GOOD, to="esql")
    assert problems == []
    assert any("stats" in query and ">= 10" in query.replace(">=10", ">= 10") for query in found)


def test_what_a_language_does_not_have_is_a_problem_and_the_others_are_converted(backend: None) -> None:
    found, (problem,) = queries(CORRELATION, GOOD)
    assert (problem.code, problem.place.file) == ("R80", "0.yml")
    orphan = CORRELATION.replace("11111111-", "33333333-")
    assert [problem.code for problem in queries(orphan, GOOD, to="esql")[1]] == ["R80"]
    assert len(found) <= 1
    assert (
        queries("title: x\nlogsource: {product: x}\ndetection: {a: {b: 1}, condition: c}\n", GOOD)[1][0].code == "R80"
    )


def test_what_is_not_installed_is_named_with_what_is(backend: None) -> None:
    with pytest.raises(UsageError, match=r"'splonk'.*lucene"):
        queries(GOOD, to="splonk")
    with pytest.raises(UsageError, match="ecs_windows"):
        queries(GOOD, chosen=("/etc/passwd",))
    with pytest.raises(UsageError, match="kibana_ndjson"):
        pysigma.convert(written(GOOD), "lucene", (), "nothing")


def test_other_forms_of_output_are_text_too(backend: None) -> None:
    made = pysigma.convert(written(GOOD), "lucene", ("ecs_windows",), "kibana_ndjson")
    assert "A good rule" in made.text
    assert made.text.endswith("\n")
