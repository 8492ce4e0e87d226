"""What commands write: contents in, files out; each one whole or not at all, and never through a planted link."""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from kyber.errors import UsageError

_NO_LINK_NO_WAITING: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def check_place(file: Path) -> None:
    """Raises UsageError where a file has no folder to go to, or would take the place of a folder, pipe or device."""
    if not file.parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no folder {file.parent}")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} cannot be written: it is not a regular file")


def write_whole(file: Path, content: bytes) -> None:
    """Write the file beside its place, under a name that nobody can guess, and put it there; a link is replaced.

    Raises UsageError where it cannot be written.
    """
    beside = file.with_name(f".kyber-{token_hex(8)}.part")
    try:
        with beside.open("xb") as part:  # "x" follows no link
            part.write(content)
        beside.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            beside.unlink()


def write_below(folder: Path, files: Mapping[str, bytes], folders: Iterable[str] = ()) -> None:
    """Make the folders, and write the files, whose names are relative to `folder`.

    Raises UsageError where one cannot be written, and before writing any where a symbolic link below `folder` stands
    in the way.
    """
    for name in (*folders, *files):
        for part in (folder / name, *(folder / name).parents):
            if part == folder:
                break
            if part.is_symlink():
                raise UsageError(
                    f"nothing was written, because {part} is a symbolic link: remove it, or write elsewhere"
                )
    try:
        for made in (folder, *(folder / name for name in folders), *((folder / name).parent for name in files)):
            made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from None
    for name, content in files.items():
        write_whole(folder / name, content)


def append(file: Path, line: str) -> None:
    """Add a line to a file, made if need be, and have it on the disk before returning.

    Raises OSError where that fails, and where the file is a symbolic link or not a regular file.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | _NO_LINK_NO_WAITING, 0o666)

    with open(file, "ab", opener=opener) as end:
        if not stat.S_ISREG(os.fstat(end.fileno()).st_mode):
            raise OSError(0, "it is not a regular file")
        end.write(line.rstrip("\n").encode() + b"\n")
        end.flush()
        os.fsync(end.fileno())
