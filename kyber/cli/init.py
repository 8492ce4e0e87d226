"""`kyber init`: a folder in, a workspace with a small fictional example laid out in it."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated, Final

import typer

from kyber.cli.console import plain, say
from kyber.cli.files import write_below
from kyber.errors import UsageError

EXAMPLE: Final = Path(__file__).parent.parent / "example"
STATE: Final = ".kyber"
SCHEMAS: Final = f"{STATE}/schemas"
LOGS: Final = "logs"
EXAMPLE_TIME: Final = datetime(2026, 11, 4, 6, tzinfo=UTC).timestamp()
"""When the example's logs were last written: after the last event in them."""
EMPTY_FOLDERS: Final = ("sources", "lists", "rules")


class Language(StrEnum):
    """The languages that a workspace can have."""

    FI = "fi"
    SV = "sv"
    EN = "en"


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder, made if need be; else here.", show_default=False)
    ] = Path(),
    language: Annotated[Language, typer.Option(help="The language of the workspace's reports and messages.")] = (
        Language.FI
    ),
    empty: Annotated[
        bool, typer.Option("--empty", help="Leave the example out: only what every workspace has.")
    ] = False,
) -> None:
    """Lay out a new workspace, with a small fictional example to learn from and to replace.

    Never overwrites: where a file is in the way, says which and writes nothing.
    """
    from kyber.text import words_for

    files = dict(_files(language, None if not empty else folder.resolve().name or "kyber"))
    kept = [name for name in files if not name.startswith(SCHEMAS)]
    taken = sorted(name for name in kept if (folder / name).exists() or (folder / name).is_symlink())
    if taken:
        raise UsageError(f"nothing was written, because these are there already: {', '.join(taken)}")
    write_below(folder, files, EMPTY_FOLDERS)
    (folder / STATE).chmod(0o700)
    for name in files:
        if name.startswith(f"{LOGS}/"):  # a log without years is read by the time of its file
            os.utime(folder / name, (EXAMPLE_TIME, EXAMPLE_TIME))
    words = words_for(language.value)
    say(words.many("init.done", len(kept), folder=plain(folder)))
    for name, count in Counter(_at_the_top(name) for name in kept).items():
        say(f"  {name} ({count})" if name.endswith("/") else f"  {name}")
    say(words("init.next", folder=plain(folder)) if not empty else words("init.next-empty", folder=plain(folder)))


def _at_the_top(name: str) -> str:
    """The file, or the folder with a slash, of the workspace's root that holds a file."""
    folder, slash, _ = name.partition("/")
    return folder + slash


def _files(language: Language, organisation: str | None) -> Iterator[tuple[str, bytes]]:
    """Name -> content of every file of a new workspace: the example, or a bare one for an organisation."""
    from kyber.cli.schema import schema_files
    from kyber.join import MODELS

    for name, text in schema_files(tuple(MODELS)).items():
        yield f"{SCHEMAS}/{name}", text.encode()
    yield ".gitignore", (EXAMPLE / "gitignore").read_bytes()
    if organisation is not None:
        yield "kyber.yaml", _bare_settings(organisation, language).encode()
        return
    for file in sorted(file for file in EXAMPLE.rglob("*") if file.is_file() and file.name != "gitignore"):
        content = file.read_bytes()
        if file.name == "kyber.yaml":
            content = content.replace(b"\nlanguage: fi\n", f"\nlanguage: {language}\n".encode())
        yield file.relative_to(EXAMPLE).as_posix(), content


def _bare_settings(organisation: str, language: Language) -> str:
    return (
        f"# yaml-language-server: $schema={SCHEMAS}/settings.schema.json\n"
        f"organisation: {dumps(organisation, ensure_ascii=False)}\n"
        f"language: {language}\n"
        "timezone: Europe/Helsinki\n"
        "store: parquet\n"
    )
