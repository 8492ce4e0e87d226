"""What a command shows and how it ends: harmless text on the terminal, exit codes, the workspace it is in."""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.errors import KyberError, NothingReadError, UndeliveredError, UsageError
from kyber.problem import Problem, Severity

if TYPE_CHECKING:
    from kyber.text import Words
    from kyber.workspace import Workspace


Where = Annotated[
    Path | None,
    typer.Option("--workspace", metavar="DIR", help="The workspace, or a folder in it; else here.", show_default=False),
]
"""The option that says where the workspace is."""
InputFormat = Annotated[
    str | None,
    typer.Option("--input", metavar="FORMAT", help="Read every path as this format; `kyber logs formats` lists them."),
]
"""The option that says what paths are read as."""


class ExitCode(IntEnum):
    """How a command ended."""

    FINE = 0
    FOUND = 1
    USAGE = 2
    UNREADABLE = 3
    UNDELIVERED = 4
    STOPPED = 130


class Colour(StrEnum):
    """Colours by what they mean, never alone: a word or a sign always says the same."""

    BAD = "red"
    DOUBT = "yellow"
    GOOD = "green"
    QUIET = "bright_black"


SEVERITY_COLOURS: Final = {Severity.ERROR: Colour.BAD, Severity.WARNING: Colour.DOUBT, Severity.NOTE: Colour.QUIET}


def code_of(error: KyberError) -> ExitCode:
    """The exit code that an error ends a command with."""
    if isinstance(error, NothingReadError):
        return ExitCode.UNREADABLE
    if isinstance(error, UndeliveredError):
        return ExitCode.UNDELIVERED
    return ExitCode.USAGE if isinstance(error, UsageError) else ExitCode.FOUND


def say(text: str = "", *, error: bool = False) -> None:
    """Show lines of kyber's own words; colours only on a terminal that wants them."""
    typer.echo(text, err=error)


def plain(text: object) -> str:
    """Text from outside as one visible line: nothing in it steers the terminal."""
    from kyber.render import safe

    return safe.plain(str(text))


def paint(text: str, colour: Colour, *, bold: bool = False) -> str:
    """The text in a colour, unless the environment asks for none."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=colour.value, bold=bold)


def fail(error: KyberError) -> ExitCode:
    """Tell of an error on standard error, without a traceback, and give the exit code."""
    first, *rest = str(error).splitlines() or [type(error).__name__]
    say(f"{paint('kyber:', Colour.BAD, bold=True)} {plain(first)}", error=True)
    for line in rest:
        say(f"       {plain(line)}", error=True)
    return code_of(error)


def show_problems(problems: tuple[Problem, ...], words: "Words") -> None:
    """Each problem on two lines: where, how bad, code and message; below it the cure."""
    for problem in problems:
        message, cure = words.problem(problem)
        severity = paint(words(f"severity.{problem.severity}"), SEVERITY_COLOURS[problem.severity], bold=True)
        say(f"{plain(problem.place)}: {severity} {problem.code} {plain(message)}")
        say(f"    {paint(plain(cure), Colour.QUIET)}")


def tell_problems(problems: Sequence[Problem], words: "Words", *, reveal: bool = False) -> None:
    """Problems on standard error, so that standard output holds what was asked for and nothing else."""
    from kyber.privacy import mask
    from kyber.render.safe import every_text

    with redirect_stdout(sys.stderr):
        show_problems(tuple(problems) if reveal else every_text(tuple(problems), mask), words)


def root_of(folder: Path) -> Path:
    """The root of the workspace that `folder` is in. Raises WorkspaceError, a UsageError, where there is none."""
    from kyber.workspace import at, folder_of

    root = folder_of(folder)
    return root if root is not None else at(folder).root


def around(folder: Path | None) -> "Workspace | None":
    """The workspace that was named, or the one around here, if any. Raises WorkspaceError for a name of none."""
    from kyber.workspace import at, find

    return find(Path()) if folder is None else at(root_of(folder))


def day_here(here: "Workspace | None", now: datetime | None = None) -> date:
    """The day that a moment, else this one, is of in the workspace's time zone, or in that of this machine."""
    return (now or datetime.now(UTC)).astimezone(here.settings.zone if here else None).date()


def is_terminal() -> bool:
    """Whether a person is likely to see standard output as it comes."""
    return sys.stdout.isatty()
