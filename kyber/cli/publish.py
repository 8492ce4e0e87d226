"""`kyber publish`: a workspace in, a folder with a small static site for an intranet out."""

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, day_here, plain, root_of, say
from kyber.cli.reading import no_collector
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.join import Snapshot
    from kyber.problem import Problem
    from kyber.text import Words
    from kyber.workspace import Workspace

REPORT: Final = "report.html"
MARKER: Final = ".kyber-site"
"""The file that says which files of a folder kyber wrote."""


def publish(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder: new, empty, or written by this command before.")
    ],
    confidential: Annotated[
        bool, typer.Option("--confidential", help="With entries that are secret, contacts and e-mail addresses.")
    ] = False,
    with_report: Annotated[
        bool, typer.Option("--report/--no-report", help="With the report for management of the quarter.")
    ] = True,
    workspace: Where = None,
) -> None:
    """Write a small static site for an intranet: report, registers, annual clock, rules and dependencies.

    Plain pages without scripts that link to each other alone. Secret entries, incidents, contacts and e-mail addresses
    stay out, unless asked for. The folder is replaced as a whole, or stays as it was.
    """
    from kyber.cli.reported import check_readable
    from kyber.join import read_workspace
    from kyber.publish import site
    from kyber.render.site import files_of
    from kyber.text import words_for
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    _check(folder, here)
    today = day_here(here, datetime.now(UTC))
    with no_collector():
        snapshot, unread = read_workspace(here.root, today)
        if not confidential:
            check_readable(here, snapshot, unread, all_=True)
        words = words_for(here.settings.language)
        others, files = [], {}
        if with_report:
            files[REPORT] = _report(here, snapshot, unread, words, confidential)
            others.append((REPORT, words("site.report")))
        files |= files_of(site(snapshot, words, today.year, confidential=confidential, others=others))
    _replace(folder, files)
    say(words.many("site.written", len(files), folder=plain(folder)))


def _report(
    here: "Workspace", snapshot: "Snapshot", unread: "tuple[Problem, ...]", words: "Words", confidential: bool
) -> bytes:
    """The page of the report for management, for whoever may see the site."""
    from kyber.cli.reported import Asked, given_of
    from kyber.confidential import anonymous
    from kyber.render.document_html import page
    from kyber.render.safe import every_text
    from kyber.report.period import period
    from kyber.report.sections import document

    today = snapshot.today
    asked = Asked(
        period=period("quarter", today),
        today=today,
        words=words,
        scope="confidential" if confidential else "public",
    )
    made = document(given_of(here, asked, snapshot, unread))
    return page(made if confidential else every_text(made, anonymous)).encode()


def _check(folder: Path, here: "Workspace") -> None:
    """Raises UsageError where the folder holds anything that this command did not write, or the workspace itself."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder: name one that is new, empty, or was written by kyber publish")
    real, root = Path(os.path.realpath(folder)), Path(os.path.realpath(here.root))
    if root.is_relative_to(real) or real.is_relative_to(Path(os.path.realpath(here.state))):
        raise UsageError(f"{folder} holds the workspace, or is among what kyber keeps: write the pages elsewhere")
    if not folder.exists():
        if not folder.parent.is_dir():
            raise UsageError(f"{folder} cannot be written: there is no folder {folder.parent}")
        return
    names = {one.name for one in folder.iterdir()}
    if not names:
        return
    try:
        known = set((folder / MARKER).read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeDecodeError):
        known = set()
    if others := sorted(names - known - {MARKER} if known else names):
        raise UsageError(
            f"{folder} holds what kyber publish did not write ({', '.join(others[:3])}): name one that is new or empty"
        )


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a new folder in the place of the old one, or leave it as it was. Raises UsageError."""
    made = folder.with_name(f".{folder.name}-{token_hex(8)}.part")
    old = folder.with_name(f".{folder.name}-{token_hex(8)}.old")
    try:
        made.mkdir(mode=0o755)
        for name, content in {**files, MARKER: "\n".join(sorted(files)).encode()}.items():
            (made / name).write_bytes(content)
        if folder.exists():
            folder.rename(old)
        try:
            made.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
