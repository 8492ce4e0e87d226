"""`kyber check`: a workspace in, everything in its registers that needs mending out."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import ExitCode, day_here, root_of, say, show_problems
from kyber.cli.files import write_out
from kyber.problem import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.text import Words


class Form(StrEnum):
    """The forms in which problems are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def check(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The workspace, or a folder in it; else here.", show_default=False)
    ] = Path(),
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
    form: Annotated[
        Form, typer.Option("--format", help="Text to read, JSON lines, annotations for GitHub Actions, or SARIF.")
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
    here, _ = examine(root)
    problems = check_workspace(root, day_here(here))
    show_as(Form.JSON if json else form, problems, words_for(here.settings.language))
    counted = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(problem.severity in counted for problem in problems):
        raise typer.Exit(ExitCode.FOUND)


def show_as(form: Form, problems: "Sequence[Problem]", words: "Words") -> None:
    """Problems on standard output, in one of the forms; below the text, how many there are."""
    if form is Form.TEXT:
        show_problems(tuple(problems), words)
        say(summary(problems, words))
        return
    from kyber.render.problems import FORMS

    write_out(None, FORMS[form](problems, words))


def summary(problems: "Sequence[Problem]", words: "Words") -> str:
    """How many problems there are, by severity."""
    if not problems:
        return words("check.none")
    counts = {severity: sum(problem.severity is severity for problem in problems) for severity in Severity}
    return ", ".join(words.many(f"check.{severity}", count) for severity, count in counts.items() if count)
