"""`kyber rules lint`: rule files in, what is doubtful about them out; with --fix, what is safe to change is changed."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.check import Form, show_as
from kyber.cli.console import ExitCode, day_here, plain, say
from kyber.cli.files import standard_output
from kyber.errors import NothingReadError, UsageError
from kyber.problem import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kyber.logs.sigma.lint import Linted, Registered
    from kyber.problem import Problem
    from kyber.text import Words
    from kyber.workspace import Workspace


class Validators(StrEnum):
    """Whose checks are run."""

    ALL = "all"
    OWN = "own"
    PYSIGMA = "pysigma"


class Least(StrEnum):
    """The least severity that is shown."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


def lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Rule files and folders of them; else the rules of the workspace."),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="DIR",
            help="The workspace whose sources and watch lists the rules are held against; else the one around here.",
        ),
    ] = None,
    validators: Annotated[
        Validators | None,
        typer.Option(
            "--validators", help="Whose checks: kyber's own, pySigma's, or all. Without it, all that are installed."
        ),
    ] = None,
    least: Annotated[Least, typer.Option("--least", help="Leave out what is less severe.")] = Least.NOTE,
    fix: Annotated[bool, typer.Option("--fix", help="Change in the files what is safe to change.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix changes, or would change, instead of the problems.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
    form: Annotated[
        Form, typer.Option("--format", help="Text to read, JSON lines, annotations for GitHub Actions, or SARIF.")
    ] = Form.TEXT,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> None:
    """Look rules over: what cannot be read, what excludes nothing, what no log has, and how it is written.

    Ends with 1 where there is an error (with --strict, a warning), with 3 where no rule could be read.
    """
    from kyber.cli.reading import no_collector
    from kyber.cli.rules_files import surroundings
    from kyber.text import words_for

    here, given = surroundings(workspace, paths)
    words = words_for(here.settings.language if here else "en")
    with no_collector():
        looked = _look(given, here, validators)
        if fix or diff:
            changed = _changes(looked)
            if diff:
                _show(changed)
            if fix:
                _write(changed)
                looked = _look(given, here, validators)
    shown = _at_least(looked.linted.problems, least)
    if not diff:
        form = Form.JSON if json else form
        show_as(form, shown, words)
        if form is Form.TEXT:
            _tell_left_out(looked, shown, words)
    if fix:
        say(words.many("lint.fixed", len(changed)), error=True)
    counted = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(problem.severity in counted for problem in looked.linted.problems):
        raise typer.Exit(ExitCode.FOUND)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was read, what is said of it, and whether pySigma was asked, could not be, or was not to be."""

    texts: "Mapping[str, bytes]"
    linted: "Linted"
    unasked: bool


def _look(paths: "Sequence[str]", here: "Workspace | None", validators: Validators | None) -> _Looked:
    from dataclasses import replace

    from kyber.cli.rules_files import documents, watch_lists, with_others
    from kyber.logs.sigma import pysigma
    from kyber.logs.sigma.guard import check_must_fire
    from kyber.logs.sigma.lint import Linted, lint
    from kyber.logs.sigma.rule import read_rules, rule_files

    lists, _ = watch_lists(here)
    # What filters and correlations name, and what is a copy of what, is seen among all the rules that a scan reads.
    read = read_rules(with_others(paths, here), lists, day_here(here))
    texts, written = documents(paths)
    asked = {*paths, *map(str, rule_files(paths)[0])}
    said = tuple(one for one in (*read.problems, *check_must_fire(read)) if one.place.file in asked)
    if not written and not said:
        raise NothingReadError(f"no rule was found in {', '.join(paths)}")
    own = validators is not Validators.PYSIGMA
    linted = lint(written, read.rules, said, registered(here)) if own else Linted(said)
    asks = validators in (Validators.ALL, Validators.PYSIGMA) or (validators is None and pysigma.is_installed())
    if asks:
        all_said = (*linted.problems, *pysigma.issues(written))
        linted = replace(linted, problems=tuple(sorted(all_said, key=lambda one: (one.place, one.code))))
    return _Looked(texts, linted, validators is None and not asks)


def registered(here: "Workspace | None") -> "Registered":
    """What the workspace's sources say of themselves."""
    from kyber.logs.batch import LogSource
    from kyber.logs.sigma.lint import Registered
    from kyber.logs.source import load_sources

    sources = load_sources(here.root)[0] if here is not None else ()
    said = (one.logsource for one in sources)
    return Registered(
        frozenset(
            LogSource(*(value.lower() if value else None for value in (one.product, one.category, one.service)))
            for one in said
        ),
        frozenset(name for one in sources if one.read is not None for name in one.read.columns.values()),
    )


def _at_least(problems: "Sequence[Problem]", least: Least) -> "tuple[Problem, ...]":
    from kyber.privacy import mask
    from kyber.render.safe import every_text

    order = [Least.ERROR, Least.WARNING, Least.NOTE]
    wanted = {str(one) for one in order[: order.index(least) + 1]}
    return every_text(tuple(problem for problem in problems if str(problem.severity) in wanted), mask)


def _tell_left_out(looked: _Looked, shown: "Sequence[Problem]", words: "Words") -> None:
    if left := len(looked.linted.problems) - len(shown):
        say(words.many("lint.left-out", left))
    if looked.unasked:
        say(words("lint.no-pysigma"), error=True)


# --- changes ---------------------------------------------------------------------------------------------------------


def _changes(looked: _Looked) -> "dict[str, tuple[bytes, bytes]]":
    """The files that change: their text before and after. What is reached through a link stays as it is."""
    from collections import defaultdict

    from kyber.logs.sigma.mend import mended
    from kyber.logs.sigma.written import Change

    asked: dict[str, dict[int, tuple[Change, ...]]] = defaultdict(dict)
    for (file, number), changes in looked.linted.changes.items():
        asked[file][number] = changes
    found = {}
    for file, by_document in sorted(asked.items()):
        before = looked.texts[file]
        after = mended(before, by_document)
        if after != before and not Path(file).is_symlink():
            found[file] = (before, after)
    return found


def _write(changed: "Mapping[str, tuple[bytes, bytes]]") -> None:
    from kyber.register import write

    for file, (before, after) in changed.items():
        try:
            if Path(file).read_bytes() != before:
                raise UsageError(f"{file} was changed meanwhile: nothing more was written")
            write(Path(file), after.decode())
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def _show(changed: "Mapping[str, tuple[bytes, bytes]]") -> None:
    """A unified diff; on a terminal nothing in it steers."""
    import sys
    from difflib import unified_diff

    harmless = plain if sys.stdout.isatty() else str
    for file, (before, after) in changed.items():
        old, new = (text.decode().splitlines() for text in (before, after))
        with standard_output():
            for line in unified_diff(old, new, file, file, lineterm=""):
                typer.echo(harmless(line))
