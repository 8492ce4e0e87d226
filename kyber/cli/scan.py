"""`kyber scan`: logs and rules in, what is wrong in the logs out."""

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import ExitCode, root_of, say, show_problems
from kyber.cli.files import append, check_place, write_whole
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from kyber.finding import ScanResult
    from kyber.logs.batch import LogSource
    from kyber.logs.scan import Job, Progress
    from kyber.problem import Problem
    from kyber.text import Words
    from kyber.workspace import Workspace


class Form(StrEnum):
    """The forms in which findings are shown."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    ECS = "ecs"
    HTML = "html"


class Limit(StrEnum):
    """Sigma's levels, as limits."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


BY_ENDING: Final = {
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
    ".json": Form.JSONL,
    ".csv": Form.CSV,
    ".html": Form.HTML,
}


def scan(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders or globs, compressed or not; - for standard input. "
            "Without one: the active sources of the workspace.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rules",
            "-r",
            metavar="PATH",
            help="A rule file or a folder of them, instead of the shipped rules and the workspace's; may be repeated.",
            show_default=False,
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FORMAT", help="Read every path as this format; `kyber logs formats` lists them."
        ),
    ] = None,
    logsource: Annotated[
        str | None,
        typer.Option(metavar="KEY:VALUE,...", help="What the paths are for rules, as product:linux,service:auth."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="Time zone of times that carry none; else the source's, the workspace's, or UTC."
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", "-f", help="The form of the findings; else by the ending of -o, or a table."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the findings to a file.")
    ] = None,
    level: Annotated[Limit, typer.Option(help="Leave out findings below this level.")] = Limit.INFORMATIONAL,
    fail_on: Annotated[
        Limit | None,
        typer.Option(help="End with 1 when there is a finding at or above this level.", show_default=False),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 also when some input or rule could not be read.")
    ] = False,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", metavar="DIR", help="The workspace, or a folder in it; else here.", show_default=False
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Shorten no list in the table.")] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal identity codes; needs --purpose and is recorded.")
    ] = False,
    purpose: Annotated[
        str, typer.Option(metavar="TEXT", help="Why personal identity codes have to be seen.", show_default=False)
    ] = "",
) -> None:
    """Read logs, run Sigma rules over them, and show what was found.

    Ends with 1 where --fail-on or --strict asks for it, with 2 for wrong options, with 3 when nothing could be read.
    """
    from kyber.logs.scan import scan as run
    from kyber.logs.sigma.rule import read_rules
    from kyber.problem import Severity
    from kyber.render.findings import FORMS
    from kyber.text import words_for
    from kyber.workspace import at, find

    now = datetime.now(UTC)
    here = find(Path()) if workspace is None else at(root_of(workspace))
    form = Form.JSONL if json else form or (BY_ENDING.get(output.suffix.lower()) if output else None) or Form.TABLE
    words = words_for(here.settings.language if here else "en")
    if reveal:
        _may_reveal(here, purpose)
    if output is not None:
        check_place(output)
    jobs, problems = _jobs(here, paths, timezone, input_format, _logsource(logsource), now)
    placeholders, unlisted = _placeholders(here)
    ruleset = read_rules(rules or _rules(here), placeholders)
    if not ruleset.rules and not ruleset.unable:
        _tell(ruleset.problems, words)
        raise UsageError(f"no rule could be read from {', '.join(rules or _rules(here))}")
    if not any(job.inputs for job in jobs):
        _tell(problems, words)
        raise NothingReadError("nothing to read: no file was found")
    if output is not None:
        _spare(output, jobs, rules or (), here)
    with _progress() as progress, _no_collector():
        result = run(jobs, ruleset, now, progress)
    found = {str(one.level) for one in result.findings}
    result = _limited(result, level, (*problems, *unlisted))
    unread = [problem for problem in result.problems if problem.severity is not Severity.NOTE]
    if not any(one.events for one in result.inputs) and any(problem.code.startswith("F") for problem in unread):
        _tell(unread, words)
        raise NothingReadError("nothing could be read")
    if reveal and here:
        _record(here, purpose, result, now)
    if form is Form.TABLE and output is None:
        from rich.console import Console

        from kyber.render.findings import show

        with _standard_output():
            show(result, words, Console(), reveal=reveal, verbose=verbose)
    else:
        _write(output, FORMS[form](result, words, reveal))
        _tell(unread, words, reveal=reveal)
        if result.blind:
            say(words.many("findings.rules-blind", len(result.blind)), error=True)
    if (fail_on is not None and found & _at_or_above(fail_on)) or (strict and unread):
        raise typer.Exit(ExitCode.FOUND)


def _at_or_above(limit: Limit) -> frozenset[str]:
    levels = list(Limit)
    return frozenset(str(level) for level in levels[levels.index(limit) :])


def _limited(result: "ScanResult", level: Limit, problems: "Sequence[Problem]") -> "ScanResult":
    from dataclasses import replace

    shown = _at_or_above(level)
    kept = tuple(one for one in result.findings if str(one.level) in shown)
    return replace(
        result,
        findings=kept,
        left_out=len(result.findings) - len(kept),
        problems=(*problems, *result.problems),
    )


def _jobs(
    here: "Workspace | None",
    paths: "Sequence[str] | None",
    timezone: str | None,
    input_format: str | None,
    logsource: "LogSource | None",
    now: datetime,
) -> "tuple[list[Job], list[Problem]]":
    """What to read: the given paths, or the active sources of the workspace."""
    from kyber.join import check_format
    from kyber.logs.batch import LogSource
    from kyber.logs.inputs import inputs
    from kyber.logs.scan import Job
    from kyber.logs.source import SourceStatus, inputs_of, load_sources

    if input_format is not None:
        _known_format(input_format)
    if paths:
        found, problems = inputs(paths, now, pipes=True)
        zone = timezone or (here.settings.timezone if here else "UTC")
        return [Job(source="", inputs=found, zone=_zone(zone), format=input_format, logsource=logsource)], problems
    if here is None:
        raise UsageError("there is nothing to scan: name a PATH, or make a workspace with `kyber init`")
    sources, problems_ = load_sources(here.root)
    problems = list(problems_)
    jobs = []
    for source in sources:
        if source.read is None or source.status is not SourceStatus.ACTIVE:
            continue
        unknown = list(check_format(source)) if input_format is None else []
        if unknown:
            problems.extend(unknown)
            continue
        found, missing = inputs_of(source, here.root, now)
        problems.extend(missing)
        asked = source.read.format if source.read.format != "auto" else None
        named = source.logsource
        declared = LogSource(named.product, named.category, named.service)
        jobs.append(
            Job(
                source=source.id,
                inputs=found,
                zone=_zone(timezone or source.read.timezone or here.settings.timezone),
                format=input_format or asked,
                logsource=logsource or (declared if declared != LogSource() else None),
            )
        )
    return jobs, problems


def _known_format(name: str) -> None:
    from kyber.logs.formats.known import FORMATS

    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'; there are {', '.join(FORMATS)}")


def _logsource(text: str | None) -> "LogSource | None":
    from kyber.logs.batch import LogSource

    if text is None:
        return None
    parts = dict(part.strip().partition(":")[::2] for part in text.split(","))
    if not set(parts) <= {"product", "category", "service"} or not all(parts.values()):
        raise UsageError(f"--logsource {text}: write it as product:linux,category:...,service:auth")
    return LogSource(**{key: value.strip().lower() for key, value in parts.items()})


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise UsageError(f"there is no time zone '{name}'; write it as Europe/Helsinki or UTC") from None


def shipped_rules() -> Path:
    """The folder of the rules that come with kyber: in the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "rules"
    return inside if inside.is_dir() else package.parent / "rules"


def _rules(here: "Workspace | None") -> list[str]:
    """The workspace's own rules first: one with the id of a shipped rule takes its place."""
    own = [str(here.rules)] if here is not None and here.rules.is_dir() else []
    shipped, current = shipped_rules(), Path.cwd()
    return [*own, str(shipped.relative_to(current) if shipped.is_relative_to(current) else shipped)]


def _placeholders(here: "Workspace | None") -> "tuple[Mapping[str, tuple[str, ...]], tuple[Problem, ...]]":
    from kyber.logs.lists import load_lists

    return load_lists(here.root) if here is not None else ({}, ())


def _tell(problems: "Sequence[Problem]", words: "Words", *, reveal: bool = False) -> None:
    """Problems on standard error, so that standard output holds findings and nothing else."""
    from kyber.privacy import mask
    from kyber.render.safe import every_text

    with redirect_stdout(sys.stderr):
        show_problems(tuple(problems) if reveal else every_text(tuple(problems), mask), words)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Events are trees without cycles: looking for cycles among millions of them costs a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _progress() -> "Iterator[Callable[[Progress], None]]":
    """A bar on standard error with bytes, events a second and time left; only on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    # Not console.is_terminal: where colours are forced, it says so of a file too.
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[file]}", markup=False),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, speed="", file="")

        def show(progress: "Progress") -> None:
            from kyber.render.safe import plain

            elapsed = bar.tasks[0].elapsed or 0
            speed = f"{progress.events / elapsed:,.0f} events/s" if elapsed > 0 else ""
            bar.update(
                task, total=progress.total, completed=progress.done, speed=speed, file=plain(Path(progress.file).name)
            )

        yield show


def _may_reveal(here: "Workspace | None", purpose: str) -> None:
    if here is None:
        raise UsageError("--reveal needs a workspace, where the reading is recorded; make one with `kyber init`")
    if not purpose.strip():
        raise UsageError("--reveal needs --purpose: say why personal identity codes have to be seen")


def _record(here: "Workspace", purpose: str, result: "ScanResult", now: datetime) -> None:
    """Who saw identity codes, when and why, and in which findings: a line in `.kyber/readers.jsonl`.

    Raises UsageError where it cannot be written: what is not recorded is not shown.
    """
    from kyber.render.safe import json_line

    line = json_line(
        {
            "time": now.isoformat(),
            "user": _user(),
            "command": "scan --reveal",
            "purpose": purpose.strip(),
            "inputs": [one.file for one in result.inputs],
            "findings": [one.id for one in result.findings],
        }
    )
    readers = here.state / "readers.jsonl"
    try:
        here.state.mkdir(exist_ok=True)
        append(readers, line)
    except OSError as error:
        raise UsageError(f"--reveal must be recorded in {readers}, which fails: {error.strerror}") from None


def _user() -> str:
    """The account that runs kyber, as the system knows it: the environment could say anything."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
    except ImportError:  # Windows
        import getpass

        return getpass.getuser()


def _write(output: Path | None, text: str) -> None:
    """To a file the whole text or nothing; None: to standard output."""
    if output is not None:
        write_whole(output, text.encode())
        return
    with _standard_output():
        typer.echo(text.encode(), nl=False)


def _spare(output: Path, jobs: "Sequence[Job]", rules: "Sequence[str]", here: "Workspace | None") -> None:
    """Raises UsageError where the output would take the place of what is read, or of what a workspace holds."""
    from kyber.join import MODELS
    from kyber.logs.sigma.rule import rule_files

    if here and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(here.state)):
        raise UsageError(f"{output} is among what kyber keeps for itself: write the findings elsewhere")
    if not output.exists():
        return
    read = [one.path for job in jobs for one in job.inputs if one.path is not None]
    kept = [file for register in MODELS.values() for file in here.root.glob(register.glob)] if here else []
    for what, files in (
        ("one of the logs to be read", read),
        ("one of the rules", rule_files((*rules, *_rules(here)))[0]),
        ("part of the workspace", kept),
    ):
        if any(_is_same(output, file) for file in files):
            raise UsageError(f"{output} is {what}, and would be lost: write the findings elsewhere")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # it is gone by now
        return False


@contextmanager
def _standard_output() -> Iterator[None]:
    """Raises UsageError where standard output takes no more, as on a full disk; a reader that left is no error."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise UsageError(f"standard output cannot be written: {error.strerror}") from None
