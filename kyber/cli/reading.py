"""What commands read, and how they show that they are at it: paths, registered sources, this host; a progress bar."""

import gc
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from kyber.logs.batch import LogSource
    from kyber.logs.inputs import Input
    from kyber.logs.parse import Job, Progress
    from kyber.problem import Problem
    from kyber.workspace import Workspace

HOST_LOGS: Final = "/var/log"
_NO_LOGS: Final = ("journal", "private", "wtmp", "btmp", "lastlog", "faillog", "tallylog", "sa", "sysstat", "pcp")
"""Of what lies in /var/log: binary files of other programs, and the journal's own, which journalctl reads."""


def path_jobs(
    here: "Workspace | None",
    paths: "Sequence[str]",
    timezone: str | None,
    input_format: str | None,
    logsource: "LogSource | None",
    now: datetime,
) -> "tuple[list[Job], list[Problem]]":
    """What to read of paths that the user names; they belong to no source."""
    from kyber.logs.inputs import inputs
    from kyber.logs.parse import Job

    found, problems = inputs(paths, now, pipes=True)
    zone = timezone or (here.settings.timezone if here else "UTC")
    return [Job(source="", inputs=found, zone=zone_of(zone), format=input_format, logsource=logsource)], problems


def host_jobs(
    timezone: str | None, input_format: str | None, logsource: "LogSource | None", now: datetime
) -> "tuple[list[Job], list[Problem]]":
    """What to read of this host: its journal and `/var/log`."""
    from kyber.logs import journal
    from kyber.logs.inputs import inputs
    from kyber.logs.parse import Job

    found: list[Input] = []
    problems: list[Problem] = []
    top = Path(HOST_LOGS)
    if top.is_dir():
        names = sorted(entry.name for entry in os.scandir(top))
        chosen = [str(top / name) for name in names if name.partition(".")[0].partition("-")[0] not in _NO_LOGS]
        found, problems = inputs([one for one in chosen if not Path(one).name.startswith(".")], now)
    units = () if journal.available() else None
    zone = zone_of(timezone) if timezone else _local()
    return [Job(source="", inputs=found, zone=zone, format=input_format, logsource=logsource, journal=units)], problems


def _local() -> "ZoneInfo":
    """The zone of this host, where the system says which; otherwise UTC."""
    from zoneinfo import ZoneInfo

    try:
        name = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def source_jobs(
    here: "Workspace",
    now: datetime,
    timezone: str | None = None,
    input_format: str | None = None,
    logsource: "LogSource | None" = None,
    only: "Sequence[str]" = (),
) -> "tuple[list[Job], list[Problem]]":
    """What to read of the active sources of a workspace, or of the ones among them that are named.

    Raises UsageError for a name of no source.
    """
    from kyber.join import check_format
    from kyber.logs.batch import LogSource
    from kyber.logs.parse import Job
    from kyber.logs.source import SourceStatus, inputs_of, load_sources

    sources, problems_ = load_sources(here.root)
    problems = list(problems_)
    if unknown := sorted(set(only) - {source.id for source in sources}):
        listed = ", ".join(source.id for source in sources) or "none"
        raise UsageError(f"there is no log source '{unknown[0]}'; there are {listed}")
    jobs = []
    for source in sources:
        if source.read is None or source.status is not SourceStatus.ACTIVE or (only and source.id not in only):
            continue
        if input_format is None and (wrong := list(check_format(source))):
            problems.extend(wrong)
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
                zone=zone_of(timezone or source.read.timezone or here.settings.timezone),
                format=input_format or asked,
                logsource=logsource or (declared if declared != LogSource() else None),
                columns=source.read.columns,
                starts=source.read.starts,
                journal=source.read.units if source.read.journal else None,
                paths=[str(here.root / path) for path in source.read.paths],
            )
        )
    return jobs, problems


def known_format(name: str) -> None:
    """Raises UsageError for a name of no format."""
    from kyber.logs.formats.known import FORMATS

    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'; there are {', '.join(FORMATS)}")


def logsource_of(text: str | None) -> "LogSource | None":
    """What --logsource says. Raises UsageError."""
    from kyber.logs.batch import LogSource

    if text is None:
        return None
    parts = dict(part.strip().partition(":")[::2] for part in text.split(","))
    if not set(parts) <= {"product", "category", "service"} or not all(parts.values()):
        raise UsageError(f"--logsource {text}: write it as product:linux,category:...,service:auth")
    return LogSource(**{key: value.strip().lower() for key, value in parts.items()})


def zone_of(name: str) -> "ZoneInfo":
    """A time zone by its name. Raises UsageError."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise UsageError(f"there is no time zone '{name}'; write it as Europe/Helsinki or UTC") from None


def holder(command: str, now: datetime) -> str:
    """What a process that writes the store says of itself to others that would."""
    from kyber.cli.readers import user

    return f"{user()} on {socket.gethostname()} (process {os.getpid()}, `{command}` since {now:%Y-%m-%d %H:%M:%S} UTC)"


@contextmanager
def no_collector() -> Iterator[None]:
    """Events, rules and registers are trees: looking for cycles among them costs a third of the time."""
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()


@contextmanager
def shown_progress() -> "Iterator[Callable[[Progress], None]]":
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
