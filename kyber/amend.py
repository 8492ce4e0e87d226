"""Edits of a register: a record's file and what is to change in it, in; the text that the file is to have, out.

Nothing is written until `apply`. What would not read back as it was meant, or holds what belongs in no register, is
refused. Ids are given here: the next number that neither the workspace nor its history has used.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kyber.errors import UsageError
from kyber.privacy import mask
from kyber.problem import Problem, Severity
from kyber.register import ABSENT, EditError, Path_, Record, edited, private_data, read, text_of, write
from kyber.text import words_for
from kyber.yamltext import Located, YamlError, load

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SLUG_LENGTH: Final = 60
_NUMBERED: Final = re.compile(r"([A-Z]+)-(\d+)")


class AmendError(UsageError):
    """A record cannot be written as was asked."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A file, and the text that it is to have."""

    file: Path
    text: str
    new: bool = False
    """Whether it is a new record, whose file nobody else may have made meanwhile."""


def slug(text: str) -> str:
    """A text as a part of a file's name: plain small letters, digits and hyphens; personal identity codes masked."""
    letters = unicodedata.normalize("NFKD", mask(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters)[:_SLUG_LENGTH].strip("-")


def next_id(prefix: str, used: Iterable[str]) -> str:
    """The id after the highest of those with this prefix: R-012 after R-011."""
    numbers = [int(found[2]) for id_ in used if (found := _NUMBERED.fullmatch(id_)) and found[1] == prefix]
    return f"{prefix}-{max(numbers, default=0) + 1:03}"


def ids_in_names(names: Iterable[str]) -> set[str]:
    """The ids that the names of files begin with."""
    return {found[0] for name in names if (found := _NUMBERED.match(Path(name).name))}


def new(root: Path, folder: str, model: type[Record], document: Mapping[str, object]) -> Edit:
    """A new record's file in a folder of the workspace. `document` has its id and title. Raises AmendError."""
    id_, title = str(document["id"]), str(document["title"])
    return named(root, f"{folder}/{id_}-{slug(title) or 'x'}.yaml", model, document)


def named(root: Path, name: str, model: type[Record], document: Mapping[str, object]) -> Edit:
    """A new record's file under a name in the workspace; what is None is left out.

    Raises AmendError, also where the file is there, or a folder on the way is a symbolic link.
    """
    file = root / name
    if file.exists() or file.is_symlink():
        raise AmendError(f"{file} is there already")
    for folder in list(file.parents)[: name.count("/")]:
        if folder.is_symlink():
            raise AmendError(f"{folder} is a symbolic link: nothing is written through it")
    up = "../" * name.count("/")
    schema = f"# yaml-language-server: $schema={up}.kyber/schemas/{model.__name__.lower()}.schema.json\n"
    text = text_of({key: value for key, value in document.items() if value is not None})
    return _checked(Edit(file, schema + text, new=True), "", model)


def amend(file: Path, model: type[Record], changes: Sequence[tuple[Path_, object]], text: str | None = None) -> Edit:
    """A record's file with these values set; ABSENT takes one out. What lies between is made.

    Raises AmendError where the result would not be a record, or holds what belongs in no register.
    """
    old = _text(file) if text is None else text
    crlf = "\r\n" in old
    made = old.replace("\r\n", "\n") if crlf else old
    made = made if made.endswith("\n") else f"{made}\n"
    try:
        for path, value in changes:
            made = edited(made, *_from_what_is_there(made, path, value))
    except (EditError, YamlError) as error:
        raise AmendError(f"{file}: {error}") from None
    return _checked(Edit(file, made.replace("\n", "\r\n") if crlf else made), old, model)


def apply(edits: Iterable[Edit]) -> None:
    """Write the files, each whole or not at all; new records first, so that nothing refers to what is not there.

    Raises UsageError, also where somebody else has used the id of a new record meanwhile.
    """
    try:
        for one in sorted(edits, key=lambda each: not each.new):
            if one.file.parent.is_symlink():
                raise AmendError(f"{one.file.parent} is a symbolic link: nothing is written through it")
            one.file.parent.mkdir(parents=True, exist_ok=True)
            with _alone(one.file.parent):
                if one.new:
                    _check_free(one.file)
                write(one.file, one.text)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else writes into a folder meanwhile, as far as they ask like this, and where there are such locks."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _check_free(file: Path) -> None:
    taken = ids_in_names([file.name]) & ids_in_names(each.name for each in file.parent.iterdir())
    if taken or file.exists():
        name = next(iter(taken), file.name)
        raise AmendError(f"somebody else has made {name} meanwhile; ask once more")


def _from_what_is_there(text: str, path: Path_, value: object) -> tuple[Path_, object]:
    """The longest part of a path whose parent is there, and the value that the rest of it makes around `value`."""
    document = next(iter(load(text.encode(), "")), None)
    for depth, step in enumerate(path[:-1]):
        inside = document.get(str(step)) if isinstance(document, Located) else None
        if isinstance(document, list) and isinstance(step, int) and step < len(document):
            inside = document[step]
        if inside is None:
            if value is ABSENT:
                return path, value
            for name in reversed(path[depth + 1 :]):
                value = [value] if name == 0 else {name: value}
            return path[: depth + 1], value
        document = inside
    return path, value


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise AmendError(f"{file} cannot be read: {error}") from None


def _checked(edit: Edit, old: str, model: type[Record]) -> Edit:
    try:
        content = edit.text.encode()
    except UnicodeEncodeError:
        raise AmendError("it holds what is no text: write it in UTF-8") from None
    if len(list(private_data(content, ""))) > len(list(private_data(old.encode(), ""))):
        raise AmendError(
            "a personal identity code or a secret does not belong into what is kept in git: say it without"
        )
    made, problems = read(content, str(edit.file), model)
    if made is None:
        raise AmendError("\n".join(_told(one) for one in problems if one.severity is Severity.ERROR))
    return edit


def _told(problem: Problem) -> str:
    return f"{problem.place}: {' '.join(words_for('en').problem(problem))}"
