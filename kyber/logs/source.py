"""LogSource: a system whose logs are read. What, why, how, where, how long, who reads: together, the logging policy."""

import glob
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from kyber.finding import Family
from kyber.people import Owner
from kyber.problem import Problem, Severity
from kyber.register import Day, Id, Part, Record, Ref, Span, Text, read_all
from kyber.settings import TimeZone

if TYPE_CHECKING:
    from kyber.logs.inputs import Input

GLOB: Final = "sources/*.yaml"


class SourceStatus(StrEnum):
    """Whether a source is read yet, or any more."""

    PLANNED = "planned"
    ACTIVE = "active"
    RETIRED = "retired"


def _pattern(value: str) -> str:
    from kyber.logs.formats.multiline import not_starting  # what reads logs is loaded where it is asked for

    try:
        not_starting(value)
    except ValueError:
        raise PydanticCustomError("regex", "not a regular expression") from None
    return value


class Reading(Part):
    """How the source's logs are read."""

    paths: tuple[Text, ...] = ()
    """Files and folders, from the workspace's root or absolute; `*`, `?`, `[...]` and `**` match many."""
    journal: bool = False
    """Whether the journal of this machine is read, through journalctl."""
    units: tuple[Text, ...] = ()
    """The units whose part of the journal is read; none: all of it."""
    format: Text = "auto"
    """The name of a format that kyber reads, or `auto` to tell it from the content."""
    timezone: TimeZone | None = None
    """The time zone of times that carry none; otherwise that of the workspace."""
    columns: Mapping[Text, Text] = Field(default_factory=dict)
    """What columns of delimited text are to be called: their own name, and the name that rules know."""
    starts: Annotated[Text, AfterValidator(_pattern)] | None = None
    """A regular expression that the first line of a record matches; other lines belong to the record before."""


class Logsource(Part):
    """What the source is for Sigma rules; each part narrows the rules that apply."""

    product: Text | None = None
    """For example windows, linux."""
    service: Text | None = None
    """For example security, sysmon, sshd."""
    category: Text | None = None
    """For example process_creation, authentication."""


class Review(Part):
    """How often someone looks at whether this is still right."""

    interval: Span
    """From one review to the next."""
    last: Day | None = None
    """The day of the last review."""
    reviewer: Owner | None = None
    """Who reviews."""


class LogSource(Record):
    """A system whose logs are read: one file each."""

    id: Id
    """A stable name for the source, never reused."""
    name: Text
    """The name as it is shown."""
    status: SourceStatus = SourceStatus.ACTIVE
    """Planned, active or retired; only an active source is read."""
    what: Text | None = None
    """What the logs tell of."""
    purpose: Text | None = None
    """Why they are collected."""
    families: tuple[Family, ...] = tuple(Family)
    """The pictures they serve: security anomalies, use and disclosure of personal data, technical errors."""
    ground: tuple[Text, ...] = ()
    """The legal grounds, as references."""
    owner: Owner | None = None
    """The role or person that answers for the source."""
    read: Reading | None = None
    """How the logs are read."""
    logsource: Logsource = Logsource()
    """What the source is for Sigma rules, where the format does not say it."""
    hosts: tuple[Text, ...] = ()
    """The hosts that write these logs."""
    services: tuple[Annotated[Text, Ref("service")], ...] = ()
    """The services of the organisation that these logs tell of."""
    stored_in: Text | None = None
    """Where the logs are stored."""
    retention: Span | None = None
    """How long they are kept."""
    readers: tuple[Owner, ...] = ()
    """Who may read them."""
    personal_data: bool = True
    """Whether they hold personal data."""
    expected_every: Span | None = None
    """A source that is silent for longer than this is reported."""
    review: Review | None = None
    """How often the source is looked over."""
    notes: Text | None = None
    """Anything else worth knowing."""


def load_sources(root: Path) -> tuple[tuple[LogSource, ...], tuple[Problem, ...]]:
    """The log sources of the workspace at `root`, by path, and what is to be mended in their files."""
    return read_all(root, GLOB, LogSource)


def inputs_of(source: LogSource, root: Path, now: datetime) -> "tuple[list[Input], list[Problem]]":
    """The files that an active source's paths lead to now, and what is wrong with the paths; see `read.inputs`."""
    from kyber.logs.inputs import inputs  # only who reads logs needs what reads them

    if source.read is None or source.status is not SourceStatus.ACTIVE:
        return [], []
    base = glob.escape(str(root))
    inside = "" if root == Path() else f"{base}{os.sep}"
    paths = [path if Path(path).is_absolute() else f"{inside}{path}" for path in source.read.paths]
    return inputs(paths, now)


def check_source(source: LogSource) -> Iterator[Problem]:
    """K73: a source that lacks a part of what the logging policy has to say of it."""
    if source.status is SourceStatus.RETIRED:
        return
    parts = {
        "purpose": source.purpose,
        "owner": source.owner,
        "retention": source.retention,
        "stored_in": source.stored_in,
    }
    missing = tuple(name for name, value in parts.items() if value is None)
    if missing:
        yield Problem(source.at, "K73", {"source": source.id, "missing": missing}, Severity.WARNING)
    reads = source.read is not None and (source.read.paths or source.read.journal)
    if source.status is SourceStatus.ACTIVE and not reads:
        yield Problem(source.at, "K75", {"source": source.id}, Severity.WARNING)
