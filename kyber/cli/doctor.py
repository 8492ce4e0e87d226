"""`kyber doctor`: a workspace in, what kyber needs there and on this machine, and what to do where it is missing."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Colour, ExitCode, paint, plain, say

if TYPE_CHECKING:
    from kyber.logs.store.cluster import Cluster
    from kyber.settings import Elasticsearch
    from kyber.text import Words
    from kyber.workspace import Workspace

REQUIRED: Final = (
    "ahocorasick_rs",
    "babel",
    "defusedxml",
    "evtx",
    "google-re2",
    "icalendar",
    "jinja2",
    "numpy",
    "orjson",
    "pyarrow",
    "pydantic",
    "python-calamine",
    "python-dateutil",
    "python-docx",
    "pyyaml",
    "regex",
    "rfc8785",
    "rich",
    "ruamel.yaml",
    "scipy",
    "typer",
    "typst",
    "tzdata",
    "xlsxwriter",
    "zstandard",
)
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "elasticsearch": ("elasticsearch",),
    "geo": ("maxminddb",),
    "sigma": ("pysigma", "pysigma-backend-elasticsearch"),
    "sql": ("duckdb",),
}
LITTLE_SPACE: Final = 2**30
CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
"""How long each answer of Elasticsearch is waited for."""
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK_SLACK: Final = timedelta(days=1)


class State(StrEnum):
    """How something is: fine, worth knowing, doubtful, or not there though it is needed."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    MISSING = "missing"


_LOOKS: Final = {
    State.OK: ("✓", Colour.GOOD),
    State.NOTE: ("·", Colour.QUIET),
    State.WARNING: ("!", Colour.DOUBT),
    State.MISSING: ("✗", Colour.BAD),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. The catalogue holds `doctor.<what>` and, where not all is well, its `.cure`."""

    what: str
    state: State = State.OK
    facts: Mapping[str, object] = field(default_factory=dict)


def doctor(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The workspace, or a folder in it; else here.", show_default=False)
    ] = Path(),
    json: Annotated[bool, typer.Option("--json", help="JSON lines, one for each thing looked at.")] = False,
) -> None:
    """Look at what kyber needs: packages, workspace, logs, rules, Elasticsearch, disk, git and clock.

    Ends with 1 where something that is needed is missing.
    """
    missing = False
    words = _words(folder)
    for line in examine(folder, datetime.now(UTC), os.environ):
        missing |= line.state is State.MISSING
        say(_as_json(line, words) if json else _as_text(line, words))
    if missing:
        raise typer.Exit(ExitCode.FOUND)


def examine(folder: Path, now: datetime, environment: Mapping[str, str]) -> Iterator[Line]:
    """Everything worth looking at, in the order in which it is shown."""
    from kyber.errors import WorkspaceError
    from kyber.problem import Severity
    from kyber.workspace import examine as examine_workspace
    from kyber.workspace import folder_of

    yield from _packages()
    root = folder_of(folder)
    if root is None:
        yield Line("no-workspace", State.NOTE, {"folder": folder})
    else:
        try:
            workspace, problems = examine_workspace(root)
        except WorkspaceError as error:
            yield Line("workspace-unreadable", State.MISSING, {"reason": error})
        else:
            yield Line("workspace", facts={"root": root})
            if errors := sum(problem.severity is Severity.ERROR for problem in problems):
                yield Line("settings", State.MISSING, {"errors": errors})
            for look in _IN_WORKSPACE:
                yield from look(workspace, environment)
    yield from _disk(root or folder)
    yield from _git(root)
    yield from _clock(root, now)


def _packages() -> Iterator[Line]:
    from importlib.metadata import PackageNotFoundError, version

    yield Line("python", facts={"version": sys.version.split()[0]})
    for name in REQUIRED:
        try:
            yield Line("package", facts={"name": name, "version": version(name)})
        except PackageNotFoundError:
            yield Line("no-package", State.MISSING, {"name": name})
    for extra, names in EXTRAS.items():
        for name in names:
            try:
                yield Line("package", facts={"name": name, "version": version(name)})
            except PackageNotFoundError:
                yield Line("no-extra", State.NOTE, {"name": name, "extra": extra})
    yield _extension()


def _extension() -> Line:
    from importlib.metadata import PackageNotFoundError, version

    from kyber.logs.native import NAME, native

    try:
        facts = {"name": NAME, "version": version(NAME)}
    except PackageNotFoundError:
        return Line("no-extension", State.NOTE, {"name": NAME})
    return Line("package", facts=facts) if native is not None else Line("other-extension", State.WARNING, facts)


def _sources(workspace: "Workspace", environment: Mapping[str, str]) -> Iterator[Line]:
    from kyber.logs.source import SourceStatus, inputs_of, load_sources

    sources, _ = load_sources(workspace.root)
    if not sources:
        yield Line("no-sources", State.NOTE)
    for source in sources:
        if source.status is not SourceStatus.ACTIVE or source.read is None:
            continue
        found, _ = inputs_of(source, workspace.root, datetime.now(UTC))
        files = [one.path for one in found if one.path is not None]
        closed = [file for file in files if not os.access(file, os.R_OK)]
        if closed:
            yield Line("source-closed", State.WARNING, {"source": source.id, "file": closed[0], "n": len(closed)})
        elif files:
            yield Line("source", facts={"source": source.id, "n": len(files)})
        else:
            yield Line("source-empty", State.WARNING, {"source": source.id, "paths": source.read.paths})


def _rules(workspace: "Workspace", environment: Mapping[str, str]) -> Iterator[Line]:
    folder = workspace.rules
    if not folder.is_dir():
        yield Line("no-rules", State.NOTE, {"folder": folder})
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Line("rules-closed", State.WARNING, {"folder": folder})
    else:
        yield Line("rules", facts={"folder": folder, "n": sum(1 for _ in folder.rglob("*.yml"))})


def _elasticsearch(workspace: "Workspace", environment: Mapping[str, str]) -> Iterator[Line]:
    from kyber.cli.cluster import access_of, namespace_of
    from kyber.errors import KyberError
    from kyber.logs.store.cluster import Cluster
    from kyber.settings import shown_address

    found = workspace.settings.elasticsearch
    if found is None:
        return
    missing = tuple(_credentials(found, workspace.root, environment))
    yield from missing
    where = ", ".join(map(shown_address, found.url)) or found.cloud_id
    if missing:
        yield Line("no-elasticsearch", State.WARNING, {"url": where, "reason": missing[0].facts["where"]})
        return
    try:
        for url in found.url[:1]:
            _reach(url)
        with Cluster(access_of(workspace)) as cluster:
            asked = cluster.within(ANSWER_SECONDS)
            version = asked.features().version or "?"
            lines = [Line("elasticsearch", facts={"host": f"{cluster.name} ({version})"})]
            lines += _namespace(asked, namespace_of(workspace))
        yield from lines
    except (OSError, ValueError, KyberError) as error:
        yield Line("no-elasticsearch", State.WARNING, {"url": where, "reason": error})


def _namespace(cluster: "Cluster", namespace: str) -> Iterator[Line]:
    """What a namespace lacks; what the credentials may not see, those of another task do. Raises ClusterError."""
    from kyber.logs.store.cluster import ForbiddenError
    from kyber.logs.store.setup import laid
    from kyber.logs.store.templates import every_stream

    pattern = every_stream(namespace)
    facts = {"cluster": cluster.name, "streams": pattern}
    with suppress(ForbiddenError):
        if not laid(cluster, namespace):
            yield Line("namespace-missing", State.WARNING, {**facts, "namespace": namespace})
        elif not cluster.count(pattern):
            yield Line("namespace-empty", State.NOTE, facts)


def _reach(url: str) -> None:
    """Raises OSError or ValueError where nobody listens there: sooner than a request would tell."""
    import socket
    from urllib.parse import urlsplit

    address = urlsplit(url)
    host, port = address.hostname or "", address.port or (443 if address.scheme == "https" else 80)
    socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()


def _credentials(found: "Elasticsearch", root: Path, environment: Mapping[str, str]) -> Iterator[Line]:
    for name in filter(None, (found.api_key_env, found.password_env)):
        if not environment.get(name):
            yield Line("no-secret", State.MISSING, {"where": f"${name}"})
    files = (found.api_key_file, found.password_file, found.ca_file, found.client_cert, found.client_key_file)
    for name in filter(None, files):
        if not os.access(root / name, os.R_OK):
            yield Line("no-secret", State.MISSING, {"where": name})


_IN_WORKSPACE: Final[tuple[Callable[["Workspace", Mapping[str, str]], Iterator[Line]], ...]] = (
    _sources,
    _rules,
    _elasticsearch,
)


def _disk(folder: Path) -> Iterator[Line]:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    state = State.WARNING if free < LITTLE_SPACE else State.OK
    yield Line("disk" if state is State.OK else "disk-low", state, {"free": f"{free / 2**30:.1f} GiB"})


def _git(root: Path | None) -> Iterator[Line]:
    git = shutil.which("git")
    if git is None:
        yield Line("no-git", State.NOTE)
    else:
        yield Line("git", facts={"path": git})
    if root is not None and git is not None:
        if not any((folder / ".git").exists() for folder in (root, *root.resolve().parents)):
            yield Line("not-in-git", State.NOTE)
        elif not _ignores_state(root):
            yield Line("state-in-git", State.WARNING)


def _ignores_state(root: Path) -> bool:
    try:
        lines = (root / ".gitignore").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return any(line.strip("/") == ".kyber" for line in lines)


def _clock(root: Path | None, now: datetime) -> Iterator[Line]:
    """A clock that stands before this program was written, or before a file of the workspace was, is wrong."""
    from kyber.settings import FILE

    latest = EARLIEST
    if root is not None:
        latest = max(latest, datetime.fromtimestamp((root / FILE).stat().st_mtime, UTC) - CLOCK_SLACK)
    shown = now.astimezone().isoformat(timespec="seconds")
    yield Line("clock-behind", State.WARNING, {"now": shown}) if now < latest else Line("clock", facts={"now": shown})


def _words(folder: Path) -> "Words":
    from kyber.errors import WorkspaceError
    from kyber.text import words_for
    from kyber.workspace import examine as examine_workspace
    from kyber.workspace import folder_of

    root = folder_of(folder)
    try:
        return words_for("en" if root is None else examine_workspace(root)[0].settings.language)
    except WorkspaceError:
        return words_for("en")


def _as_text(line: Line, words: "Words") -> str:
    sign, colour = _LOOKS[line.state]
    text = plain(words(f"doctor.{line.what}", **line.facts))
    first = f"{paint(sign, colour, bold=True)} {paint(words(f'doctor.state.{line.state}').ljust(8), colour)} {text}"
    if line.state is State.OK:
        return first
    return f"{first}\n           {paint(plain(words(f'doctor.{line.what}.cure', **line.facts)), Colour.QUIET)}"


def _as_json(line: Line, words: "Words") -> str:
    from kyber.render.safe import json_line

    cure = None if line.state is State.OK else words(f"doctor.{line.what}.cure", **line.facts)
    return json_line(
        {
            "what": line.what,
            "state": line.state.value,
            "message": words(f"doctor.{line.what}", **line.facts),
            "cure": cure,
        }
    )
