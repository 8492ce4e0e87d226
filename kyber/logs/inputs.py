"""Paths -> the files that they mean: files, folders, globs, standard input. What cannot be read is a Problem."""

import errno
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kyber.problem import Place, Problem, Severity

MAX_FILES = 200_000
"""Files of one scan."""

_NOT_THERE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL))
NOT_REGULAR: Final = "not a regular file"


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to read. `name` is for the user; `path` is None for standard input; `size` is in bytes as stored.

    `pipe`: it may be opened though it is no regular file, and so may wait for as long as its writer likes.
    """

    name: str
    path: Path | None
    size: int
    modified: datetime
    pipe: bool = False


def inputs(paths: Sequence[str], now: datetime, *, pipes: bool = False) -> tuple[list[Input], list[Problem]]:
    """The files that paths mean: files themselves, folders with all below them, globs, `-` for standard input.

    Below a folder, hidden files are left out, and so is what is no regular file; a symbolic link that leads out of it,
    or out of the folder where a glob begins, is a Problem. So is what is no regular file and named itself, unless
    `pipes`, for paths that the user typed. Sorted by name within each path; a file is read once.
    """
    found: dict[str, Input] = {}
    problems: list[Problem] = []
    for given in paths:
        if given == "-":
            found.setdefault(given, Input("<stdin>", None, 0, now))
            continue
        for file in _files(given, problems):
            try:
                state = file.stat()
            except OSError as error:
                problems.append(_unreadable(file, error))
                continue
            identity = os.path.realpath(file)
            regular = stat.S_ISREG(state.st_mode)
            if identity in found or not (regular or file == Path(given)):
                continue
            if not (regular or pipes):
                problems.append(Problem(Place(given), "F02", {"why": NOT_REGULAR}))
                continue
            if len(found) >= MAX_FILES:
                problems.append(Problem(Place(given), "F03", {"limit": MAX_FILES}))
                return list(found.values()), problems
            found[identity] = Input(str(file), file, state.st_size, _modified(state, now), not regular)
    return list(found.values()), problems


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
