"""`kyber rules test`: rules and the samples beside them in, whether each sample comes to what is expected of it out."""

# ruff: noqa: PT028 - a command that is called test is no test

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import ExitCode, Where, day_here, say
from kyber.cli.files import standard_output
from kyber.cli.rules_files import surroundings, watch_lists, with_others
from kyber.errors import NothingReadError, UsageError
from kyber.problem import Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.logs.trial import Result
    from kyber.text import Words
    from kyber.workspace import Workspace

LOOK_EVERY: Final = 0.5
"""Seconds after which --watch looks again whether a file has changed."""

State = Mapping[str, tuple[int, int]]
"""Files by name, each with when it was written (nanoseconds) and its size in bytes."""


def test(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Rule files, their files of tests, and folders of them; else the rules of the workspace.",
        ),
    ] = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="Also test the rules that come with kyber.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again whenever one of the files changes, until Ctrl-C.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let warnings count, such as of rules that have no tests.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines: one a rule, then problems, then the sums.")] = False,
    workspace: Where = None,
) -> None:
    """Run the tests that stand beside rules, as NAME.tests.yaml beside NAME.yml: what they find, and what not.

    Ends with 1 where a test fails or cannot be read (with --strict, also where a rule has too few), with 3 where there
    is no rule.
    """
    from kyber.logs.sigma.shipped import shipped_rules
    from kyber.text import words_for

    here, given = surroundings(workspace, paths or ([str(shipped_rules())] if shipped else None))
    if shipped:
        given = [*given, *([str(here.rules)] if here and not paths else []), str(shipped_rules())]
    words = words_for(here.settings.language if here else "en")
    if not watch:
        result = tested(given, here)
        _show(result, words, json=json)
        if is_wrong(result, strict=strict):
            raise typer.Exit(ExitCode.FOUND)
        return
    try:
        for _ in changes(lambda: state_of(given, here), lambda: time.sleep(LOOK_EVERY)):
            try:
                _show(tested(given, here), words, json=json)
            except (NothingReadError, UsageError) as error:
                say(str(error), error=True)
            say(words("trial.watching"), error=True)
    except KeyboardInterrupt:
        say(error=True)


def _show(result: "Result", words: "Words", *, json: bool) -> None:
    from kyber.cli import tried

    with standard_output():
        if json:
            for line in tried.lines(result, words):
                say(line)
        else:
            tried.show(result, words)


def is_wrong(result: "Result", *, strict: bool) -> bool:
    counted = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return any(problem.severity in counted for problem in result.problems)


def tested(paths: "Sequence[str]", here: "Workspace | None") -> "Result":
    """Read everything and run the tests. Raises NothingReadError where there is no rule."""
    from dataclasses import replace

    from kyber.cli.scan import enrichment
    from kyber.logs.sigma.rule import read_rules, rule_files
    from kyber.logs.trial import try_rules

    now = datetime.now(UTC)
    language = here.settings.language if here else "en"
    lists, _ = watch_lists(here)
    named, texts, unread = _named(paths)
    files, missing = rule_files(named)
    if not files and not texts and not unread:
        raise NothingReadError(f"no rule was found in {', '.join(paths)}")
    # Correlations and filters name rules of the workspace and shipped ones: the rules are read as a scan reads them.
    rules = read_rules(with_others(named, here), lists, day_here(here, now))
    result = try_rules(rules, map(str, files), texts, now, enrichment(here), language)
    return replace(result, problems=(*missing, *unread, *result.problems))


def _named(paths: "Sequence[str]") -> "tuple[list[str], dict[str, bytes], list[Problem]]":
    """The rule files and folders that are meant, the files of tests in and beside them, and what is no such file (R90).

    Raises UsageError for a file of tests that cannot be read.
    """
    from kyber.logs.rule_tests import ENDINGS
    from kyber.logs.sigma.rule import MAX_FILE, rule_files
    from kyber.logs.trial import beside

    tests = [str(Path(one)) for one in paths if one.endswith(ENDINGS)]
    named = [one for one in paths if not one.endswith(ENDINGS)]
    for one in tests:
        stem = next(one.removesuffix(ending) for ending in ENDINGS if one.endswith(ending))
        named += [file for file in (f"{stem}.yml", f"{stem}.yaml") if Path(file).is_file()]
    for folder in named:
        tests += [str(Path(where, name)) for where, name in _below(folder) if name.endswith(ENDINGS)]
    tests += [one for file in rule_files(named)[0] for one in beside(str(file)) if Path(one).is_file()]
    texts: dict[str, bytes] = {}
    unread: list[Problem] = []
    for one in dict.fromkeys(tests):
        try:
            if not stat.S_ISREG(Path(one).stat().st_mode):
                unread.append(Problem(Place(one), "R90", {"why": "not a regular file"}))
                continue
            with Path(one).open("rb") as stream:
                texts[one] = stream.read(MAX_FILE + 1)  # one too large is a problem with its code
        except OSError as error:
            raise UsageError(f"{one} cannot be read: {error.strerror}") from None
    return named, texts, unread


def _below(folder: str) -> Iterator[tuple[str, str]]:
    """The folder and name of every file below a folder, without what is hidden."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from ((where, name) for name in sorted(names) if not name.startswith("."))


# --- watching ---------------------------------------------------------------------------------------------------------


def changes(look: Callable[[], State], wait: Callable[[], None]) -> Iterator[State]:
    """The state at once, and then each time that it has changed. `wait` passes the time between two looks."""
    last: State | None = None
    while True:
        now = look()
        if now != last:
            yield now
        last = now
        wait()


def state_of(paths: "Sequence[str]", here: "Workspace | None") -> State:
    """The rules, tests and watch lists that a run would read, with what shows that one of them has changed."""
    kept = [] if here is None else [str(here.rules), str(here.root / "lists")]
    folders = dict.fromkeys((*paths, *(str(Path(one).parent) for one in paths if Path(one).is_file()), *kept))
    found = {}
    for folder in folders:
        for where, name in _below(folder):
            if name.endswith((".yml", ".yaml")):
                file = Path(where, name)
                try:
                    state = file.stat()
                except OSError:
                    continue
                found[str(file)] = (state.st_mtime_ns, state.st_size)
    return found
