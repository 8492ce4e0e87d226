"""`kyber check`: a workspace in, everything in its registers that needs mending out."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import ExitCode, root_of, say, show_problems, today
from kyber.problem import Problem, Severity

if TYPE_CHECKING:
    from kyber.text import Words


class Form(StrEnum):
    """The forms in which problems are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def check(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The workspace, or a folder in it; else here.", show_default=False)
    ] = Path(),
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
    form: Annotated[
        Form, typer.Option("--format", help="Text to read, JSON lines, or annotations for GitHub Actions.")
    ] = Form.TEXT,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> None:
    """Check the registers and rules of a workspace, and list what needs mending, with its cure.

    Ends with 1 where there is an error (with --strict, a warning), with 2 where there is no workspace.
    """
    from kyber.join import check_workspace
    from kyber.text import words_for
    from kyber.workspace import examine

    root = root_of(folder)
    problems = check_workspace(root, today())
    words = words_for(examine(root)[0].settings.language)
    match Form.JSON if json else form:
        case Form.TEXT:
            show_problems(problems, words)
            say(_summary(problems, words))
        case Form.JSON:
            for problem in problems:
                say(_as_json(problem, words))
        case Form.GITHUB:
            for problem in problems:
                say(_as_annotation(problem, words))
    counted = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(problem.severity in counted for problem in problems):
        raise typer.Exit(ExitCode.FOUND)


def _summary(problems: tuple[Problem, ...], words: "Words") -> str:
    if not problems:
        return words("check.none")
    counts = {severity: sum(problem.severity is severity for problem in problems) for severity in Severity}
    return ", ".join(words.many(f"check.{severity}", count) for severity, count in counts.items() if count)


def _as_json(problem: Problem, words: "Words") -> str:
    from kyber.render.safe import json_line

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


def _as_annotation(problem: Problem, words: "Words") -> str:
    """A workflow command of GitHub Actions, in which `%`, line ends and, in properties, `:` and `,` are escaped."""

    def escaped(text: str, more: str = "") -> str:
        return "".join(f"%{ord(letter):02X}" if letter in "%\r\n" + more else letter for letter in text)

    kind = "notice" if problem.severity is Severity.NOTE else problem.severity.value
    where = f"file={escaped(problem.place.file, ':,')}" + (f",line={problem.place.line}" if problem.place.line else "")
    return f"::{kind} {where},title={problem.code}::{escaped(' '.join(words.problem(problem)))}"
