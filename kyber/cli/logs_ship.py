"""`kyber logs ship` and `kyber logs retry`: stored events to Elasticsearch, each of them once."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from threading import Event
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.cluster import AllowPlaintext, Insecure, Namespace, Url, cluster_of, namespace_of
from kyber.cli.console import ExitCode, InputFormat, Where, plain, root_of, say, tell_problems
from kyber.cli.delivered import FILES
from kyber.cli.delivering import Onlooker, shown_delivery
from kyber.cli.reading import holder, known_format, path_jobs, shown_progress, source_jobs
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from kyber.logs.parse import Job, Progress
    from kyber.logs.ship import Alongside, Shipper, Timing
    from kyber.problem import Place, Problem
    from kyber.text import Words
    from kyber.workspace import Workspace

SPOOL: Final = 2 * 2**30
"""Bytes of events that may wait on the disk for a cluster that is away; then reading waits, too."""
PATIENCE: Final = 60.0
"""Seconds without progress after which a cluster that is away is given up."""
INTERVAL: Final = 2.0
"""Seconds between two looks at the sources with --follow."""
CHUNK: Final = 4 * 2**20
"""Bytes of a file that are read at once."""
MOST: Final = 2**13
"""Lines that are stored at once: short ones take more memory than their bytes."""
FULL: Final = 0.2
"""Seconds between two looks at whether there is room again."""
LOCK: Final = "ship.lock"
"""The file in the workspace's state by which a second shipper is kept out."""

Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source", metavar="ID", help="Only what this log source wrote; may be repeated.", show_default=False
    ),
]


def ship(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders, archives or globs; they belong to the source `files`. Without one: what is new in "
            "the sources of the workspace, and what is stored and was not sent yet.",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until stopped: send what is written to the sources as it comes.")
    ] = False,
    patience: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help=f"How long to wait for a cluster that is away; else {PATIENCE:.0f}, and with --follow for ever.",
            show_default=False,
        ),
    ] = None,
    spool: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="MIB",
            help=f"How much may wait on the disk for a cluster that is away; else {SPOOL // 2**20} MiB.",
            show_default=False,
        ),
    ] = None,
    input_format: InputFormat = None,
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Time zone of times that carry none; else the source's, the workspace's."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="What was done as one JSON object.")] = False,
    insecure: Insecure = False,
    allow_plaintext: AllowPlaintext = False,
    workspace: Where = None,
) -> None:
    """Send events to Elasticsearch: each once, and none is lost, whatever stops in between.

    New records are first stored in the workspace, as `kyber logs collect` does, and sent from there; `kyber logs
    status` shows what was delivered, refused and is pending. What the cluster refuses for good is kept: `kyber logs
    rejected`. Ends with 4 where something could not be delivered, with 3 where somebody else is collecting.
    """
    from kyber.logs.ship import Shipper
    from kyber.logs.store.cluster import ClusterError
    from kyber.text import words_for
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    words = words_for(here.settings.language)
    if follow and paths:
        raise UsageError("--follow watches the sources of the workspace; a PATH is read once")
    if input_format is not None:
        known_format(input_format)
    stop = Event()
    timing = _timing(stop, None if follow and patience is None else PATIENCE if patience is None else patience)
    asked = _Asked(paths, input_format, timezone, follow, (spool or SPOOL // 2**20) * 2**20)
    failure: ClusterError | None = None
    stopped = False
    with (
        cluster_of(here, url, insecure=insecure, allow_plaintext=allow_plaintext) as cluster,
        _stopped_by_signals(stop, follow) as interrupted,
    ):
        name = namespace_of(here, namespace)
        _check_streams(here, name)
        folder = here.state / FILES if paths else here.state
        with _shown(words, here.settings.zone, follow) as (onlooker, progress):
            shipper = Shipper(folder, cluster, name, timing, onlooker.told)
            try:
                asked.run(here, shipper, stop, words, progress, onlooker)
            except KeyboardInterrupt:
                stopped = True
            except ClusterError as error:  # who interrupts a shipper that waits may hear of both
                failure, stopped = (None, True) if interrupted.is_set() else (error, False)
        _told(shipper, words, json)
        if failure is not None:
            raise failure
        if stopped:
            raise typer.Exit(ExitCode.STOPPED)
    if shipper.done.refused or shipper.damaged:
        raise typer.Exit(ExitCode.UNDELIVERED)


def _check_streams(here: "Workspace", namespace: str) -> None:
    """Raises UsageError where events of two sources would lie in one data stream, with one retention."""
    from kyber.logs.source import load_sources
    from kyber.logs.store.templates import streams

    streams([*(one.id for one in load_sources(here.root)[0]), FILES], namespace)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be read, and how."""

    paths: list[str] | None
    input_format: str | None
    timezone: str | None
    follow: bool
    spool: int

    def jobs(self, here: "Workspace", now: datetime) -> "tuple[list[Job], list[Problem]]":
        """What to read now."""
        if not self.paths:
            return source_jobs(here, now, self.timezone, self.input_format)
        jobs, problems = path_jobs(here, self.paths, self.timezone, self.input_format, None, now)
        return [replace(one, source=FILES) for one in jobs], problems

    def run(
        self,
        here: "Workspace",
        shipper: "Shipper",
        stop: Event,
        words: "Words",
        progress: "Callable[[Progress], None]",
        onlooker: Onlooker,
    ) -> None:
        """Collect and send, at the same time, and tell once of what cannot be read. Raises AwayError, ClusterError,
        LockedError, StoreError."""
        from kyber.logs.ship import Alongside, StoppedError
        from kyber.logs.store.lock import LockedError
        from kyber.logs.store.parquet import writing

        told: set[tuple[Place, str]] = set()
        with (
            alone(shipper.folder, "kyber logs ship"),
            Alongside(shipper) as alongside,
        ):
            try:
                while True:
                    try:
                        problems = self._collected(here, alongside, progress, stop, words)
                    except LockedError:  # by a scan that collects: what it stores is sent, too
                        if not self.follow:
                            raise
                    else:
                        tell_problems([one for one in problems if (one.place, one.code) not in told], words)
                        told |= {(one.place, one.code) for one in problems}
                    alongside.stored()
                    if not self.follow:
                        break
                    onlooker.pending(_pending(shipper))
                    if stop.wait(INTERVAL):
                        break
                    alongside.check()
                if not stop.is_set():
                    alongside.finish()
                    shipper.refresh()
                    command = holder("kyber logs ship", datetime.now(UTC))
                    with suppress(LockedError), writing(shipper.folder, command) as store:
                        store.compact()
            except StoppedError:
                pass
            except BaseException:
                stop.set()  # so that nobody waits any longer
                raise

    def _collected(
        self,
        here: "Workspace",
        alongside: "Alongside",
        progress: "Callable[[Progress], None]",
        stop: Event,
        words: "Words",
    ) -> "list[Problem]":
        """Store what is new, no faster than there is room for what waits to be sent; what could not be read. Raises
        StoppedError."""
        from kyber.logs.collect import collect
        from kyber.logs.ship import StoppedError
        from kyber.logs.store.parquet import writing
        from kyber.problem import Severity

        now = datetime.now(UTC)
        jobs, problems = self.jobs(here, now)
        if self.paths and not any(one.inputs for one in jobs):
            tell_problems(problems, words)
            raise NothingReadError("nothing to read: no file was found")

        with writing(alongside.shipper.folder, holder("kyber logs ship", now)) as store:

            def read(so_far: "Progress") -> None:
                progress(so_far)
                alongside.stored()
                while not stop.is_set() and alongside.shipper.waiting(store) > self.spool:
                    alongside.check()
                    alongside.shipper.timing.pause(FULL)
                if stop.is_set():
                    raise StoppedError

            finished = bool(self.paths)
            made = collect(jobs, store, now, read, chunk=CHUNK, most=MOST, finished=finished, compact=False)
            if not alongside.shipper.waiting(store):  # what is small is sent in little memory
                store.compact()
        return [one for one in (*problems, *made.problems) if one.severity is not Severity.NOTE]


def retry(
    source: Sources = None,
    files: Annotated[bool, typer.Option("--files", help="What was refused of shipped PATHs.")] = False,
    url: Url = None,
    namespace: Namespace = None,
    json: Annotated[bool, typer.Option("--json", help="What was done as one JSON object.")] = False,
    insecure: Insecure = False,
    allow_plaintext: AllowPlaintext = False,
    workspace: Where = None,
) -> None:
    """Send again what Elasticsearch refused, after what was wrong there has been mended.

    What it refuses again stays where `kyber logs rejected` shows it. Ends with 4 where something was.
    """
    from contextlib import closing

    from kyber.logs.ship import Shipper
    from kyber.logs.store.parquet import ParquetStore
    from kyber.text import words_for
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    words = words_for(here.settings.language)
    folder = here.state / FILES if files else here.state
    if ParquetStore.exists(folder):
        with closing(ParquetStore(folder)) as store:
            known = sorted(store.totals())
        if unknown := sorted(set(source or ()) - set(known)):
            raise UsageError(
                f"nothing is stored of a log source '{unknown[0]}'; there are {', '.join(known) or 'none'}"
            )
    stop = Event()
    with (
        cluster_of(here, url, insecure=insecure, allow_plaintext=allow_plaintext) as cluster,
        _stopped_by_signals(stop, False),
    ):
        name = namespace_of(here, namespace)
        with _shown(words, here.settings.zone, False) as (onlooker, _):
            shipper = Shipper(folder, cluster, name, _timing(stop, PATIENCE), onlooker.told)
            if ParquetStore.exists(folder):
                with alone(folder, "kyber logs retry"):
                    shipper.retry(source)
        _told(shipper, words, json)
    if shipper.done.refused:
        raise typer.Exit(ExitCode.UNDELIVERED)


@contextmanager
def alone(folder: Path, command: str) -> Iterator[None]:
    """While this lasts, nobody else ships from the store in a folder. Raises LockedError, StoreError."""
    from kyber.logs.store.index import StoreError
    from kyber.logs.store.lock import held

    with ExitStack() as stack:
        try:
            folder.parent.mkdir(exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
            stack.enter_context(held(folder / LOCK, holder(command, datetime.now(UTC))))
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from None
        yield


def _timing(stop: Event, patience: float | None) -> "Timing":
    from kyber.logs.ship import Timing

    return Timing(
        now=lambda: time.time_ns() // 1_000,
        clock=time.monotonic,
        pause=stop.wait,
        chance=SystemRandom().random,
        patience=patience,
    )


@contextmanager
def _stopped_by_signals(stop: Event, follow: bool) -> Iterator[Event]:
    """Who stops a shipper that follows ends it in order, and not as an error. Gives whether one that does not was."""
    interrupted = Event()

    def asked(*_: object) -> None:
        stop.set()

    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    wanted = {signal.SIGINT: asked, signal.SIGTERM: asked} if follow else {signal.SIGINT: interrupt}
    if not follow and signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        wanted = {}  # somebody else decides what an interruption is
    before = {one: signal.signal(one, handler) for one, handler in wanted.items()}
    try:
        yield interrupted
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _shown(words: "Words", zone: "tzinfo", follow: bool) -> "Iterator[tuple[Onlooker, Callable[[Progress], None]]]":
    """What hears of delivering and of reading, and shows it on a terminal: as a bar, and with --follow, which has no
    end, as a line with what is delivered and pending."""

    def now() -> datetime:
        return datetime.now(UTC)

    if follow:
        with shown_delivery(words, zone) as show:
            yield Onlooker(words, now, show), lambda _: None
    else:
        with shown_progress() as progress:
            yield Onlooker(words, now, lambda _: None), progress


def _pending(shipper: "Shipper") -> int:
    """Events that are stored and not settled; of a cluster that did not answer yet, what is known of its address."""
    from contextlib import closing

    from kyber.logs.store.ledger import Ledger
    from kyber.logs.store.parquet import ParquetStore

    if not ParquetStore.exists(shipper.folder):
        return 0
    with closing(ParquetStore(shipper.folder)) as store:
        known = [
            name
            for name, address in Ledger.destinations(store.index)
            if address == shipper.cluster.name and name.endswith(f"/{shipper.namespace}")
        ]
        ledger = Ledger(store.index, shipper.destination or "".join(known[-1:]))
        return sum(one.pending for one in ledger.totals().values())


def _told(shipper: "Shipper", words: "Words", json: bool) -> None:
    from kyber.render.safe import json_line

    done, pending = shipper.done, _pending(shipper)
    if json:
        counts = {name: getattr(done, name) for name in ("created", "known", "refused", "again", "size")}
        say(json_line({**counts, "pending": pending}))
    else:
        said = [words.many("ship.delivered", done.created)]
        said += [words.many("ship.known", done.known)] if done.known else []
        said += [words.many("ship.refused", done.refused)] if done.refused else []
        said += [words.many("ship.pending", pending)] if pending else []
        say(" ".join(said))
    for error in shipper.damaged.values():
        say(plain(error), error=True)
