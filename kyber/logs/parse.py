"""One input -> batches of its events, with every record counted: what scanning and collecting share."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import sha256
from io import BytesIO
from typing import Final

from kyber.finding import InputAccount
from kyber.logs import journal
from kyber.logs.batch import Chunk, EventBatch, LogSource, Origin, Parsed, Reject
from kyber.logs.formats import Context, Format
from kyber.logs.formats.json import json_parser
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.gather import NATIVE, Gathering, Piece, Records
from kyber.logs.inputs import Input
from kyber.logs.records import FRAMINGS, Block, blocks, lines
from kyber.logs.schema import table
from kyber.logs.shapes import Shapes
from kyber.logs.stream import ReadingError, Stream
from kyber.logs.values import NO_TIME, as_datetime
from kyber.problem import Place, Problem, Severity

JOURNAL: Final = "journal"
"""How the journal of this machine is named among files."""
JOURNALD: Final = "journald"
FEW: Final = 128
"""Records that are parsed at once."""
NOT_UNDERSTOOD = frozenset(("F42",))
"""Notes that mean more than an assumption: what was read was not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to read and as what: `format` and `logsource` override what the input itself tells.

    `columns` says what columns of delimited text are to be called; `starts` is what the first line of a record matches.
    `journal`: the units of this machine's journal that are read, too; none of them: all. `paths` are those that the
    inputs were found by: where a log is not there, what was rotated may be.
    """

    source: str
    inputs: Sequence[Input]
    zone: tzinfo
    format: str | None = None
    logsource: LogSource | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    starts: str | None = None
    journal: Sequence[str] | None = None
    paths: Sequence[str] = ()

    def form(self, sample: bytes) -> Format:
        """What an input is: what is said of it, else what its start tells."""
        return FORMATS[self.format] if self.format else detect(sample)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: bytes as stored, events, and the input being read."""

    done: int
    total: int
    events: int
    file: str


@dataclass(slots=True)
class Tally:
    """What became of one input so far."""

    records: int = 0
    events: int = 0
    blank: int = 0
    cut: int = 0
    repaired: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    first: int = NO_TIME
    last: int = NO_TIME

    def add(self, parsed: Parsed) -> None:
        """Count what a parser made of some records."""
        self.records += parsed.records
        self.events += len(parsed.events)
        self.blank += parsed.blank
        self.repaired += parsed.repaired
        for reject in parsed.rejects:
            self.rejected[reject.reason] += reject.held

    def merge(self, other: "Tally") -> None:
        """Count what became of another part of the same input."""
        self.records += other.records
        self.events += other.events
        self.blank += other.blank
        self.cut += other.cut
        self.repaired += other.repaired
        self.rejected.update(other.rejected)
        self.notes.update(other.notes)
        known = [one for one in (self.first, other.first) if one != NO_TIME]
        self.first = min(known, default=NO_TIME)
        self.last = max(self.last, other.last)

    def span(self, batch: EventBatch) -> None:
        """Widen the period by a batch's times."""
        known = batch.times[batch.times != NO_TIME]
        if batch.table.name != "text":  # of which F42 says more
            self.notes["F24"] += batch.rows - len(known)
        if len(known):
            low, high = int(known.min()), int(known.max())
            self.first = low if self.first == NO_TIME else min(self.first, low)
            self.last = high if self.last == NO_TIME else max(self.last, high)


def batches(
    stream: Stream,
    form: Format,
    job: Job,
    tally: Tally,
    wanted: frozenset[str] = frozenset(),
    rejected: Callable[[Reject], object] = lambda _: None,
    *,
    ordered: bool = False,
) -> Iterator[EventBatch]:
    """The batches of one input, with every record counted in `tally`. Raises ReadingError.

    Events of one shape come together, not in the order of the input, unless they are to be `ordered`. `wanted`: native
    columns that are made at once, and kept, however many others there are. `rejected` is told each record that could
    not be read.
    """
    context = Context(
        reference=stream.input.modified, zone=job.zone, sample=stream.sample, columns=job.columns, starts=job.starts
    )
    origin = Origin(job.source, stream.input.name, fingerprint_of(stream, form), job.zone)
    batching = Batching(form, context, origin, job, tally, wanted, rejected, ordered=ordered)
    return _batches(blocks(stream) if batching.gathering else FRAMINGS[form.framing](stream), batching)


def journal_batches(
    job: Job, now: datetime, tally: Tally, wanted: frozenset[str] = frozenset()
) -> Iterator[EventBatch]:
    """The batches of all that the journal of this machine holds; as `batches` otherwise."""
    form = FORMATS[JOURNALD]
    context = Context(reference=now, zone=job.zone)
    entries = journal.entries(None, job.journal or ())
    return _batches(entries, Batching(form, context, journal_origin(job), job, tally, wanted))


def journal_origin(job: Job) -> Origin:
    """Where the entries of this machine's journal come from."""
    return Origin(job.source, JOURNAL, sha256(JOURNAL.encode()).digest(), job.zone)


def json_lines(form: Format) -> bool:
    """Whether records of this form are JSON, a line each, so that each stands for itself."""
    return form.framing == "lines" and form.parser is json_parser


def fingerprint_of(stream: Stream, form: Format) -> bytes:
    """What tells the records of an input from those of others; equal for all where a record itself does."""
    return sha256(form.name.encode()).digest() if form.own_identity else stream.fingerprint


class Batching:
    """Chunks of one input in, batches of its events out, with every record counted in `tally`."""

    def __init__(
        self,
        form: Format,
        context: Context,
        origin: Origin,
        job: Job,
        tally: Tally,
        wanted: frozenset[str],
        rejected: Callable[[Reject], object] = lambda _: None,
        *,
        ordered: bool = False,
    ) -> None:
        self.rejected, self.ordered = rejected, ordered
        self.form, self.origin, self.tally, self.wanted = form, origin, tally, wanted
        self.parser = form.parser(context)
        self.logsource = logsource_of(job.logsource, form)
        self.shapes = Shapes(form.column, wanted)
        natively = NATIVE and json_lines(form) and not ordered
        self.gathering = Gathering(form.column, wanted) if natively else None

    def take(self, some: Chunk | Block) -> Iterator[EventBatch]:
        """The batches that are ready, after some records or whole lines."""
        if isinstance(some, Chunk):
            yield from self.feed(some)
        elif self.gathering is None or not self.gathering.useful:
            for chunk in lines(BytesIO(some.data[some.begin : some.end]), number=some.number, offset=some.offset):
                yield from self.feed(chunk)
        else:
            for chunk in self.gathering.feed(some):
                yield from self.feed(chunk)
            for piece in self.gathering.ready():
                yield from self._gathered(piece)

    def feed(self, chunk: Chunk) -> Iterator[EventBatch]:
        """The batches that are ready."""
        self.tally.cut += len(chunk.cut)
        for part in (chunk,) if self.ordered else _parts(chunk):
            yield from self._taken(self.parser.feed(part))

    def finish(self) -> Iterator[EventBatch]:
        """All that is left."""
        for piece in self.gathering.rest() if self.gathering else ():
            yield from self._gathered(piece)
        last = self.parser.finish()
        self.tally.notes.update(self.parser.notes)
        yield from self._taken(last)
        yield from map(self._batch, self.shapes.rest())

    def _taken(self, parsed: Parsed) -> Iterator[EventBatch]:
        self.tally.add(parsed)
        for one in parsed.rejects:
            self.rejected(one)
        return map(self._batch, (parsed,) if self.ordered else self.shapes.add(parsed))

    def _batch(self, parsed: Parsed) -> EventBatch:
        form = self.form
        made = EventBatch(parsed, self.origin, self.logsource, table(form.table), form.column, form.json, self.wanted)
        self.tally.notes["F23"] += made.unindexed
        self.tally.span(made)
        return made

    def _gathered(self, piece: Piece) -> Iterator[EventBatch]:
        rows = len(piece.held)
        if rows < FEW:  # together with others, for a batch has its price
            for chunk in piece.chunks():
                yield from self.feed(chunk)
            return
        self.tally.records += rows
        self.tally.events += rows
        read = Records(piece.held, self.origin)
        made = EventBatch.of(piece.fields, rows, read, self.logsource, table(self.form.table), self.form.json)
        self.tally.span(made)
        yield made


def _batches(chunks: Iterable[Chunk | Block], batching: Batching) -> Iterator[EventBatch]:
    broken: ReadingError | MemoryError | None = None
    try:
        for chunk in chunks:
            yield from batching.take(chunk)
    except (ReadingError, MemoryError) as error:
        broken = error
    # What was gathered before a break in the input still counts.
    yield from batching.finish()
    if broken is not None:
        raise broken


def _parts(chunk: Chunk) -> Iterator[Chunk]:
    """A chunk, a few records at a time; see `Shapes.add`."""
    for start in range(0, len(chunk.records), FEW):
        cut = (
            frozenset(place - start for place in chunk.cut if start <= place < start + FEW) if chunk.cut else chunk.cut
        )
        yield Chunk(chunk.records[start : start + FEW], chunk.offsets[start : start + FEW], chunk.first + start, cut)


def logsource_of(said: LogSource | None, form: Format) -> LogSource:
    """What an input is for rules: what was said of it, and for the rest what its format tells."""
    told = LogSource(product=form.product, service=form.service)
    if said is None:
        return told
    if said.product not in (None, told.product):
        return said
    return LogSource(told.product, said.category, said.service or told.service)


def account(name: str, form: str, tally: Tally, size: int, read: int) -> InputAccount:
    """What became of one input, for the result of a scan; `size` as stored and `read` decompressed, in bytes."""
    return InputAccount(
        file=name,
        format=form,
        size=size,
        read=read,
        records=tally.records,
        events=tally.events,
        blank=tally.blank,
        cut=tally.cut,
        repaired=tally.repaired,
        rejected=dict(sorted(tally.rejected.items())),
        notes={code: count for code, count in sorted(tally.notes.items()) if count},
        first=as_datetime(tally.first),
        last=as_datetime(tally.last),
    )


def doubts(name: str, tally: Tally) -> Iterator[Problem]:
    """What an input's reader should know: what was rejected, and what had to be assumed."""
    for code, count in sorted(tally.rejected.items()):
        yield Problem(Place(name), code, {"count": count}, Severity.WARNING)
    for code, count in sorted(tally.notes.items()):
        if count:
            doubtful = code in NOT_UNDERSTOOD or (code == "F24" and count == tally.events)
            severity = Severity.WARNING if doubtful else Severity.NOTE
            yield Problem(Place(name), code, {"count": count}, severity)
    if tally.cut:
        yield Problem(Place(name), "F22", {"count": tally.cut}, Severity.WARNING)
