from pathlib import Path

import pytest

from kyber.problem import Place, Severity
from kyber.secret import Named, Secret, find

AT = Place("kyber.yaml", 7)


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    assert find(Named(at=AT, variable="WORD"), tmp_path, {"WORD": "hush"}) == (Secret("hush"), ())


def test_a_secret_comes_from_a_credential_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "WORD").write_text("hush\n", encoding="utf-8")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find(Named(at=AT, variable="WORD"), tmp_path, environment) == (Secret("hush"), ())
    assert find(Named(at=AT, variable="WORD"), tmp_path, {**environment, "WORD": "first"})[0] == Secret("first")


def test_a_secret_comes_from_a_file_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_bytes(b" hush hush \r\n")
    file.chmod(0o600)
    assert find(Named(at=AT, file="word"), tmp_path, {}) == (Secret(" hush hush "), ())
    assert find(Named(at=AT, file=str(file)), Path("elsewhere"), {}) == (Secret(" hush hush "), ())


@pytest.mark.parametrize("content", [None, b"", b"\n", b" \r\n"])
def test_a_secret_that_is_missing_or_empty_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "word").write_bytes(content)
    secret, (problem,) = find(Named(at=AT, file="word"), tmp_path, {})
    assert secret is None
    assert (problem.code, problem.place, problem.severity) == ("S14", AT, Severity.ERROR)
    for environment in ({}, {"WORD": ""}, {"WORD": " "}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}):
        secret, (problem,) = find(Named(at=AT, variable="WORD"), tmp_path, environment)
        assert secret is None
        assert (problem.code, problem.facts) == ("S14", {"where": "$WORD"})


def test_a_file_that_everybody_may_read_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("hush\n", encoding="utf-8")
    file.chmod(0o644)
    secret, (problem,) = find(Named(at=AT, file="word"), tmp_path, {})
    assert secret == Secret("hush")
    assert (problem.code, problem.severity) == ("S15", Severity.WARNING)
    file.chmod(0o640)
    assert find(Named(at=AT, file="word"), tmp_path, {})[1] == ()


def test_a_secret_shows_in_no_repr() -> None:
    assert "hush" not in repr(Secret("hush"))
