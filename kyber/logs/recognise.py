"""Which file is which: a file and the cursors of its source in, the cursor at which its reading goes on out.

A file is known by what it holds: it begins as the one that was read, and has before the cursor what was there. Names
only say what may be a copy of what, since different files may well begin alike, or be equal for as long as they are
short: a rotated name (`app.log.1`, `app-20260304.log.gz`) is given to what was `app.log`, never the other way round.

What nobody can tell apart is taken for one: a file that was written anew in place, and as far as it had been read holds
the same bytes again; a rotated file all of which was read at the same places of the file that it would be a copy of.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from kyber.logs.inputs import Input
from kyber.logs.store.index import Cursor
from kyber.logs.stream import FINGERPRINT, ReadingError, Stream

_ADDED: Final = re.compile(r"(?:[.\-_][0-9][0-9.\-_T:]{0,40}|[.\-_]old|[.\-_]bak)?(?:\.(?:gz|xz|zst|zstd|bz2))?")
"""What rotation adds to a name: a number or a date, and the sign of a compression."""
_PACKED: Final = frozenset((".gz", ".xz", ".zst", ".zstd", ".bz2"))

TAIL: Final = 16
"""Records before the cursor by which a file is known again; fewer may stand in others, too."""

Identity = tuple[int, int, str]
"""Device, inode, and the name of the part of an archive (empty: the file itself)."""


class Known:
    """The cursors of one source, and where its files are now.

    `listed` are the paths of the source's inputs, `named` those that the source itself names, be they there or not.
    """

    def __init__(self, cursors: Sequence[Cursor], listed: Iterable[Path], named: Iterable[Path] = ()) -> None:
        self._cursors = {one.id: one for one in reversed(cursors)}  # the latest seen last
        self._places = {path: Path(os.path.realpath(path)) for path in listed}
        self._listed = frozenset(self._places.values())
        known = {*self._listed, *(Path(os.path.realpath(path)) for path in named), *(Path(one.path) for one in cursors)}
        self._names: dict[Path, set[str]] = {}
        for path in known:
            self._names.setdefault(path.parent, set()).add(path.name)
        self.look()
        self._index()

    def look(self) -> None:
        """See where the files are. To be repeated when one is met that was not there: the log is rotated meanwhile."""
        self.rotated = _beside(self._listed, self._names)
        """What log rotation may have made of the source's files, besides what is listed; the oldest first."""
        self._present: dict[tuple[int, int], Path] = {}
        for path in (*self._listed, *(one.path for one in self.rotated if one.path is not None)):
            try:
                state = path.stat()
            except OSError:
                continue
            self._present[state.st_dev, state.st_ino] = path
        self._renamed: dict[Cursor, bool] = {}

    def _index(self) -> None:
        self._latest: dict[Identity, int] = {}
        self._latest_at: dict[tuple[str, str], int] = {}
        self._heads: dict[tuple[int, bytes], dict[int, None]] = {}
        for cursor in self._cursors.values():
            self._add(cursor)

    def _add(self, cursor: Cursor) -> None:
        self._latest[cursor.device, cursor.inode, cursor.member] = cursor.id
        self._latest_at[cursor.path, cursor.member] = cursor.id
        if cursor.head_size:
            self._heads.setdefault((cursor.head_size, cursor.head), {})[cursor.id] = None

    def put(self, cursor: Cursor) -> None:
        """A cursor as it is now."""
        before = self._cursors.pop(cursor.id, None)
        self._cursors[cursor.id] = cursor
        if before is None or _place(before) == _place(cursor):
            self._add(cursor)
        else:
            self._index()

    def is_there(self, state: os.stat_result) -> bool:
        """Whether a file was there under some name when the source was looked at."""
        return (state.st_dev, state.st_ino) in self._present

    def place(self, given: Input) -> Path:
        """Where an input's file is, without symbolic links."""
        path = Path(given.name) if given.path is None else given.path
        if path not in self._places:
            self._places[path] = Path(os.path.realpath(path))
        return self._places[path]

    def is_rotated(self, given: Input) -> bool:
        """Whether a file's name is one that rotation made of another name of the source."""
        return self._is_rotated(self.place(given))

    def _is_rotated(self, path: Path) -> bool:
        return any(base != path.name for base in self._bases(path))

    def expects(self, given: Input) -> bool:
        """Whether a file may be one of which something was read: the very file, or one of the same time that is not
        there any more, as what it was compressed from."""
        try:
            state = self.place(given).stat()
        except OSError:
            return False
        if self.own(state, given) is not None:
            return True
        second = state.st_mtime_ns // 1_000_000_000
        return any(one.modified // 1_000_000_000 == second and self.gone(one) for one in self._cursors.values())

    def unchanged(self, given: Input) -> Cursor | None:
        """The cursor of a file that is as it was when all of it had been read."""
        if given.path is None:
            return None
        try:
            state = given.path.stat()
        except OSError:
            return None
        own = self.own(state, given)
        same = own is not None and own.done and (own.size, own.modified) == (state.st_size, state.st_mtime_ns)
        return own if same else None

    def own(self, state: os.stat_result, given: Input) -> Cursor | None:
        """The latest cursor of the very file, whatever it may hold now."""
        found = self._latest.get((state.st_dev, state.st_ino, member_of(given)))
        return None if found is None else self._cursors[found]

    def alike(self, sample: bytes) -> list[Cursor]:
        """The cursors of files that begin as this one does, or may, where this one is shorter; the latest first."""
        head = sample[:FINGERPRINT]
        digests = {size: sha256(head[:size]).digest() for size, _ in self._heads if size <= len(head)}
        found = [
            self._cursors[one]
            for key, those in self._heads.items()
            if digests.get(key[0], key[1]) == key[1]
            for one in those
        ]
        return sorted(found, key=lambda one: (one.seen, one.id), reverse=True)

    def candidates(self, stream: Stream) -> list[Cursor]:
        """The cursors at which the reading of a file may go on, of files that begin alike: its own first, then those
        of files that it may be a copy of, or the original of: the furthest first, and the ones that are gone. Its own
        gives way to one that is ahead of it in what is known to be the same and, where it may be a copy of which
        nothing was read yet, to all others."""
        path, state, alike = self.place(stream.input), stream.state, self.alike(stream.sample)
        own = self.own(state, stream.input)
        copies = self.copied(stream)
        member = member_of(stream.input)
        others = [
            one
            for one in alike
            if one != own
            and one.records
            and (one in copies or (one.member == member and self._may_be_original(path, state, own, one)))
        ]
        others.sort(key=lambda one: (-one.offset, not self.gone(one), one.modified != state.st_mtime_ns))
        if own is None or own not in alike or not self._may_be_at(path, own):
            return others
        before = [one for one in others if self.is_fresh(own) or is_ahead(one, own)]
        return [*before, own, *(one for one in others if one not in before)]

    def copied(self, stream: Stream) -> list[Cursor]:
        """The cursors of files of which a file may be a copy, by how it begins and by its name."""
        path, own, member = self.place(stream.input), self.own(stream.state, stream.input), member_of(stream.input)
        alike = [one for one in self.alike(stream.sample) if one != own and one.member == member]
        packed = [one for one in alike if self._is_packed(path, one)]
        return packed or [one for one in alike if self._may_be_copy(path, one)]

    def is_fresh(self, found: Cursor | None) -> bool:
        """Whether nothing was read of a file yet, so that it may be a copy: one that was met before, under the name of
        the log itself, is none."""
        return found is None or (not found.records and self._is_rotated(Path(found.path)))

    def _is_packed(self, path: Path, cursor: Cursor) -> bool:
        """Whether a file is, by its name, what the file of a cursor is being compressed to."""
        now = self._where(cursor)
        return now is not None and path.parent == now.parent and path.name.removeprefix(now.name) in _PACKED

    def gone(self, cursor: Cursor) -> bool:
        """Whether the file that a cursor was made for is no longer there, or is another one now."""
        return self._where(cursor) is None

    def was_cut(self, cursor: Cursor) -> bool:
        """Whether the file that a cursor was made for lives on under its name, and no longer holds what it held: it is
        rotated by copying and truncating."""
        latest = self._cursors[self._latest[cursor.device, cursor.inode, cursor.member]]
        if latest.id != cursor.id:
            return latest.path == cursor.path
        now = self._where(cursor)
        return now is not None and not self._holds(now, cursor)

    def _where(self, cursor: Cursor) -> Path | None:
        """Where the file that a cursor was made for is now; None where it is gone, be its inode given to another."""
        latest = self._latest.get((cursor.device, cursor.inode, cursor.member)) == cursor.id
        place = self._present.get((cursor.device, cursor.inode)) if latest else None
        if place is None or cursor.member:
            return place
        if str(place) == cursor.path and not self._is_rotated(place):  # it may have been cut since
            return place
        if cursor not in self._renamed:
            self._renamed[cursor] = self._may_be_at(place, cursor) and self._holds(place, cursor)
        return place if self._renamed[cursor] else None

    @staticmethod
    def _holds(path: Path, cursor: Cursor) -> bool:
        try:
            stream = Stream(Input(str(path), path, 0, datetime.min.replace(tzinfo=UTC)))
        except ReadingError:
            return False
        try:
            begins = sha256(stream.sample[: cursor.head_size]).digest() == cursor.head
            return begins and holds(stream, cursor, own=True) is not None
        finally:
            stream.close()

    def _may_be_copy(self, path: Path, cursor: Cursor) -> bool:
        """Whether a file's name lets it be a copy of the one that a cursor was made for, or what became of it."""
        last, now = Path(cursor.path), self._where(cursor)
        if path == last:  # made anew under its old name
            return now is None and self._latest_at.get((cursor.path, cursor.member)) == cursor.id
        if path.name == last.name:
            return False
        if now is not None:
            return _is_rotated(path.name, {now.name}) and not self._is_rotated(now)
        common = self._bases(path) & self._bases(last)
        if common:
            return common != {path.name}
        return path.name != _stem(path.name) == _stem(last.name)

    def _may_be_original(self, path: Path, state: os.stat_result, own: Cursor | None, cursor: Cursor) -> bool:
        """Whether a file may be the one that was copied: its copy, which has a rotated name, was read first, and it is
        rotated by copying, for it lives on under its name, or was not written to since it was copied."""
        copy = self._where(cursor)
        if copy is None or copy.suffix in _PACKED or not _is_rotated(copy.name, {path.name}):
            return False
        is_known = own is not None and own.path == str(path) and own.records > 0
        return is_known or state.st_mtime_ns <= cursor.modified

    def _may_be_at(self, path: Path, cursor: Cursor) -> bool:
        """Whether the file that a cursor was made for may be at a path now. Else its inode was given to another file:
        one with the name that its own was made from or, where few records were read, one that rotation does not make
        of it."""
        last = Path(cursor.path)
        if path == last or path.parent != last.parent:
            return path == last or cursor.records >= TAIL
        if _is_rotated(last.name, {path.name}):
            return False
        related = self._bases(path) & self._bases(last) or _stem(path.name) == _stem(last.name)
        return bool(related) or cursor.records >= TAIL

    def _bases(self, path: Path) -> set[str]:
        """The names of the source in a file's folder that its name can be made from: itself, too."""
        return {path.name, *_made_from(path.name, self._names.get(path.parent, set()))}


def member_of(given: Input) -> str:
    """The part of an archive that an input is; empty for a file."""
    return "" if given.member is None else given.member.name


def is_ahead(cursor: Cursor, own: Cursor) -> bool:
    """Whether a cursor stands further in the same records: what lies between the two is stored, whichever file it was
    read from, and be it that an event was stored in parts there."""
    return bool(own.records) and cursor.fingerprint == own.fingerprint and cursor.offset > own.offset


def time_of(state: os.stat_result) -> datetime:
    """When a file was last written."""
    try:
        return datetime.fromtimestamp(state.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # a time outside the calendar
        return datetime.min.replace(tzinfo=UTC)


def holds(stream: Stream, cursor: Cursor, *, own: bool) -> bytes | None:
    """What stands before a cursor in a stream, if it is what was read there; the stream is at the cursor then.

    None where it is not. Where what was there is not known, only the file itself is believed (`own`).
    """
    try:
        if not cursor.tail_size:
            return b"" if (own or not cursor.offset) and stream.skip(cursor.offset) else None
        if not stream.skip(cursor.tail_from):
            return None
        tail = stream.take(cursor.tail_size)
        rest = cursor.offset - cursor.tail_from - cursor.tail_size
        return tail if sha256(tail).digest() == cursor.tail and stream.skip(rest) else None
    except ReadingError:
        return None


def _place(cursor: Cursor) -> tuple[object, ...]:
    return cursor.device, cursor.inode, cursor.member, cursor.path, cursor.head_size, cursor.head


def _beside(listed: Collection[Path], known: Mapping[Path, Collection[str]]) -> list[Input]:
    """The files beside known names, by folder, that log rotation may have made of them, and those of known names; those
    that are listed left out; the oldest first."""
    found = []
    for folder, names in known.items():
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if path in listed or not (entry.name in names or _is_rotated(entry.name, names)):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    state = entry.stat(follow_symlinks=False)
                    found.append(Input(str(path), path, state.st_size, time_of(state)))
            except OSError:
                continue
    return sorted(found, key=lambda one: (one.modified, one.name))


def _is_rotated(name: str, bases: Collection[str]) -> bool:
    return next(_made_from(name, bases), None) is not None


def _made_from(name: str, bases: Collection[str]) -> Iterator[str]:
    """Which names rotation may have made another one from: by what it added at the end, or before the ending."""
    for end in _marks(name):
        if name[:end] in bases and _ADDED.fullmatch(name, end):
            yield name[:end]
        dot = name.find(".", end + 1)
        while dot > 0:
            # name[:end], what was added, an ending, and perhaps the sign of a compression
            for stop in {len(name), *(len(name) - len(packed) for packed in _PACKED if name.endswith(packed))}:
                base = name[:end] + name[dot:stop]
                if dot < stop and base in bases and _ADDED.fullmatch(name, end, dot):
                    yield base
            dot = name.find(".", dot + 1)


def _marks(name: str) -> Iterator[int]:
    """Where in a name what was added to it can begin."""
    return (place for place, sign in enumerate(name) if place and sign in ".-_")


def _stem(name: str) -> str:
    """A name without what rotation adds at its end."""
    found = next((end for end in _marks(name) if _ADDED.fullmatch(name, end)), len(name))
    return name[:found]
