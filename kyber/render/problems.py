"""Problems and the words for them in, one of the forms out that other programs read: JSON lines, annotations, SARIF."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kyber.problem import Problem, Severity
from kyber.render.safe import json_line, plain
from kyber.render.sarif import problem_log
from kyber.text import Words


def lines(problems: Sequence[Problem], words: Words) -> str:
    """One JSON object a line."""
    return "".join(f"{_line(problem, words)}\n" for problem in problems)


def _line(problem: Problem, words: Words) -> str:
    message, cure = words.problem(problem)
    return json_line(
        {
            "file": problem.place.file,
            "line": problem.place.line,
            "code": problem.code,
            "severity": problem.severity.value,
            "message": message,
            "cure": cure,
        }
    )


def annotations(problems: Sequence[Problem], words: Words) -> str:
    """Workflow commands of GitHub Actions, one visible line each, in which `%` and, in properties, `:` and `,` are
    escaped."""
    return "".join(f"{_annotation(problem, words)}\n" for problem in problems)


def _annotation(problem: Problem, words: Words) -> str:
    def escaped(text: str, more: str = "") -> str:
        return "".join(f"%{ord(letter):02X}" if letter in "%" + more else letter for letter in plain(text))

    kind = "notice" if problem.severity is Severity.NOTE else problem.severity.value
    where = f"file={escaped(problem.place.file, ':,')}" + (f",line={problem.place.line}" if problem.place.line else "")
    return f"::{kind} {where},title={problem.code}::{escaped(' '.join(words.problem(problem)))}"


FORMS: Final[Mapping[str, Callable[[Sequence[Problem], Words], str]]] = {
    "json": lines,
    "github": annotations,
    "sarif": problem_log,
}
"""The forms by the name that --format gives them; the text that people read is made where it is shown."""
