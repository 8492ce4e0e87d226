"""Paths -> the files that they mean: files, folders, globs, standard input, what is in zip archives.

What cannot be read is a Problem.
"""

import errno
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from kyber.logs.archive import MAX_MEMBERS, ArchiveError, Member, listed
from kyber.problem import Place, Problem, Severity

MAX_FILES = 200_000
"""Files of one scan."""

_NOT_THERE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL))
NOT_REGULAR: Final = "not a regular file"
_NO_WAITING: Final[int] = getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to read. `name` is for the user; `path` is None for standard input; `size` is in bytes as stored.

    `pipe`: it may be opened though it is no regular file, and so may wait for as long as its writer likes. `member`: it
    is not the file but this part of the archive that the file is; its name is then `ARCHIVE!MEMBER`. `content`: it is
    no file but these bytes.
    """

    name: str
    path: Path | None
    size: int
    modified: datetime
    pipe: bool = False
    member: Member | None = None
    content: bytes | None = None


def inputs(paths: Sequence[str], now: datetime, *, pipes: bool = False) -> tuple[list[Input], list[Problem]]:
    """The files that paths mean: files themselves, folders with all below them, globs, `-` for standard input.

    Below a folder, hidden files are left out, and so is what is no regular file; a symbolic link that leads out of it,
    or out of the folder where a glob begins, is a Problem. So is what is no regular file and named itself, unless
    `pipes`, for paths that the user typed. Sorted by name within each path; a file is read once. In the place of a zip
    archive come its members; archives within archives are not opened.
    """
    found: list[Input] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for given in paths:
        if given == "-":
            if given not in seen:
                found.append(Input("<stdin>", None, 0, now))
            seen.add(given)
            continue
        for file in _files(given, problems):
            try:
                state = file.stat()
            except OSError as error:
                problems.append(_unreadable(file, error))
                continue
            identity = os.path.realpath(file)
            regular = stat.S_ISREG(state.st_mode)
            if identity in seen or not (regular or file == Path(given)):
                continue
            if not (regular or pipes):
                problems.append(Problem(Place(given), "F02", {"why": NOT_REGULAR}))
                continue
            seen.add(identity)
            one = Input(str(file), file, state.st_size, _modified(state, now), not regular)
            found.extend(_members(one, problems) if regular else (one,))
            if len(found) > MAX_FILES:
                problems.append(Problem(Place(given), "F03", {"limit": MAX_FILES}))
                return found[:MAX_FILES], problems
    return found, problems


def opened(path: Path, pipe: bool = False) -> BinaryIO:
    """A file opened without ever waiting for a writer, unless it may be a pipe. Raises OSError where it is neither."""
    if pipe:
        return path.open("rb")
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAITING))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it has changed since it was listed
        file.close()
        raise OSError(NOT_REGULAR)
    return file


def _members(given: Input, problems: list[Problem]) -> Iterator[Input]:
    """The members of a file that is an archive; otherwise, and where it cannot be opened, the file itself."""
    assert given.path is not None
    try:
        with opened(given.path) as file:
            found = listed(file)
    except ArchiveError as error:
        problems.append(Problem(Place(given.name), "F06", {"why": str(error)}))
        return
    except OSError:  # who reads it will say so
        found = None
    if found is None:
        yield given
        return
    if found.package:
        problems.append(Problem(Place(given.name), "F12", severity=Severity.NOTE))
    if found.left_out:
        problems.append(Problem(Place(given.name), "F03", {"limit": MAX_MEMBERS}))
    if found.shut:
        problems.append(Problem(Place(given.name), "F11", {"count": found.shut}))
    for one in found.members:
        name = f"{given.name}!{one.name}"
        yield Input(name, given.path, one.stored, one.modified or given.modified, member=one)


def _modified(state: os.stat_result, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(state.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # a time outside the calendar
        return now


def _unreadable(file: Path, error: OSError) -> Problem:
    return Problem(Place(str(file)), "F02", {"why": error.strerror or str(error)})


def _files(given: str, problems: list[Problem]) -> Iterator[Path]:
    """The files that one path means, with what lies in the way of others."""
    path = Path(given)
    try:
        path.stat()
    except ValueError:  # no file can have such a name
        problems.append(Problem(Place(given), "F01"))
        return
    except OSError as error:
        if error.errno not in _NOT_THERE:
            problems.append(_unreadable(path, error))
            return
        home, matches = os.path.realpath(_fixed(path)), list(_matching(path))
        if not matches:
            problems.append(Problem(Place(given), "F01"))
    else:
        home, matches = os.path.realpath(path), [path]
    for match in matches:
        if _leaves(match, home):
            problems.append(Problem(Place(str(match)), "F04", severity=Severity.WARNING))
        elif os.path.isdir(match):  # noqa: PTH112 - Path.is_dir raises where a folder may be listed and not entered
            yield from _below(match, home, problems)
        else:
            yield match


def _matching(pattern: Path) -> Iterator[Path]:
    """What a glob matches, sorted, without what is hidden. It does not walk through links to folders."""
    fixed = _fixed(pattern)
    if fixed == pattern:
        return
    rest = pattern.relative_to(fixed)
    shows = any(part.startswith(".") for part in rest.parts)
    try:
        found = sorted(fixed.glob(str(rest)))
    except (ValueError, OSError):
        return
    for match in found:
        if shows or not any(part.startswith(".") for part in match.relative_to(fixed).parts):
            yield match


def _fixed(pattern: Path) -> Path:
    """The part of a pattern before its first wildcard."""
    magic = (index for index, part in enumerate(pattern.parts) if glob.has_magic(part))
    return Path(*pattern.parts[: next(magic, len(pattern.parts))])


def _leaves(path: Path, home: str) -> bool:
    # Not Path.resolve: where links go round in circles, it raises.
    return not Path(os.path.realpath(path)).is_relative_to(home)


def _below(folder: Path, home: str, problems: list[Problem]) -> Iterator[Path]:
    """What is below a folder, neither hidden nor a folder, sorted. `home` is what links must not lead out of."""

    def passed_over(error: OSError) -> None:
        problems.append(_unreadable(Path(str(error.filename)), error))

    for where, folders, names in os.walk(folder, onerror=passed_over):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted((*folders, *names)):
            path = Path(where) / name
            if name.startswith("."):
                continue
            if os.path.islink(path) and _leaves(path, home):  # noqa: PTH114 - as above
                problems.append(Problem(Place(str(path)), "F04", severity=Severity.WARNING))
            elif name not in folders:
                yield path
