"""A zip archive -> its members, each to be read as a file of its own. Nothing is unpacked to disk.

Only the list at the archive's end is read by the zip package, which also says what is wrong with it; the data of a
member is found by its place, and unpacked by `stream` within the same bounds as any other file. Source of the form:
PKWARE's APPNOTE.
"""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from io import SEEK_END, RawIOBase
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

MAGIC: Final = b"PK\x03\x04"
MAX_MEMBERS = 10_000
"""Members of one archive that are read."""
MAX_DIRECTORY = 8 * 2**20
"""Bytes of an archive's list of members."""

_HEADER: Final = 30
"""Bytes of the header that stands before a member's data, without its name and extra fields."""
_ENCRYPTED: Final = 0x1
_PACKAGES: Final = frozenset(("[Content_Types].xml", "META-INF/MANIFEST.MF", "AndroidManifest.xml", "mimetype"))
"""Members by which documents and programs are told that are zip archives too."""


class ArchiveError(Exception):
    """The archive cannot be read; its text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive of `among` members: what it is called, where it stands and what it holds.

    `name` is only shown, never used as a path. `start` is where its header begins, `stored` its bytes there and `size`
    those unpacked; `deflated`: it is compressed. `modified` is the archive's word, which knows no zone.
    """

    name: str
    start: int
    stored: int
    size: int
    crc: int
    deflated: bool
    modified: datetime | None
    among: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What is in an archive: `members` to be read, and how many more there are. `shut` cannot be unpacked: encrypted,
    or compressed in another way. `package`: it is a document or a program."""

    members: tuple[Member, ...] = ()
    left_out: int = 0
    shut: int = 0
    package: bool = False


def listed(file: BinaryIO) -> Listed | None:
    """The members of an archive, without folders and what is hidden; None where the file is no archive.

    Raises ArchiveError where its list cannot be read, or says what cannot be, and OSError.
    """
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return None
    size = file.seek(0, SEEK_END)
    try:
        # Of a file, ZipFile only reads, seeks and tells.
        with ZipFile(_Bounded(file)) as archive:
            found = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, OSError) as error:
        raise ArchiveError(str(error)) from None
    if _PACKAGES.intersection(one.filename for one in found):
        return Listed(package=True)
    if _overlap(found, size):
        raise ArchiveError("members overlap")
    files = [one for one in found if not one.filename.endswith("/") and not _hidden(one.filename)]
    open_ones = [one for one in files if _can_be_read(one)]
    kept = open_ones[:MAX_MEMBERS]
    members = tuple(_member(one, len(kept)) for one in kept)
    return Listed(members, len(open_ones) - len(kept), len(files) - len(open_ones))


def _overlap(found: list[ZipInfo], size: int) -> bool:
    """Whether members share bytes, so that a small file could be unpacked to any size, or lie outside the file."""
    places = sorted((one.header_offset, one.header_offset + _HEADER + one.compress_size) for one in found)
    return any(end > start for (_, end), (start, _) in pairwise((*places, (size, size)))) or (
        bool(places) and places[0][0] < 0
    )


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts[:-1] or any(part.startswith(".") and part != ".." for part in parts)


def _can_be_read(info: ZipInfo) -> bool:
    return info.compress_type in (ZIP_STORED, ZIP_DEFLATED) and not info.flag_bits & _ENCRYPTED


def _member(info: ZipInfo, among: int) -> Member:
    try:
        modified = datetime(*info.date_time, tzinfo=UTC)
    except ValueError:
        modified = None
    return Member(
        name=info.filename,
        start=info.header_offset,
        stored=info.compress_size,
        size=info.file_size,
        crc=info.CRC,
        deflated=info.compress_type == ZIP_DEFLATED,
        modified=modified,
        among=among,
    )


class _Bounded:
    """A file of which no more can be read at once than the longest list of members."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(MAX_DIRECTORY + 1 if size is None or not 0 <= size <= MAX_DIRECTORY else size)
        if len(data) > MAX_DIRECTORY:
            raise BadZipFile("the list of members is too long")
        return data


class Stored(RawIOBase):
    """The data of one member as it stands in the archive, from which `file` is not read by others meanwhile.

    Raises OSError where there is no such member.
    """

    def __init__(self, file: BinaryIO, member: Member) -> None:
        file.seek(member.start)
        header = file.read(_HEADER)
        if len(header) < _HEADER or not header.startswith(MAGIC):
            raise OSError("the archive has changed or is damaged")
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        file.seek(member.start + _HEADER + names)
        self._file, self._left = file, member.stored

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes; empty at the end of the member, and at that of the file."""
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


class Checked(RawIOBase):
    """The data of one member, unpacked (anything with `read1`), held against what the archive says of it.

    Raises EOFError at the end where it is not that.
    """

    def __init__(self, data: Any, member: Member) -> None:
        self._data, self._member = data, member
        self._size = self._crc = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data: bytes = self._data.read1(len(view))
        if not data and (self._size, self._crc) != (self._member.size, self._member.crc):
            raise EOFError("the archive's member is damaged")
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        view[: len(data)] = data
        return len(data)
