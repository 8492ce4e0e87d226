"""A scan by several processes: jobs in, what each process found out, to be taken together in any order.

The parent deals out whole inputs, where there are many. A large input whose records stand for themselves (JSON lines)
is shared: where it is a plain file, workers read it themselves, block by block in turn; otherwise the parent reads, and
deals out blocks through memory that it shares with them. Workers are forked, so that they have the rules without being
told. What they answer is plain data.
"""

import gc
import mmap
import multiprocessing
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Protocol

from kyber.logs.batch import Chunk, EventBatch, Origin
from kyber.logs.formats import Context, Format
from kyber.logs.formats.known import FORMATS
from kyber.logs.parse import Batching, Job, Progress, Tally, batches, fingerprint_of, json_lines
from kyber.logs.records import Block, blocks, lines
from kyber.logs.stream import ReadingError, Stream, out_of_memory

BLOCK: Final = 4 * 2**20
"""Bytes of whole lines that a worker gets at once."""
AHEAD: Final = 2
"""Tasks that a worker has at most, so that it never waits."""
WORTH: Final = 24 * 2**20
"""Bytes as stored, of all inputs, from which on workers are worth their start."""
LARGE: Final = 16 * 2**20
"""Bytes as stored of an input that several workers share."""

PATIENCE: Final = 5.0
"""Seconds that a worker has to end."""

At = tuple[int, int]
"""An input: the place of its job, and its own in the job."""


class Matching(Protocol):
    """What a worker does with batches, and what it answers with in the end."""

    def batch(self, batch: EventBatch) -> None: ...
    def wanted(self, name: str) -> frozenset[str]: ...
    def found(self) -> Any: ...


@dataclass(slots=True)
class Read:
    """What became of one input. `failure`: the code and facts of what ended its reading early; `form`: empty where
    it could not be opened."""

    form: str = ""
    tally: Tally = field(default_factory=Tally)
    size: int = 0
    produced: int = 0
    failure: tuple[str, Mapping[str, object]] | None = None

    @contextmanager
    def ending(self) -> Iterator[None]:
        """What ends its reading early is kept here, and raised no further."""
        try:
            yield
        except ReadingError as error:
            self.failure = error.code, error.facts
        except MemoryError:
            spent = out_of_memory()
            self.failure = spent.code, spent.facts


class WorkerError(Exception):
    """A worker ended before its work; all that it had found is lost, and has to be found again."""


def many(jobs: Sequence[Job], workers: int) -> int:
    """How many processes are worth it for some jobs."""
    inputs = [one for job in jobs for one in job.inputs]
    once = any(one.path is None or one.pipe for one in inputs)  # what cannot be read again, should a worker be lost
    if workers < 2 or once or sum(one.size for one in inputs) < WORTH or sys.platform != "linux":
        return 1
    return workers if any(one.size >= LARGE for one in inputs) else min(workers, len(inputs))


def read(job: Job, place: int, matching: Matching, progress: Callable[[Stream, Tally], None] = lambda *_: None) -> Read:
    """Read one input to its end, here, and match what it holds."""
    given, done = job.inputs[place], Read()
    try:
        stream = Stream(given)
    except ReadingError as error:
        return Read(failure=(error.code, error.facts))
    form = job.form(stream.sample)
    done.form = form.name
    try:
        with done.ending():
            for batch in batches(stream, form, job, done.tally, matching.wanted(form.table)):
                matching.batch(batch)
                progress(stream, done.tally)
    finally:
        stream.close()
    done.size, done.produced = given.size or stream.consumed, stream.produced
    return done


def deal(
    jobs: Sequence[Job], matching: Matching, count: int, progress: Callable[[Progress], None]
) -> tuple[dict[At, Read], list[Any]]:
    """Read the inputs of all jobs by so many processes: what became of each, and what each process found.

    Raises WorkerError where one of them ended before its work.
    """
    places = [(one, two) for one, job in enumerate(jobs) for two in range(len(job.inputs))]
    total = sum(one.size for job in jobs for one in job.inputs)
    with _crew(jobs, matching, count) as (crew, turns):
        dealer = _Dealer(
            jobs, matching, crew, turns, lambda done, events, name: progress(Progress(done, total, events, name))
        )
        # The large ones first, so that no worker is left alone with one at the end.
        for at in sorted(places, key=lambda at: -jobs[at[0]].inputs[at[1]].size):
            dealer.deal(at)
        return dealer.done()


class _Turns:
    """Whose turn it is to read the next block of a file that workers share: whoever has the only message of a pipe.

    The message is where the next line begins in the file and what number it has, and whether a block may follow.
    """

    FORM: Final = struct.Struct("=QQ?")

    def __init__(self) -> None:
        self.ends = os.pipe()
        os.set_blocking(self.ends[0], False)

    def give(self, offset: int, number: int, more: bool) -> None:
        """Let the next one read."""
        os.write(self.ends[1], self.FORM.pack(offset, number, more))

    def take(self) -> tuple[int, int, bool] | None:
        """What the message says, which nobody else has then; None where somebody else has it."""
        try:
            return self.FORM.unpack(os.read(self.ends[0], self.FORM.size))
        except BlockingIOError:
            return None

    def awaited(self, pipe: Connection) -> tuple[int, int, bool]:
        """As `take`, when it has come. Raises EOFError where the parent, who says nothing meanwhile, is gone."""
        while True:
            if pipe in wait([pipe, self.ends[0]]):
                raise EOFError
            if (found := self.take()) is not None:
                return found

    def close(self) -> None:
        for end in self.ends:
            os.close(end)


@dataclass(slots=True)
class _Worker:
    """A process, the pipe to it, the memory that blocks go through, and which of that is free."""

    process: BaseProcess
    pipe: Connection
    slots: Sequence[mmap.mmap]
    free: list[int]
    tasks: int = 0
    ended: bool = False


@contextmanager
def _crew(jobs: Sequence[Job], matching: Matching, count: int) -> Iterator[tuple[list[_Worker], _Turns]]:
    context = multiprocessing.get_context("fork")
    crew: list[_Worker] = []
    turns = _Turns()
    gc.freeze()  # what is there already is not written to by the collector of a worker
    try:
        for _ in range(count):
            here, there = context.Pipe()
            # A line may begin in one piece of an input and end in the next; and UTF-16 may grow.
            slots = [mmap.mmap(-1, 4 * BLOCK) for _ in range(AHEAD)]
            parents = [*(one.pipe for one in crew), here]
            process = context.Process(target=_work, args=(there, slots, turns, jobs, matching, parents), daemon=True)
            process.start()
            there.close()
            crew.append(_Worker(process, here, slots, list(range(AHEAD))))
        yield crew, turns
    finally:
        for one in crew:
            one.pipe.close()
            one.process.terminate()
        for one in crew:
            one.process.join(PATIENCE)
            one.process.kill()
            one.process.join()
            for slot in one.slots:
                slot.close()
        turns.close()
        gc.unfreeze()


class _Dealer:
    """Deals tasks out to whoever has least to do, and takes their answers."""

    def __init__(
        self,
        jobs: Sequence[Job],
        matching: Matching,
        crew: Sequence[_Worker],
        turns: _Turns,
        progress: Callable[[int, int, str], None],
    ) -> None:
        self.jobs, self.matching, self.crew, self.turns, self.progress = jobs, matching, crew, turns, progress
        self.inputs: dict[At, Read] = {}
        self.found: list[Any] = []
        self.bytes = self.events = 0

    def deal(self, at: At) -> None:
        """Have one input read."""
        job, given = self.jobs[at[0]], self.jobs[at[0]].inputs[at[1]]
        if given.size >= LARGE:
            try:
                stream = Stream(given)
            except ReadingError as error:
                self.inputs[at] = Read(failure=(error.code, error.facts))
                return
            try:
                form = job.form(stream.sample)
                if json_lines(form):
                    self.inputs[at] = Read(form=form.name)
                    (self._shared if stream.plain else self._blocks)(at, stream, form)
                    return
            finally:
                stream.close()
        worker = self._ready(need_slot=False)
        _tell(worker, ("input", at))
        worker.tasks += 1

    def _shared(self, at: At, stream: Stream, form: Format) -> None:
        """Have the workers that have nothing else to do read a file together. A line that fills a block is read here,
        and all that follows it."""
        given, read, before = stream.input, self.inputs[at], self.bytes
        fingerprint = fingerprint_of(stream, form)
        assert stream.file is not None
        self.turns.give(stream.begin, 1, True)
        sharing = [one for one in self.crew if not one.tasks] or [self._ready(need_slot=False)]
        for worker in sharing:
            _tell(worker, ("share", at, form.name, fingerprint, stream.begin))
            _hand(worker, stream.file.fileno())
            worker.tasks += 1
        while any(one.tasks for one in sharing):
            self._hear()
        found = self.turns.take()
        assert found is not None  # nobody has a turn any more
        offset, number, more = found
        read.size, read.produced = given.size, offset
        if more and read.failure is None:
            offset -= stream.begin
            with read.ending():
                stream.skip(offset)
                self._here(at, form, fingerprint, lines(stream, number=number, offset=offset))
            read.produced = stream.produced
        self.bytes = before + given.size

    def _blocks(self, at: At, stream: Stream, form: Format) -> None:
        """Deal out an input block by block. A line that fills a block is read here, and all that follows it."""
        given, read = stream.input, self.inputs[at]
        fingerprint, before = fingerprint_of(stream, form), self.bytes
        pieces = blocks(stream, BLOCK)
        with read.ending():
            for some in pieces:
                if isinstance(some, Chunk):
                    self._here(at, form, fingerprint, chain((some,), pieces))
                else:
                    self._send(at, form, fingerprint, some)
                self.bytes = before + min(stream.consumed, given.size)
                self.progress(self.bytes, self.events, given.name)
        read.size, read.produced = given.size or stream.consumed, stream.produced
        self.bytes = before + given.size
        for worker in self.crew:
            _tell(worker, ("over", at))
            worker.tasks += 1

    def _send(self, at: At, form: Format, fingerprint: bytes, block: Block) -> None:
        worker = self._ready(need_slot=True)
        slot, size = worker.free.pop(), block.end - block.begin
        worker.slots[slot][:size] = memoryview(block.data)[block.begin : block.end]
        _tell(worker, ("block", at, form.name, fingerprint, slot, size, block.number, block.offset))
        worker.tasks += 1

    def _here(self, at: At, form: Format, fingerprint: bytes, pieces: Iterator[Block | Chunk]) -> None:
        batching = _batching(self.jobs[at[0]], at[1], form, fingerprint, self.matching)
        try:
            for some in pieces:
                _matched(batching, some, self.matching)
        finally:
            self.inputs[at].tally.merge(_finished(batching, self.matching))

    def _ready(self, *, need_slot: bool) -> _Worker:
        """A worker that has room for a task."""
        while True:
            open_ones = [one for one in self.crew if one.tasks < AHEAD and (one.free or not need_slot)]
            if open_ones:
                return min(open_ones, key=lambda one: one.tasks)
            self._hear()

    def _hear(self) -> None:
        """Wait for some answers, and take them."""
        pipes = {one.pipe: one for one in self.crew if not one.ended}
        for pipe in wait(list(pipes)):
            assert isinstance(pipe, Connection)
            worker = pipes[pipe]
            try:
                answer = pipe.recv()
            except (EOFError, OSError):
                raise WorkerError("a worker process ended") from None
            match answer:
                case ("copied", slot):
                    worker.free.append(slot)
                case ("block", events):
                    worker.tasks -= 1
                    self.events += events
                case ("turn", at, events, size):
                    self.events += events
                    self.bytes += size
                    self.progress(self.bytes, self.events, self.jobs[at[0]].inputs[at[1]].name)
                case ("over", at, tally, failure):
                    worker.tasks -= 1
                    self.inputs[at].tally.merge(tally)
                    self.inputs[at].failure = failure or self.inputs[at].failure
                case ("input", at, read):
                    worker.tasks -= 1
                    self.inputs[at] = read
                    self.bytes += self.jobs[at[0]].inputs[at[1]].size
                    self.events += read.tally.events
                    self.progress(self.bytes, self.events, self.jobs[at[0]].inputs[at[1]].name)
                case ("end", found):
                    worker.ended = True
                    self.found.append(found)
                case ("failed", why):
                    raise WorkerError(why)

    def done(self) -> tuple[dict[At, Read], list[Any]]:
        """All that there is, when every worker has come to its end."""
        while any(one.tasks for one in self.crew):
            self._hear()
        for one in self.crew:
            _tell(one, ("end",))
        while len(self.found) < len(self.crew):
            self._hear()
        return self.inputs, self.found


def _tell(worker: _Worker, task: tuple[Any, ...]) -> None:
    try:
        worker.pipe.send(task)
    except OSError:
        raise WorkerError("a worker process ended") from None


def _hand(worker: _Worker, file: int) -> None:
    """Give a worker an open file: whatever becomes of its name, this is the one to be read."""
    try:
        with socket.socket(fileno=os.dup(worker.pipe.fileno())) as way:
            socket.send_fds(way, [b"f"], [file])
    except OSError:
        raise WorkerError("a worker process ended") from None


def _handed(pipe: Connection) -> int:
    """The open file that follows a task. Raises EOFError where the parent is gone."""
    with socket.socket(fileno=os.dup(pipe.fileno())) as way:
        _, files, _, _ = socket.recv_fds(way, 1, 1)
    if not files:
        raise EOFError
    return files[0]


def _batching(job: Job, place: int, form: Format, fingerprint: bytes, matching: Matching) -> Batching:
    given = job.inputs[place]
    # Records that stand for themselves need nothing of what a context says.
    context = Context(reference=datetime.min.replace(tzinfo=UTC), zone=job.zone)
    origin = Origin(job.source, given.name, fingerprint, job.zone)
    return Batching(form, context, origin, job, Tally(), matching.wanted(form.table))


def _work(
    pipe: Connection,
    slots: Sequence[mmap.mmap],
    turns: _Turns,
    jobs: Sequence[Job],
    matching: Matching,
    parents: Sequence[Connection],
) -> None:
    """A worker, until its parent has no more for it or is gone."""
    for one in parents:
        one.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()
    try:
        _tasks(pipe, slots, turns, jobs, matching)
    except (EOFError, BrokenPipeError):
        pass
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))
    os._exit(0)


def _tasks(
    pipe: Connection, slots: Sequence[mmap.mmap], turns: _Turns, jobs: Sequence[Job], matching: Matching
) -> None:
    blocks: dict[At, Batching] = {}
    parent = os.getppid()

    def wanted(*_: object) -> None:
        """Raises EOFError where the parent is gone."""
        if os.getppid() != parent:
            raise EOFError

    while True:
        match pipe.recv():
            case ("input", (job, place)):
                pipe.send(("input", (job, place), read(jobs[job], place, matching, wanted)))
            case ("block", at, form, fingerprint, slot, size, number, offset):
                data = slots[slot][:size]
                pipe.send(("copied", slot))
                if at not in blocks:
                    blocks[at] = _batching(jobs[at[0]], at[1], FORMATS[form], fingerprint, matching)
                pipe.send(("block", _matched(blocks[at], Block(data, 0, size, number, offset), matching)))
            case ("over", at):
                pipe.send(("over", at, _finished(blocks.pop(at, None), matching), None))
            case ("share", at, form, fingerprint, begin):
                batching, failure = _batching(jobs[at[0]], at[1], FORMATS[form], fingerprint, matching), None
                file = _handed(pipe)
                try:
                    for block in _in_turn(pipe, turns, file, begin):
                        pipe.send(("turn", at, _matched(batching, block, matching), block.end))
                except ReadingError as error:
                    failure = error.code, error.facts
                finally:
                    os.close(file)
                pipe.send(("over", at, _finished(batching, matching), failure))
            case ("end",):
                pipe.send(("end", matching.found()))
                return


def _matched(batching: Batching, some: Block | Chunk, matching: Matching) -> int:
    """Match what is ready after some lines; how many events more were counted."""
    before = batching.tally.events
    for batch in batching.take(some):
        matching.batch(batch)
    return batching.tally.events - before


def _finished(batching: Batching | None, matching: Matching) -> Tally:
    """Match what was still held back of an input; what became of the part of it that was read here."""
    if batching is None:
        return Tally()
    for batch in batching.finish():
        matching.batch(batch)
    return batching.tally


def _in_turn(pipe: Connection, turns: _Turns, file: int, begin: int) -> Iterator[Block]:
    """The blocks of a shared file that fall to this worker. Raises ReadingError, after the whole lines before it."""
    while True:
        offset, number, more = turns.awaited(pipe)
        data, error = _at(file, offset) if more else (b"", None)
        last = len(data) < BLOCK
        block = Block(data, 0, len(data) if last and error is None else data.rfind(b"\n") + 1, number, offset - begin)
        if block.end:
            turns.give(offset + block.end, number + block.lines, not last)
            yield block
        else:  # the end, or a line that fills a block
            turns.give(offset, number, more and not last)
        if error is not None:
            raise ReadingError("F06", why=str(error))
        if not block.end:
            return


def _at(file: int, offset: int) -> tuple[bytes, OSError | None]:
    """The block that begins at an offset, and what kept it from being whole; a shorter one is the last."""
    data = b""
    try:
        while len(data) < BLOCK and (more := os.pread(file, BLOCK - len(data), offset + len(data))):
            data = data + more if data else more
    except OSError as error:
        return data, error
    return data, None
