"""What commands write: contents in, files out; each one whole or not at all, and never through a planted link."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO, Final

import typer

from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.workspace import Workspace

_NO_LINK_NO_WAITING: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def check_place(file: Path) -> None:
    """Raises UsageError where a file has no folder to go to, or would take the place of a folder, pipe or device."""
    if not file.parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no folder {file.parent}")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} cannot be written: it is not a regular file")


def spare(output: Path, here: "Workspace | None", others: Iterable[tuple[str, Iterable[Path]]] = ()) -> None:
    """Raises UsageError where the output would take the place of what a workspace holds, or of others: what they are,
    and their files."""
    from kyber.join import MODELS

    if here and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(here.state)):
        raise UsageError(f"{output} is among what kyber keeps for itself: write the findings elsewhere")
    if not output.exists():
        return
    kept = [file for register in MODELS.values() for file in here.root.glob(register.glob)] if here else []
    own = list(here.rules.rglob("*.y*ml")) if here else []
    for what, files in (*others, ("one of the rules", own), ("part of the workspace", kept)):
        if any(_is_same(output, file) for file in files):
            raise UsageError(f"{output} is {what}, and would be lost: write the findings elsewhere")


def check_output(
    output: Path | None, here: "Workspace | None", others: Iterable[tuple[str, Iterable[Path]]] = ()
) -> None:
    """Raises UsageError for a file that cannot be written, or that must not be lost: see `check_place`, `spare`."""
    if output is not None:
        check_place(output)
        spare(output, here, others)


def check_picture(output: Path | None) -> None:
    """Raises UsageError for a picture in a file that is not named as one."""
    if output is not None and output.suffix.lower() != ".svg":
        raise UsageError(f"{output}: the picture is SVG; name the file .svg")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # it is gone by now
        return False


@contextmanager
def standard_output() -> Iterator[None]:
    """Raises UsageError where standard output takes no more, as on a full disk; a reader that left is no error."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise UsageError(f"standard output cannot be written: {error.strerror}") from None


def write_out(output: Path | None, text: str) -> None:
    """To a file the whole text or nothing; None: to standard output."""
    if output is not None:
        write_whole(output, text.encode())
        return
    with standard_output():
        typer.echo(text.encode(), nl=False)


def write_whole(file: Path, content: bytes) -> None:
    """Write the file whole or not at all; a link is replaced. Raises UsageError where it cannot be written."""
    with written_whole(file) as part:
        part.write(content)


@contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """A file to write to, beside its place and under a name that nobody can guess; put there in the end, if all went
    well. Raises UsageError where it cannot be written."""
    beside = file.with_name(f".kyber-{token_hex(8)}.part")
    try:
        with beside.open("xb") as part:  # "x" follows no link
            yield part
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


OTHER_ENDINGS: Final = frozenset((".pdf", ".docx", ".xlsx", ".parquet", ".csv", ".html", ".json", ".jsonl", ".sarif"))
"""Endings that name a form, though perhaps none that is to be had here."""


def form_of(given: str | None, json: bool, output: Path | None, by_ending: Mapping[str, str]) -> str:
    """The name of the form that is asked for: by an option, by how the file's name ends, or a table.

    Raises UsageError for an ending that names another one.
    """
    if json:
        return "jsonl"
    if given is not None or output is None:
        return given or "table"
    ending = output.suffix.lower()
    if ending in OTHER_ENDINGS - by_ending.keys():
        raise UsageError(f"{output}: there is no form {ending} of this; there are {', '.join(by_ending)}, or --format")
    return by_ending.get(ending, "table")


def cache_folder() -> Path | None:
    """Where what can be made again is kept: in the account's cache, never in a workspace, which may be a stranger's."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "kyber"
    except RuntimeError:  # an account without a home
        return None
