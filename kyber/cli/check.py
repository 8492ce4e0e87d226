"""`kyber check`: a workspace in, everything in its registers that needs mending out."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import ExitCode, day_here, plain, root_of, say, show_problems
from kyber.cli.files import write_out
from kyber.cli.reading import no_collector
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
    with no_collector():
        sifted = check_workspace(root, day_here(here), retired_ids(root))
    problems, words = sifted.left, words_for(here.settings.language)
    form = Form.JSON if json else form
    show_as(form, problems, words)
    if sifted.waived and form is Form.TEXT:
        named = tuple(f"{one.code} {one.facts.get('id', one.place)}" for one in sifted.waived)
        say(plain(words.many("check.waived", len(named), named=named)))
    counted = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(problem.severity in counted for problem in problems):
        raise typer.Exit(ExitCode.FOUND)


def retired_ids(root: Path) -> frozenset[str]:
    """The ids that the version history has, in files that are there no more."""
    from kyber.amend import ids_in_names
    from kyber.git import removed_names
    from kyber.join import NUMBERED

    return frozenset(ids_in_names(name for name in removed_names(root, *NUMBERED) if not (root / name).exists()))


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
